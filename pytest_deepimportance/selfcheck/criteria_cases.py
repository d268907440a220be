"""Every criterion on small arrays, against the numbers of the slow twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pytest_deepimportance.checks import Check
from pytest_deepimportance.engine.activations import measure_activations
from pytest_deepimportance.formatting import significant
from pytest_deepimportance.readings import headline
from pytest_deepimportance.selfcheck.stored import cases
from pytest_deepimportance.statistics.expectation import random_suite
from pytest_deepimportance.statistics.homogeneity import chi_square


def criteria() -> Iterator[Check]:
    """Yield a check for each stored case of a criterion."""
    stored = cases()["criteria"]
    for case in stored["cases"]:
        yield Check(_name(case), case["expected"], _measured(stored, case))


def statistics() -> Iterator[Check]:
    """Yield the checks of what is computed from reference counts alone."""
    for case in cases()["random suite"]:
        found = random_suite(np.array(case["counts"], np.int64), case["inputs"])
        text = f"{significant(found.expected)} +- {significant(found.sd)}"
        name = f"random suite: {case['inputs']} of {sum(case['counts'])} rows"
        yield Check(name, case["expected"], text)
    for case in cases()["chi-square"]:
        both = (np.array(case[which], np.int64) for which in ("reference", "new"))
        result = chi_square(*both)
        text = f"{significant(result.statistic or 0.0)}, dof {result.dof}"
        yield Check(f"chi-square: {sum(case['new'])} new rows", case["expected"], text)


def _name(case: Mapping[str, Any]) -> str:
    own = [
        f"{key.removeprefix(case['criterion'].lower() + '_')}={value}"
        for key, value in case["settings"].items()
        if key != "surprise_layer"
    ]
    return " ".join([case["criterion"], *own])


def _measured(stored: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    data = {
        part: {name: np.array(rows, np.float32) for name, rows in stored[part].items()}
        for part in ("reference", "inputs")
    }
    report = measure_activations(
        data["reference"],
        data["inputs"],
        criteria=case["criterion"],
        reference_predictions=np.array(stored["reference_classes"]),
        input_predictions=np.array(stored["input_classes"]),
        bounds_tolerance=0.0,
        **case["settings"],
    )
    row = headline(report.total, case["criterion"])
    if row is None:
        return "not measured"
    if row.unit == "ratio":
        return f"{row.covered} of {row.total}"
    return str(row.covered) if row.unit == "count" else significant(float(row.covered))
