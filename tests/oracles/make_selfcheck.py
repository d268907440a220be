"""Write the answers that `deepimportance selfcheck` knows: only slow twins, none of our package.

    python -m tests.oracles.make_selfcheck

The arrays are drawn once by a fixed seed and stored in eighths, exact in single precision.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.examples.sample_modules import FIXTURES, imported
from tests.oracles.reference_buckets import surprise_coverage
from tests.oracles.reference_cc import cc
from tests.oracles.reference_drift import homogeneity
from tests.oracles.reference_dsc import dsa
from tests.oracles.reference_expectation import all_suites, moments
from tests.oracles.reference_kmnc import kmnc
from tests.oracles.reference_lsc import lsa
from tests.oracles.reference_mdsc import mdsa
from tests.oracles.reference_nbc import nbc
from tests.oracles.reference_nc import nc
from tests.oracles.reference_nlc import nlc
from tests.oracles.reference_sample_project import expected_space, expected_suite
from tests.oracles.reference_snac import snac
from tests.oracles.reference_tknc import tknc
from tests.oracles.reference_tknp import tknp

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "pytest_deepimportance" / "selfcheck" / "cases.json"
WIDTHS = {"first": 4, "second": 5, "last": 3}

Arrays = dict[str, np.ndarray[Any, Any]]


def drawn(rows: int, seed: int, spread: float) -> tuple[Arrays, list[int]]:
    """Activations of three classes, (rows, width) by layer, in eighths; and the classes."""
    random = np.random.RandomState(seed)  # the one numpy generator whose stream never changes
    classes = np.arange(rows) % 3
    found = {}
    for name, width in WIDTHS.items():
        centres = np.random.RandomState(width).normal(size=(3, width)) * 2
        values = centres[classes] + random.normal(size=(rows, width)) * spread
        found[name] = np.round(values * 8) / 8
    return found, classes.tolist()


def three(number: float) -> str:
    """Three significant digits, as reports show them."""
    places = max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0
    return f"{number:,.{places}f}"


def criteria() -> dict[str, Any]:
    (train, learned), (tests, tested) = drawn(60, 1, 0.8), drawn(25, 2, 1.2)
    found: list[dict[str, Any]] = []

    def add(criterion: str, answer: Any, **settings: Any) -> None:
        text = f"{answer[0]} of {answer[1]}" if isinstance(answer, tuple) else str(answer)
        found.append({"criterion": criterion, "settings": settings, "expected": text})

    for threshold in (0.75, 0.97):
        add("NC", nc(tests, threshold), nc_threshold=threshold)
    add("NC", nc(tests, 4.1, "none"), nc_threshold=4.1, nc_scale="none")
    for sections in (5, 50):
        add("KMNC", kmnc(train, tests, sections), kmnc_sections=sections)
    add("KMNC", kmnc(train, tests, 7, "left"), kmnc_sections=7, kmnc_edges="left")
    for sigma in (0.0, 0.3):
        add("NBC", nbc(train, tests, sigma), nbc_sigma=sigma)
    for sigma in (0.0, 0.3):
        add("SNAC", snac(train, tests, sigma), snac_sigma=sigma)
    add("TKNC", tknc(tests, 1), tknc_k=1)
    add("TKNC", tknc(tests, 1, positive_only=True), tknc_k=1, tknc_positive=True)
    for k in (1, 2):
        add("TKNP", tknp(tests, k), tknp_k=k)
    add("TKNP", tknp(tests, 2, ordered=True), tknp_k=2, tknp_ordered=True)
    add("CC", cc(tests, dict.fromkeys(tests, 2.3)), cc_threshold=2.3)
    add("NLC", three(nlc(tests)))
    for name, answer, settings in surprises(train, learned, tests, tested):
        add(name, answer, surprise_layer="second", **settings)
    return {
        "reference": {name: rows.tolist() for name, rows in train.items()},
        "inputs": {name: rows.tolist() for name, rows in tests.items()},
        "reference_classes": learned,
        "input_classes": tested,
        "cases": found,
    }


def surprises(
    train: Arrays, learned: list[int], tests: Arrays, tested: list[int]
) -> Iterator[tuple[str, tuple[int, int], dict[str, Any]]]:
    given = (train["second"], np.array(learned), tests["second"], np.array(tested))
    found = {"LSC": (lsa(*given), 40.0), "DSC": (dsa(*given), 2.0)}
    found |= {"MDSC": (mdsa(*given, inverse="ridge"), 10.0)}
    for name, (values, upper) in found.items():
        for buckets in (10, 100):
            key = name.lower()
            covered = surprise_coverage(values.tolist(), upper, buckets)["covered"]
            settings = {f"{key}_upper": upper, f"{key}_buckets": buckets}
            yield name, (covered, buckets), settings


def random_suites() -> list[dict[str, Any]]:
    found = []
    for counts, inputs in (([3, 2, 1], 2), ([5, 1, 1, 1, 2], 4)):
        mean, variance = moments(all_suites(counts, inputs))
        text = f"{three(float(mean))} +- {three(math.sqrt(variance))}"
        found.append({"counts": counts, "inputs": inputs, "expected": text})
    return found


def chi_squares() -> list[dict[str, Any]]:
    found = []
    for reference, new in (([50, 50], [30, 70]), ([400, 80, 60, 3, 0, 2], [90, 31, 26, 3, 1, 2])):
        answer = homogeneity(reference, new)
        assert answer is not None
        text = f"{three(float(answer[0]))}, dof {answer[1]}"
        found.append({"reference": reference, "new": new, "expected": text})
    return found


def digits() -> dict[str, Any]:
    """What the sample project's twin says of its network, clean test images and a part of them."""
    with imported(ROOT / "sample_project", "app", "model", "data") as app:
        model = app.model.load_classifier(FIXTURES / "digits_lenet.safetensors")
        (images, labels), (test, truth) = app.data.load_reference(), app.data.load_test()
    kept: list[torch.Tensor] = []
    model.relu4.register_forward_hook(lambda *call: kept.append(call[-1]))

    def hidden(rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            model(rows)
        return kept.pop()

    space = expected_space(hidden(images), model.fc3.weight.data, model.fc3.bias.data, labels)
    suites = {}
    for name, rows in {"all digits": test, "without 7, 8, 9": test[truth < 7]}.items():
        suite = expected_suite(space, hidden(rows), 10)
        share = f"share {suite.exercised} of {len(images)}"
        suites[name] = f"{suite.covered} of {space.total}, {share}"
    return {
        "neurons": space.neurons[: space.m],
        "reach": f"{space.reach} of {space.total}",
        "suites": suites,
    }


def content() -> dict[str, Any]:
    return {
        "criteria": criteria(),
        "random suite": random_suites(),
        "chi-square": chi_squares(),
        "digits": digits(),
    }


def text() -> str:
    return json.dumps(content(), indent=None, separators=(",", ":"), sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    print(TARGET, TARGET.stat().st_size, "bytes")
