"""The slow twins against shared/oracles: the papers' values, and the variants of three projects.

Numbers there come from three public implementations and an independent numpy computation. The
counts of records are literals: a record that is not read must not pass for one that agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.oracles.records import (
    DEEPIMPORTANCE,
    DNN_TIP,
    INDEPENDENT,
    NEURAL_COVERAGE,
    case,
    records,
    surprise,
)
from tests.oracles.reference_buckets import surprise_coverage
from tests.oracles.reference_cc import cc
from tests.oracles.reference_dsc import dsa
from tests.oracles.reference_kmnc import kmnc
from tests.oracles.reference_layers import Layers
from tests.oracles.reference_lsc import kept_columns, lsa
from tests.oracles.reference_mdsc import mdsa
from tests.oracles.reference_nbc import corners, nbc
from tests.oracles.reference_nc import nc
from tests.oracles.reference_nlc import nlc
from tests.oracles.reference_snac import snac
from tests.oracles.reference_tknc import tknc
from tests.oracles.reference_tknp import tknp

# Far below the smallest step of any ratio (1 / 58000), far above the rounding of the division.
RATIO = {"rel": 0, "abs": 1e-12}

Measure = Callable[..., float]


def ratio(pair: tuple[int, int]) -> float:
    covered, total = pair
    return covered / total


def squared_cc(tests: Layers, threshold: float) -> int:
    return cc(tests, dict.fromkeys(tests, threshold), squared=True)


MEASURES: dict[str, Measure] = {
    "NC": lambda train, tests, p, **variant: ratio(nc(tests, p["t"], **variant)),
    "KMNC": lambda train, tests, p, **variant: ratio(kmnc(train, tests, p["k"], **variant)),
    "NBC": lambda train, tests, p, **variant: ratio(nbc(train, tests, p["sigma"], **variant)),
    "SNAC": lambda train, tests, p, **variant: ratio(snac(train, tests, p["sigma"], **variant)),
    "TKNC": lambda train, tests, p: ratio(tknc(tests, p["k"])),
    "TKNP": lambda train, tests, p, **variant: tknp(tests, p["k"], **variant),
    "CC": lambda train, tests, p: squared_cc(tests, p["threshold_squared_L2"]),
    "NLC": lambda train, tests, p: nlc(tests),
}


def compare(
    criterion: str,
    field: str,
    source: str = "",
    tolerance: dict[str, float] = RATIO,
    prepare: Callable[[Layers], Layers] = dict,
    **variant: Any,
) -> tuple[int, list[str]]:
    """Number of records with `field`, and those of them that the twin does not meet."""
    wanted = [r for r in records(criterion, source) if r.get(field) is not None]
    mismatches = []
    for record in wanted:
        train, tests, _ = case(record["case"])
        found = MEASURES[criterion](prepare(train), prepare(tests), record["params"], **variant)
        if found != pytest.approx(record[field], **tolerance):
            mismatches.append(f"{record['case']} {record['params']}: {found} != {record[field]}")
    return len(wanted), mismatches


@pytest.mark.parametrize(
    ("criterion", "count"),
    [("NC", 37), ("KMNC", 30), ("NBC", 16), ("SNAC", 16), ("TKNC", 40), ("TKNP", 24), ("CC", 11)],
)
def test_the_papers_values(criterion: str, count: int) -> None:
    assert compare(criterion, "paper_value") == (count, [])


def test_the_papers_nlc() -> None:
    assert compare("NLC", "paper_value", tolerance={"rel": 1e-5, "abs": 0}) == (7, [])


@pytest.mark.parametrize(
    ("criterion", "source", "variant", "count"),
    [
        ("NC", NEURAL_COVERAGE, {"scale": "channel_mean_first"}, 16),
        ("NC", DNN_TIP, {"scale": "none"}, 9),
        ("KMNC", NEURAL_COVERAGE, {"edges": "right"}, 12),
        ("KMNC", DNN_TIP, {"edges": "left"}, 9),
        ("NBC", DNN_TIP, {"inclusive": True}, 9),
        ("SNAC", DNN_TIP, {"inclusive": True}, 9),
        ("TKNP", NEURAL_COVERAGE, {"ordered": True}, 12),
    ],
)
def test_the_variants(criterion: str, source: str, variant: dict[str, Any], count: int) -> None:
    assert compare(criterion, "emulated_value", source, **variant) == (count, [])


def mirrored(layers: Layers) -> Layers:
    """The same neurons in opposite order, so that ties go to the highest index."""
    return {name: outputs[:, ::-1] for name, outputs in layers.items()}


@pytest.mark.parametrize(
    ("criterion", "source", "variant"),
    [("TKNP", DEEPIMPORTANCE, {"ordered": True}), ("TKNC", DEEPIMPORTANCE, {}), ("TKNC", DNN_TIP, {})],
)  # fmt: skip
def test_projects_that_rank_with_an_ascending_sort(
    criterion: str, source: str, variant: dict[str, Any]
) -> None:
    """The last k of an ascending sort: equal neurons enter with the highest index first."""
    found = compare(criterion, "emulated_value", source, prepare=mirrored, **variant)
    assert found == (12, [])


def test_lower_and_upper_corners_are_the_recorded_ones() -> None:
    wanted = [r for r in records("NBC") if "lower" in r]
    found = [corners(*case(r["case"])[:2], r["params"]["sigma"]) for r in wanted]
    assert found == [(r["lower"], r["upper"]) for r in wanted]
    assert len(wanted) == 7


def test_centres_per_layer() -> None:
    wanted = [r for r in records("CC") if "paper_clusters_per_layer" in r]
    for record in wanted:
        _, tests, _ = case(record["case"])
        threshold = record["params"]["threshold_squared_L2"]
        found = {name: squared_cc({name: tests[name]}, threshold) for name in tests}
        assert found == record["paper_clusters_per_layer"], record["case"]
    assert len(wanted) == 11


ADEQUACIES: dict[str, Callable[..., Any]] = {"LSA": lsa, "DSA": dsa, "MDSA": mdsa}


def penultimate(classes: str = "predicted") -> tuple[Any, Any, Any, Any]:
    """Reference rows and inputs of penult_no9; `classes` "one" puts all rows into one class."""
    train, tests, of = case("penult_no9")
    fitted, asked = of["train_pred"], of["test_pred"]
    if classes == "one":
        fitted, asked = np.zeros_like(fitted), np.zeros_like(asked)
    return train["penult"], fitted, tests["penult"], asked


@pytest.mark.parametrize(
    ("kind", "array", "tolerance", "classes"),
    [
        ("LSA", "paper", {"rtol": 0, "atol": 1e-8}, "predicted"),
        ("DSA", "paper", {"rtol": 1e-6, "atol": 0}, "predicted"),
        ("MDSA", "paper", {"rtol": 1e-4, "atol": 0}, "predicted"),
        ("LSA", "deepimportance", {"rtol": 0, "atol": 1e-8}, "predicted"),
        ("DSA", "deepimportance", {"rtol": 1e-6, "atol": 0}, "predicted"),
        ("DSA", "pred|dnn-tip", {"rtol": 1e-6, "atol": 0}, "predicted"),
        ("LSA", "global|var_threshold=1e-5|dnn-tip", {"rtol": 0, "atol": 1e-8}, "one"),
    ],
)
def test_surprise_adequacies(
    kind: str, array: str, tolerance: dict[str, float], classes: str
) -> None:
    found = ADEQUACIES[kind](*penultimate(classes))
    assert found.shape == (360,)
    np.testing.assert_allclose(found, surprise(f"penult_no9|{kind}|{array}"), **tolerance)


@pytest.mark.parametrize("kind", ["LSA", "DSA", "MDSA"])
def test_surprise_coverages(kind: str) -> None:
    (record,) = records(kind.replace("SA", "SC"), INDEPENDENT)
    upper, buckets = record["params"]["U"], record["params"]["n"]
    found = surprise_coverage(ADEQUACIES[kind](*penultimate()), upper, buckets)
    assert found["covered"] == record["covered"]
    assert found["below"] + found["above"] == record["outside"]


def test_columns_that_lsa_drops() -> None:
    (record,) = records("LSC", INDEPENDENT)
    rows, classes, _, _ = penultimate()
    kept = kept_columns(rows, classes)
    assert sorted(set(range(18)) - set(kept)) == record["params"]["dropped_columns"]
