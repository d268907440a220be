"""The table of functions and rules, docs/functions.md: made from the rules themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from pytest_deepimportance.attribution.lrp.names import SOURCES
from pytest_deepimportance.attribution.lrp.rules import RULES
from pytest_deepimportance.attribution.lrp.unruled import NO_SIGNAL, UNKNOWN

HEAD = """\
# Functions and their rules

What relevance does at each function of torch, in every spelling (`F.relu`, `torch.relu`,
`x.relu()`, `x.relu_()`, `inplace=True`, `out=` and operators share a name). Linear operations with
weights follow the rule that `--idc-lrp-rule` names; everything else is below. Written by

```
python -m pytest_deepimportance.attribution.lrp.table > docs/functions.md
```

"""


def markdown() -> str:
    """Return the page."""
    by_rule: dict[str, list[str]] = {}
    for name, rule in RULES.items():
        by_rule.setdefault((rule.__doc__ or "").splitlines()[0], []).append(name)
    sections: list[tuple[str, Mapping[str, Iterable[str]]]] = [
        ("Functions with a rule", dict(sorted(by_rule.items()))),
        ("Sources", {"Turn integers into signals: relevance ends here, token by token.": SOURCES}),
        ("No signal", {"Their results carry no relevance.": NO_SIGNAL}),
        (
            "Unknown",
            {"The plain gradient is used; a report names function and module.": UNKNOWN},
        ),
    ]
    return HEAD + "\n".join(_section(title, groups) for title, groups in sections)


def _section(title: str, groups: Mapping[str, Iterable[str]]) -> str:
    parts = [f"## {title}\n"]
    for text, names in groups.items():
        listed = textwrap.fill(
            ", ".join(f"`{name}`" for name in sorted(names)), 100, break_long_words=False
        )
        parts.append(f"**{text}**\n\n{listed}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(markdown(), end="")
