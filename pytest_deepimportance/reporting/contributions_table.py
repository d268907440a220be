"""What each test adds, as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.formatting import clean, count, plural

_SHOWN = 20


def render(found: Contributions, *, width: int = 80, every: bool = False) -> list[str]:
    """Return the table of the subset, and the tests that add nothing to it.

    Args:
        every: Show all tests, not the first 20 of each kind.
    """
    lines = [f"items      {count(found.items)} of {', '.join(found.criteria)}"]
    if found.left_out:
        lines.append(
            f"           not {', '.join(found.left_out)}: a test by itself covers no items of these"
        )
    said = textwrap.wrap(_subset(found), max(40, width - 12))
    lines += [f"{'' if number else 'subset':<10} {line}" for number, line in enumerate(said)]
    lines.append("")
    lines += _table(found.subset, width, every)
    if found.idle:
        lines += ["", f"{_number(found.idle)} nothing to {_these(found.subset)}:"]
        lines += _table(found.idle, width, every)
    return lines


def remark(found: Contributions) -> str:
    """Return the line of the screen."""
    adds = "adds" if len(found.idle) == 1 else "add"
    return (
        f"{plural(len(found.subset), 'test')} of {count(len(found.tests))} cover all that all "
        f"cover; {count(len(found.idle))} {adds} nothing to these (deepimportance tests)"
    )


def _subset(found: Contributions) -> str:
    chosen = len(found.subset)
    text = f"{plural(chosen, 'test')} of {count(len(found.tests))} cover as much as all"
    if chosen <= found.at_least:
        return f"{text}; no fewer can"
    return (
        f"{text}; at least {count(found.at_least)} are needed (greedy choice, at most "
        f"{found.bound:.1f} times the fewest)"
    )


def _number(tests: Sequence[Contribution]) -> str:
    return f"{plural(len(tests), 'test')} {'adds' if len(tests) == 1 else 'add'}"


def _these(tests: Sequence[Contribution]) -> str:
    return "this one" if len(tests) == 1 else f"these {count(len(tests))}"


def _table(tests: Sequence[Contribution], width: int, every: bool) -> list[str]:
    if not tests:
        return ["no test covers anything"]
    shown = tests if every else tests[:_SHOWN]
    lines = [f"{'adds':>8} {'covers':>8} {'only it':>8} {'inputs':>8}  test"]
    for test in shown:
        numbers = (test.adds, test.covers, test.only, test.inputs)
        head = " ".join(f"{count(number):>8}" for number in numbers) + "  "
        room = max(12, width - len(head) - 1)
        lines.append(head + (clean(test.nodeid) if every else _ending(clean(test.nodeid), room)))
    if len(shown) < len(tests):
        lines.append(f"... and {count(len(tests) - len(shown))} more (-v shows all)")
    return lines


def _ending(name: str, room: int) -> str:
    """Return a name cut at its beginning: tests of one file differ at the end."""
    return name if len(name) <= room else "..." + name[3 - room :]
