"""`--idc-report=term-missing`: what no test exercises, by name."""

from __future__ import annotations

import dataclasses

from pytest_deepimportance.exercise import NeuronHits
from pytest_deepimportance.reporting import terminal
from pytest_deepimportance.results import CriterionRow, Report
from tests.reporting import samples


def report() -> Report:
    hits = tuple(
        NeuronHits("fc2" if at else "conv1", 10 + at, (59_000, 1_000 - at), (1_000, at))
        for at in range(8)
    )
    found = samples.failing()
    rows = {
        row.key: row
        for row in (
            CriterionRow("NC", "ratio", 95, 126),
            CriterionRow("NC", "ratio", 3, 6, layer="conv1", details={"untouched": [0, 2, 5]}),
            CriterionRow(
                "NC", "ratio", 92, 120, layer="fc1", details={"untouched": list(range(28))}
            ),
        )
    }
    total = dataclasses.replace(found.total, hits=hits, criteria={**found.total.criteria, **rows})
    return dataclasses.replace(found, total=total)


def lines(found: Report, width: int = 80, **options: bool) -> list[str]:
    text = terminal.render([found], width=width, missing=True, **options)
    return text[text.index("missing") :]


def test_gaps_are_named_with_class_example_and_clusters() -> None:
    text = lines(report())
    assert text[1] == ("317 combinations that the reference reaches and no test exercises: 15,360")
    assert text[2].startswith("reference inputs (25.6 %), the largest 3 of them")
    assert text[3] == "  by clusters of conv1[10], fc2[11], [12], [13], [14], [15], [16], [17]:"
    assert text[5].split() == [
        "2,006", "(3.3", "%)", "7", "(99", "%)", "reference[15]", *"11210011"
    ]  # fmt: skip
    assert len({len(line) for line in text[4:8]}) == 1


def test_clusters_without_inputs_and_neurons_never_covered() -> None:
    text = "\n".join(lines(report()))
    assert "clusters no input falls into: conv1[10] cluster 1 (1,000 reference inputs)" in text
    flat = " ".join(text.split())
    assert (
        "NC: 31 neurons never covered: conv1 0 2 5; fc1 0 1 2 3 4 5 6 7 8 9 10 11 and 16 more"
    ) in flat


def test_every_line_fits_the_terminal() -> None:
    for width in (60, 80, 120):
        assert all(len(line) <= width for line in lines(report(), width))


def test_nothing_missing_is_said() -> None:
    done = samples.passing()
    total = dataclasses.replace(done.total, gaps=())
    text = lines(dataclasses.replace(done, total=total))
    assert text[1] == "nothing that the reference does is missing"


def test_a_report_without_records_has_no_such_part() -> None:
    text = terminal.render([samples.nothing_recorded()], missing=True)
    assert "missing" not in text
