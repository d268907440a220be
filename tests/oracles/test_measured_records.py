"""`measure_activations` and `surprise_adequacy` against shared/oracles: every record a paper decides.

The counts of records are literals: a record that is not read must not pass for one that agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pytest_deepimportance as idc
from tests.oracles.records import (
    DNN_TIP,
    INDEPENDENT,
    NEURAL_COVERAGE,
    case,
    records,
    surprise,
)

OPTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "NC": lambda p: {"nc_threshold": p["t"]},
    "KMNC": lambda p: {"kmnc_sections": p["k"]},
    "NBC": lambda p: {"nbc_sigma": p["sigma"]},
    "SNAC": lambda p: {"snac_sigma": p["sigma"]},
    "TKNC": lambda p: {"tknc_k": p["k"]},
    "TKNP": lambda p: {"tknp_k": p["k"]},
    "CC": lambda p: {"cc_threshold": p["threshold_squared_L2"], "cc_squared": True},
    "NLC": lambda p: {},
}


def measured(criterion: str, record: dict[str, Any], **variant: Any) -> Any:
    train, tests, _ = case(record["case"])
    settings = {
        "bounds_tolerance": 0,
        "min_values": 1,
        **variant,
        **OPTIONS[criterion](record["params"]),
    }
    report = idc.measure_activations(train, tests, criteria=criterion, **settings)
    return report.criteria[criterion]


def compare(
    criterion: str, field: str, source: str = "", rel: float = 0.0, **variant: Any
) -> tuple[int, list[str]]:
    """Number of records with `field`, and those of them that are not met."""
    wanted = [r for r in records(criterion, source) if r.get(field) is not None]
    mismatches = []
    for record in wanted:
        row = measured(criterion, record, **variant)
        integer = record.get("paper_covered") if field == "paper_value" else None
        met = row.value == pytest.approx(record[field], rel=rel, abs=1e-12)
        if not met or (integer is not None and row.covered != integer):
            mismatches.append(f"{record['case']} {record['params']}: {row.value}")
    return len(wanted), mismatches


@pytest.mark.parametrize(
    ("criterion", "count"),
    [("NC", 37), ("KMNC", 30), ("NBC", 16), ("SNAC", 16), ("TKNC", 40), ("TKNP", 24), ("CC", 11)],
)
def test_the_papers_values(criterion: str, count: int) -> None:
    assert compare(criterion, "paper_value") == (count, [])


def test_the_papers_nlc() -> None:
    assert compare("NLC", "paper_value", rel=1e-5) == (7, [])


@pytest.mark.parametrize(
    ("criterion", "source", "variant", "count"),
    [
        ("NC", NEURAL_COVERAGE, {"nc_scale": "channel_mean_first"}, 16),
        ("NC", DNN_TIP, {"nc_scale": "none"}, 9),
        ("KMNC", NEURAL_COVERAGE, {"kmnc_edges": "right"}, 12),
        ("KMNC", DNN_TIP, {"kmnc_edges": "left"}, 9),
        ("NBC", DNN_TIP, {"nbc_inclusive": True}, 9),
        ("SNAC", DNN_TIP, {"snac_inclusive": True}, 9),
        ("TKNP", NEURAL_COVERAGE, {"tknp_ordered": True}, 12),
        ("NC", NEURAL_COVERAGE, {"preset": "neural-coverage"}, 16),
        ("KMNC", NEURAL_COVERAGE, {"preset": "neural-coverage"}, 12),
        ("TKNP", NEURAL_COVERAGE, {"preset": "neural-coverage"}, 12),
        ("NC", DNN_TIP, {"preset": "dnn-tip"}, 9),
        ("KMNC", DNN_TIP, {"preset": "dnn-tip"}, 9),
        ("NBC", DNN_TIP, {"preset": "dnn-tip"}, 9),
        ("SNAC", DNN_TIP, {"preset": "dnn-tip"}, 9),
    ],
)
def test_the_variants(criterion: str, source: str, variant: dict[str, Any], count: int) -> None:
    assert compare(criterion, "emulated_value", source, **variant) == (count, [])


def test_centres_per_layer() -> None:
    wanted = [r for r in records("CC") if "paper_clusters_per_layer" in r]
    for record in wanted:
        train, tests, _ = case(record["case"])
        settings = {"bounds_tolerance": 0, "min_values": 1, **OPTIONS["CC"](record["params"])}
        rows = idc.measure_activations(train, tests, criteria="CC", **settings).criteria
        found = {name: rows[f"CC@{name}"].covered for name in tests}
        assert found == record["paper_clusters_per_layer"], record["case"]
    assert len(wanted) == 11


def penultimate() -> tuple[Any, Any, Any, Any]:
    """Reference rows and inputs of penult_no9 with their predicted classes."""
    train, tests, of = case("penult_no9")
    return train["penult"], of["train_pred"], tests["penult"], of["test_pred"]


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ("LSA", {"rtol": 0, "atol": 1e-8}),
        ("DSA", {"rtol": 1e-6, "atol": 0}),
        ("MDSA", {"rtol": 1e-4, "atol": 0}),
    ],
)
def test_surprise_adequacies(kind: str, tolerance: dict[str, float]) -> None:
    rows, classes, inputs, asked = penultimate()
    found = idc.surprise_adequacy(
        kind, rows, inputs, reference_predictions=classes, input_predictions=asked, inverse="pinv"
    )
    np.testing.assert_allclose(found, surprise(f"penult_no9|{kind}|paper"), **tolerance)


@pytest.mark.parametrize("name", ["LSC", "DSC", "MDSC"])
def test_surprise_coverages(name: str) -> None:
    (record,) = records(name, INDEPENDENT)
    rows, classes, inputs, asked = penultimate()
    low = name.lower()
    report = idc.measure_activations(
        {"penult": rows},
        {"penult": inputs},
        criteria=name,
        reference_predictions=classes,
        input_predictions=asked,
        mdsc_inverse="pinv",
        surprise_values=True,
        **{f"{low}_upper": record["params"]["U"], f"{low}_buckets": record["params"]["n"]},
    )
    row = report.criteria[name]
    assert row.covered == record["covered"]
    assert row.details["below"] + row.details["above"] == record["outside"]
    assert len(row.details["values"]) == row.inputs == 360
