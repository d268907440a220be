"""What `deepimportance selfcheck` prints."""

from __future__ import annotations

from pytest_deepimportance.checks import SelfCheck
from pytest_deepimportance.formatting import clean, plural
from pytest_deepimportance.reporting.layers_table import columns

_LONGEST = 60


def render(result: SelfCheck) -> list[str]:
    """Return the lines: versions, every check, the verdict and the digest."""
    rows = [("check", "found", "")]
    for check in result.checks:
        wanted = "pass" if check.passed else f"FAIL, expected {check.expected}"
        rows.append((check.name, clean(check.found)[:_LONGEST], wanted))
    failed = sum(not check.passed for check in result.checks)
    verdict = f"{plural(failed, 'check')} of {len(result.checks)} failed"
    return [
        *columns([*result.versions.items()], right=set()),
        "",
        *columns(rows, right=set()),
        "",
        verdict if failed else f"all {len(result.checks)} checks passed",
        f"sha256 of the answers  {result.digest}",
    ]
