"""The page that `deepimportance vote` prints."""

from __future__ import annotations

import dataclasses
from typing import Any

from pytest_deepimportance.reporting.votes_table import render
from pytest_deepimportance.votes import MethodVotes, Votes

METHODS = (
    MethodVotes("lrp", lists=10, wins=2, gain=0.5),
    MethodVotes("deeplift", lists=9, wins=6, gain=-0.25, failures=1, reason="out of luck"),
    MethodVotes("activation", lists=0, wins=0, gain=None),
)


def page(notes: tuple[str, ...] = (), layers: int = 2, **changes: Any) -> list[str]:
    shares = {f"fc{i}": 1 / layers for i in range(layers)}
    known = {"methods": METHODS, "groups": 10, "abstained": 2, "inputs": 1234, "m": 5}
    votes = Votes(**{**known, "shares": shares, "judged_by": "cross-entropy", **changes})
    top = [("fc0", 3, 40.0), ("fc1", 0, 2.5), ("fc1", 1, 0.0)]
    widths = dict.fromkeys(shares, 1000)
    return render(votes, "net.pth ab12", "app:train", top, widths, notes)


def test_methods_stand_by_wins_with_what_became_of_them() -> None:
    lines = page(failed={"grad-cam": "it needs convolutions"})
    start = next(i for i, line in enumerate(lines) if line.startswith("method"))
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    assert [row[0] for row in rows] == ["deeplift", "lrp", "activation", "grad-cam"]
    assert rows[0][1:5] == ["6", "75", "%", "-0.250"]
    assert rows[1][1:5] == ["2", "25", "%", "+0.500"]
    assert "did not run on 1 batch" in lines[start + 1]
    assert "cannot run: see below" in lines[start + 4]


def test_abstentions_layers_and_top_neurons() -> None:
    text = "\n".join(page(("fc0, an early layer, has 66 % of all points",)))
    assert "10 batches voted, 2 of them abstained" in text
    assert "top        fc0[3] 40, fc1[0] 2.50\n" in text
    assert "fc1[1]" not in text
    assert "1,000  50.0 %" in text
    assert "note       fc0, an early layer" in text
    assert "abstained" not in "\n".join(page(abstained=0))
    wisdom = " ".join(" ".join(page(mode="wisdom")).split())
    assert "m = 5 for each method's list (ten places count whatever m is), mode wisdom" in wisdom
    assert "ten places" not in text


def test_ties_are_said() -> None:
    both = tuple(dataclasses.replace(found, tied=n) for n, found in enumerate(METHODS))
    tied = (("activation", "deeplift"),) * 3 + ((),) * 7
    lines = page(methods=both, tied=tied, failed={"grad-cam": "it needs convolutions"})
    start = next(i for i, line in enumerate(lines) if line.startswith("method"))
    assert lines[start].split()[:3] == ["method", "wins", "tied"]
    assert lines[start + 1].split()[:6] == ["deeplift", "6", "75", "%", "1", "-0.250"]
    assert "tied" not in "\n".join(page())


def test_many_layers_are_folded_and_lines_are_short() -> None:
    lines = page(layers=14, notes=("a long note " * 20,))
    assert "and 4 layers with fewer points" in lines
    assert max(map(len, lines)) <= 80


def test_control_characters_of_names_do_not_reach_the_screen() -> None:
    lines = page(notes=("a\x1b[31mred\nname",))
    assert all(line.isprintable() for line in lines)
