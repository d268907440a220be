"""Reports as the engine would make them; numbers of LeNet-5/MNIST from the project's measurements."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pytest_deepimportance.gating import judge
from pytest_deepimportance.provenance import (
    ImportanceInfo,
    LayerRow,
    ModelInfo,
    NeuronRow,
    ProfileInfo,
    ReferenceInfo,
    SpaceRow,
)
from pytest_deepimportance.results import (
    ClassShare,
    CriterionRow,
    Exclusions,
    Gap,
    LadderStep,
    RandomSuite,
    Report,
    RunInfo,
    SettingRow,
    SuiteResult,
    TestRow,
)
from pytest_deepimportance.thresholds import parse_threshold

R = 60_000
PER_CLASS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
NEURONS = tuple(
    NeuronRow("fc2", index, relevance, 2, (0.0, 1.5), 0.71, False)
    for index, relevance in ((12, 91.5), (3, 80.25), (44, 61.0), (7, 55.5))
)
BALANCED = (98, 113, 103, 101, 98, 89, 96, 103, 97, 102)


def profile(total: int = 576, reach: int = 423, m: int = 8, **changes: Any) -> ProfileInfo:
    space = SpaceRow("fc2", "fc2", None, m, "auto", total, reach, min(reach, 418), NEURONS)
    values: dict[str, Any] = {
        "fingerprint": "7d1e2f3a4b5c6d7e",
        "origin": "cached",
        "layers": (LayerRow("fc2", "Linear", 84, "relu4", 1.0),),
        "spaces": (space,),
        "importance": ImportanceInfo("lrp", "epsilon 1e-06", "predicted", 59_531, 2.1e-7, 0.971),
    }
    return ProfileInfo(**{**values, **changes})


def reference(**changes: Any) -> ReferenceInfo:
    values: dict[str, Any] = {
        "descriptor": "torchvision:MNIST:train",
        "fingerprint": "0badc0de",
        "rows": R,
        "available": R,
        "usable": R,
        "fitted": 59_531,
        "non_finite": 0,
        "labelled": True,
        "class_names": tuple("0123456789"),
    }
    return ReferenceInfo(**{**values, **changes})


def classes(percents: Sequence[float], inputs: Sequence[int] = BALANCED) -> tuple[ClassShare, ...]:
    return tuple(
        ClassShare(index, str(index), rows, round(rows * percent / 100), inputs[index])
        for index, (rows, percent) in enumerate(zip(PER_CLASS, percents, strict=True))
    )


def row(
    covered: int, inputs: int, share: float, random: RandomSuite | None, **changes: Any
) -> CriterionRow:
    values: dict[str, Any] = {
        "criterion": "IDC",
        "unit": "ratio",
        "covered": covered,
        "total": 576,
        "inputs": inputs,
        "reach": 423,
        "covered_reached": covered,
        "exercised_rows": round(R * share / 100),
        "reference_rows": R,
        "random": random,
        "details": {"of_reached": covered / 423},
    }
    return CriterionRow(**{**values, **changes})


def random(inputs: int, expected: float, low: int, high: int, covered: int) -> RandomSuite:
    return RandomSuite(inputs, expected, (high - low) / 4.65, low, high, True, covered)


def suite(
    name: str,
    inputs: int,
    correct: int,
    main: CriterionRow,
    shares: Sequence[float] = (),
    more: Sequence[CriterionRow] = (),
    **changes: Any,
) -> SuiteResult:
    values: dict[str, Any] = {
        "name": name,
        "tests": max(inputs // 50, 1),
        "inputs": inputs,
        "rows": inputs,
        "labelled": inputs,
        "correct": correct,
        "criteria": {item.key: item for item in (main, *more)},
        "classes": classes(shares) if shares else (),
        "classes_from": "labels" if shares else "",
    }
    return SuiteResult(**{**values, **changes})


def report(
    suites: Sequence[SuiteResult],
    total: SuiteResult,
    gates: Sequence[str] = (),
    partial: str = "fail",
    **changes: Any,
) -> Report:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "created": "2025-01-31T12:00:00+00:00",
        "model": ModelInfo("models/lenet5.pth", "LeNet5", "3f2a91c0d4e5f607", 61_706),
        "reference": reference(),
        "profile": profile(),
        "suites": tuple(suites),
        "total": total,
        "run": RunInfo(marked_collected=41, marked_ran=41),
        "exclusions": Exclusions(unmarked_passes=12, unmarked_tests=2),
        "settings": (SettingRow("m", "auto", "default"), SettingRow("report", "", "default")),
        "environment": {"python": "3.11.7", "torch": "2.15.0"},
    }
    made = Report(**{**values, **changes})
    outcomes = judge(made, [parse_threshold(text) for text in gates], partial=partial)
    return dataclasses.replace(made, gates=outcomes)


GOOD = (97.1, 98.9, 95.2, 91.9, 96.0, 93.3, 97.0, 95.8, 78.5, 90.5)
BIASED = (97.0, 98.6, 96.1, 91.2, 97.4, 92.3, 99.0, 15.8, 39.3, 17.8)
GAPS = (
    Gap(306, "6", 278, 41_217, (1, 0, 2, 1, 0, 0, 1, 1)),
    Gap(211, "8", 160, 1_002, (0, 0, 2, 1, 0, 0, 1, 1)),
)
BIASED_GAPS = (
    Gap(2_006, "7", 1_990, 15, (1, 1, 2, 1, 0, 0, 1, 1)),
    Gap(1_777, "7", 1_700, 29, (1, 1, 0, 1, 0, 0, 1, 1)),
    Gap(1_545, "9", 1_482, 4, (0, 1, 0, 1, 0, 0, 1, 1)),
)


def passing(**changes: Any) -> Report:
    """Screen 5.1: 700 clean and 300 shifted inputs, gate met."""
    clean = suite("clean", 700, 689, row(146, 700, 91.3, random(700, 141.2, 127, 155, 146)))
    shifted = suite("shifted", 300, 247, row(99, 300, 73.4, random(300, 95.4, 83, 108, 99)))
    ladder = (
        LadderStep(6, 96, 90, 90, 62, 62, 0.9874),
        LadderStep(8, 576, 423, 418, 176, 176, 0.9382),
    )
    total = suite(
        "TOTAL", 1_000, 936, row(176, 1_000, 93.82, random(1_000, 163.0, 148, 178, 176)),
        GOOD, gaps=GAPS, ladder=ladder, evenness=0.9985,
    )  # fmt: skip
    return report((clean, shifted), total, **{"gates": ["0.29"], **changes})


def failing(
    gates: Sequence[str] = ("clean/IDC=0.29", "clean/IDC=random"), **changes: Any
) -> Report:
    """Screen 5.2: 1,000 inputs without the digits 7, 8 and 9."""
    inputs = (143, 165, 150, 147, 143, 122, 130, 0, 0, 0)
    main = row(106, 1_000, 74.4, random(1_000, 163.3, 149, 178, 106))
    clean = suite(
        "clean", 1_000, 988, main, gaps=BIASED_GAPS, evenness=0.8417,
        classes=classes(BIASED, inputs), classes_from="labels",
    )  # fmt: skip
    total = dataclasses.replace(clean, name="TOTAL")
    return report((clean,), total, gates, **changes)


def nothing_recorded(gates: Sequence[str] = ("0.29",), **changes: Any) -> Report:
    """Marked tests ran, and every one missed the watched model."""
    causes = (
        ["12 passes of another LeNet5 with other weights (fingerprint 9bc1a2d3, not 3f2a91c0)"] * 3
        + ["no forward pass of a model happened"]
    )  # fmt: skip
    tests = tuple(
        TestRow(f"tests/test_model.py::test_{at}", "default", "passed", 0, 0, cause)
        for at, cause in enumerate(causes)
    )
    empty = CriterionRow("IDC", "ratio", 0, 576, reach=423, covered_reached=0,
                         exercised_rows=0, reference_rows=R)  # fmt: skip
    total = suite("TOTAL", 0, 0, empty, tests=4)
    values: dict[str, Any] = {"tests": tests, "run": RunInfo(4, 4), **changes}
    return report((), total, gates, **values)


def many_suites(number: int = 30, gates: Sequence[str] = ("0.2", "corruption_07_gaussian/IDC=0.5")) -> Report:  # fmt: skip
    kinds = ("gaussian", "fog", "a_rather_long_name_of_a_weather_condition_at_night")
    suites = [
        suite(
            f"corruption_{at:02d}_{kinds[at % 3]}", 100 + at, 90 + at,
            row(60 + at, 100 + at, 70.0 + at / 2, random(100 + at, 65.0, 55, 75, 60 + at)),
        )
        for at in range(1, number + 1)
    ]  # fmt: skip
    names = [f"very_long_class_name_number_{at}_of_ten" for at in range(10)]
    total = suite(
        "TOTAL", 3_465, 3_200, row(251, 3_465, 97.1, random(3_465, 242.0, 230, 254, 251)),
        classes=tuple(
            dataclasses.replace(item, name=name)
            for item, name in zip(classes(GOOD), names, strict=True)
        ), classes_from="predictions", gaps=GAPS,
    )  # fmt: skip
    every = [*gates, *(f"{item.name}/share=0.8" for item in suites[:12])]
    return report(suites, total, every)


def unlabelled() -> Report:
    """No labels anywhere: no accuracy, classes are predictions, per-class rows not judged."""
    row_7 = row(0, 0, 0.0, None, class_name="7", class_index=7, judged=False)
    main = row(176, 1_000, 93.8, random(1_000, 163.0, 148, 178, 176))
    total = suite("TOTAL", 1_000, 0, main, GOOD, [row_7], labelled=0, classes_from="predictions")
    only = dataclasses.replace(total, name="default")
    info = reference(labelled=False, class_names=(), fitted=R)
    return report((only,), total, ["IDC:7=0.5"], reference=info)


def degenerate(gates: Sequence[str] = ("0.29",)) -> Report:
    main = row(1, 1_000, 100.0, None, total=1, reach=1, covered_reached=1)
    total = suite("TOTAL", 1_000, 936, main)
    return report(
        (dataclasses.replace(total, name="default"),), total, gates,
        profile=profile(total=1, reach=1),
    )  # fmt: skip


def huge() -> Report:
    """A global scope with a total far above 64 bits."""
    whole = 4**40
    main = row(9_871, 10_000, 12.5, random(10_000, 9_900.0, 9_870, 9_930, 9_871),
               total=whole, reach=52_000, covered_reached=9_100)  # fmt: skip
    total = suite("TOTAL", 10_000, 9_890, main)
    space = SpaceRow("global", None, None, 40, "asked", whole, 52_000, 51_000, NEURONS)
    layers = (
        LayerRow("conv1", "Conv2d", 6, "relu1", 0.2),
        LayerRow("fc2", "Linear", 84, "relu4", 0.8),
    )
    return report(
        (dataclasses.replace(total, name="default"),), total, ["1e-9"],
        profile=profile(spaces=(space,), layers=layers, origin="built"),
    )  # fmt: skip


def layers_and_classes() -> Report:
    """Scope all, classes each: a pooled headline and many rows below it."""
    names = ("conv1", "conv2", "fc1", "fc2")
    covered = (40, 12, 77, 176)
    rows = [
        row(got, 1_000, 90.0, None, layer=name) for name, got in zip(names, covered, strict=True)
    ]
    rows += [
        row(got, 100, share, None, class_name=str(at), class_index=at, total=144, reach=99)
        for at, (got, share) in enumerate(
            zip((60, 58, 57, 55, 61, 59, 62, 54, 23, 31), GOOD, strict=True)
        )
    ]
    main = row(305, 1_000, 92.0, None, total=4 * 576, reach=1_500)
    total = suite("TOTAL", 1_000, 936, main, GOOD, rows, gaps=GAPS, evenness=0.9985)
    spaces = tuple(SpaceRow(name, name, None, 8, "auto", 576, 375, 370, NEURONS) for name in names)
    layers = tuple(LayerRow(name, "Conv2d", 20, "relu", 0.25) for name in names)
    return report(
        (dataclasses.replace(total, name="default"),), total, ["IDC:*=0.1", "IDC@fc2=0.3"],
        profile=profile(spaces=spaces, layers=layers),
    )  # fmt: skip


def remarked() -> Report:
    """Partial, with every kind of remark."""
    base = passing()
    silent = TestRow(
        "tests/test_api.py::test_ok", "clean", "passed", 0, 0, "the model ran in a subprocess"
    )
    return dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, notes=("the model was in train mode; it was measured in eval mode and put back.",)),
        reference=reference(rows=10_000, usable=9_988, fitted=9_901, sampled=True, augmented=True, non_finite=12, available=60_000),
        run=RunInfo(marked_collected=41, marked_ran=3, deselected=38),
        tests=(silent,),
        exclusions=Exclusions(4, 3, 12, 2, 7, 5, 12, 1, 2),
        notes=("non-finite values in layer fc2 during tests/test_shift.py::test_shift[9px]: 12 rows not counted",),
    )  # fmt: skip


def incomplete() -> Report:
    run = RunInfo(41, 7, 0, complete=False, incomplete_because="stopping after 1 failures")
    return passing(run=run)


def two_models() -> list[Report]:
    other = failing(
        model=ModelInfo(
            "models/lenet1_with_a_long_name_of_the_file.pth", "LeNet1", "a1b2c3d4e5f60718", 7_206
        )
    )
    return [passing(), other]


def warned() -> Report:
    return failing(
        ["IDC=0.8 # agreed with QA on 2025-01-12", "share:*=0.7", "reached=0.2"], partial="warn",
        run=RunInfo(41, 30, 11),
    )  # fmt: skip


ALL = {
    "passing": lambda: [passing()],
    "failing": lambda: [failing()],
    "nothing_recorded": lambda: [nothing_recorded()],
    "nothing_recorded_ungated": lambda: [nothing_recorded(())],
    "many_suites": lambda: [many_suites()],
    "unlabelled": lambda: [unlabelled()],
    "degenerate": lambda: [degenerate()],
    "huge": lambda: [huge()],
    "layers_and_classes": lambda: [layers_and_classes()],
    "remarked": lambda: [remarked()],
    "incomplete": lambda: [incomplete()],
    "two_models": two_models,
    "warned": lambda: [warned()],
}
