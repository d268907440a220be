"""The selector on planted data: it must find what is there, and say so when nothing is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_deepimportance.analysis.intervals import mean, part
from pytest_deepimportance.analysis.selector import Selector
from pytest_deepimportance.analysis.selector_fit import fit_selector
from pytest_deepimportance.analysis.selector_rows import SelectorRows
from pytest_deepimportance.errors import AttributionError, ReportError
from pytest_deepimportance.selector_results import SelectorReport
from tests.oracles import reference_selector as twin

METHODS = ("lrp", "deeplift", "random")


def planted(rows: int, *, by_features: bool, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Gains whose largest is a function of the features, or is drawn without looking at them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 12))
    best = features[:, :3].argmax(axis=1) if by_features else rng.integers(0, 3, rows)
    gains = rng.uniform(0.1, 1, size=(rows, 3))
    gains[np.arange(rows), best] += 1
    return features, gains


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_it_finds_what_the_features_say(kind: str) -> None:
    report = fit_selector(*planted(600, by_features=True), METHODS, kind=kind).report
    assert report.verdict == "better"
    assert report.accuracy.value > report.baseline.value + 0.3
    assert report.accuracy.low > report.baseline.high
    assert report.gain_of_winner < report.gain <= report.gain_of_best


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_it_says_when_there_is_nothing_to_find(kind: str) -> None:
    report = fit_selector(*planted(600, by_features=False), METHODS, kind=kind).report
    assert report.verdict == "no better"
    assert report.difference.low < 0.05


def test_without_anything_to_find_it_is_rarely_called_better() -> None:
    verdicts = [
        fit_selector(*planted(100, by_features=False, seed=seed), METHODS, seed=seed).report.verdict
        for seed in range(100)
    ]
    assert verdicts.count("better") <= 8  # 2.5 % are due


def test_the_figures_are_those_of_the_held_out_rows() -> None:
    features, gains = planted(90, by_features=True)
    inputs = np.repeat(np.arange(45), 2)
    layers = ["fc1", "fc2"] * 45
    gains[5] = -1
    selector = fit_selector(features, gains, METHODS, layers=layers, inputs=inputs, seed=3)
    report = selector.report
    rows = SelectorRows.checked(features, gains, METHODS, layers, inputs)
    held = selector.held_out(rows)
    wins = [twin.winners(own) for own in gains.tolist()]
    judged = [at for at in range(90) if wins[at]]
    test = [at for at in judged if held[at]]
    fitted = [at for at in judged if not held[at]]
    assert {inputs[at] for at in test}.isdisjoint(inputs[at] for at in fitted)
    assert (report.held_rows, report.fitted_rows, report.abstained) == (len(test), len(fitted), 1)
    counts = [sum(m in wins[at] for at in fitted) for m in range(3)]
    winner = counts.index(max(counts))
    assert report.winner == METHODS[winner]
    chosen = [METHODS.index(selector.predict(features[at : at + 1], layers[at])[0]) for at in test]
    right = [c in wins[at] for c, at in zip(chosen, test, strict=True)]
    usual = [winner in wins[at] for at in test]
    groups = [int(inputs[at]) for at in test]
    assert dataclasses.astuple(report.accuracy) == pytest.approx(
        twin.wilson(right, groups), abs=1e-6
    )
    assert dataclasses.astuple(report.baseline) == pytest.approx(
        twin.wilson(usual, groups), abs=1e-6
    )
    ahead = [float(r) - u for r, u in zip(right, usual, strict=True)]
    assert dataclasses.astuple(report.difference) == pytest.approx(
        twin.clustered(ahead, groups), abs=1e-6
    )
    more = [float(gains[at, c] - gains[at, winner]) for c, at in zip(chosen, test, strict=True)]
    assert dataclasses.astuple(report.gain_difference) == pytest.approx(
        twin.clustered(more, groups), abs=1e-6
    )
    assert report.gain_of_best == pytest.approx(sum(max(gains[at]) for at in test) / len(test))
    for score in report.scores:
        own = [at for at in range(90) if score.layer in ("", layers[at])]
        values = [float(gains[at, METHODS.index(score.method)]) for at in own]
        assert score.mean == pytest.approx(sum(values) / len(values))
        assert score.variance == pytest.approx(twin.variance(values))
        assert score.wins == sum(METHODS.index(score.method) in wins[at] for at in own)
    assert [s.layer for s in report.scores] == [""] * 3 + ["fc1"] * 3 + ["fc2"] * 3


def test_the_winner_of_the_class_as_a_yardstick() -> None:
    features, gains = planted(80, by_features=True)
    layers, classes = ["fc1", "fc2"] * 40, np.arange(80) % 5
    selector = fit_selector(features, gains, METHODS, layers=layers, classes=classes)
    report = selector.report
    held = selector.held_out(SelectorRows.checked(features, gains, METHODS, layers))
    wins = [twin.winners(own) for own in gains.tolist()]
    test, fitted = np.flatnonzero(held).tolist(), np.flatnonzero(~held).tolist()
    winner = METHODS.index(report.winner)
    known = []
    for at in test:
        alike = [f for f in fitted if (classes[f], layers[f]) == (classes[at], layers[at])]
        own = [sum(m in wins[f] for f in alike) for m in range(3)]
        best = winner if own[winner] == max(own) else own.index(max(own))
        known.append(best in wins[at])
    assert report.by_class is not None
    assert report.beyond_class is not None
    assert dataclasses.astuple(report.by_class) == pytest.approx(twin.wilson(known, test), abs=1e-6)
    ahead = [
        float(METHODS.index(selector.predict(features[[at]], layers[at])[0]) in wins[at]) - one
        for at, one in zip(test, known, strict=True)
    ]
    assert dataclasses.astuple(report.beyond_class) == pytest.approx(
        twin.clustered(ahead, test), abs=1e-6
    )


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_a_winner_that_follows_the_class_is_no_more_than_the_class(kind: str) -> None:
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 3, 300)
    features = rng.normal(size=(300, 6)) + 4 * np.eye(6)[classes]
    gains = rng.uniform(0.1, 1, size=(300, 3)) + np.eye(3)[classes]
    report = fit_selector(features, gains, METHODS, classes=classes, kind=kind).report
    assert report.verdict == "better"
    assert report.beyond_class is not None
    assert report.beyond_class.low <= 0


@pytest.mark.parametrize("right", [[True] * 9, [False] * 9, [True, False, True] * 3])
def test_parts_and_their_interval(right: list[bool]) -> None:
    groups = [0, 0, 1, 2, 3, 4, 4, 5, 6]
    found = part(np.array(right), np.array(groups))
    assert dataclasses.astuple(found) == pytest.approx(twin.wilson(right, groups), abs=1e-6)


def test_the_mean_of_a_single_input_has_no_bounds() -> None:
    found = mean(np.array([1.0, 0.0]), np.array([4, 4]))
    assert (found.value, found.low, found.high) == (0.5, -np.inf, np.inf)


def test_layers_are_told_apart_by_their_name_alone() -> None:
    features, gains = planted(200, by_features=False)
    gains[:, :] = 0.1
    layers = ["fc1", "fc2"] * 100
    gains[::2, 0] = 1
    gains[1::2, 2] = 1
    selector = fit_selector(features, gains, METHODS, layers=layers)
    assert selector.predict(features[:3], "fc1") == ["lrp"] * 3
    assert selector.predict(features[:3], "fc2") == ["random"] * 3
    assert selector.report.accuracy.value == 1


def test_ties_and_a_method_that_always_wins() -> None:
    features, gains = planted(60, by_features=True)
    gains[:, 1] = gains.max(axis=1)
    report = fit_selector(features, gains, METHODS).report
    assert report.winner == "deeplift"
    assert (report.accuracy.value, report.baseline.value, report.verdict) == (1, 1, "no better")
    assert report.tied == 60 - report.scores[1].wins + sum(gains[:, 0] == gains[:, 1]) + sum(
        gains[:, 2] == gains[:, 1]
    )
    assert any("nothing to select" in note for note in report.notes)


def test_it_is_saved_without_pickle_and_read_back(tmp_path: Path) -> None:
    features, gains = planted(120, by_features=True)
    for kind in ("logistic", "mlp"):
        selector = fit_selector(features, gains, METHODS, kind=kind, fingerprint="abc")
        read = Selector.load(selector.save(tmp_path / "sub" / f"{kind}.safetensors"))
        assert read.report == selector.report
        assert read.predict(features) == selector.predict(features)
        assert b"pickle" not in (tmp_path / "sub" / f"{kind}.safetensors").read_bytes()
    assert SelectorReport.from_json(selector.report.to_json()) == selector.report
    assert selector.report.to_json()["verdict"] == selector.report.verdict


def test_same_seed_same_selector() -> None:
    features, gains = planted(120, by_features=True)
    first, second = (fit_selector(features, gains, METHODS, kind="mlp", seed=5) for _ in range(2))
    assert first.report == second.report


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": ("lrp", "deeplift")}, "and 2 methods"),
        ({"methods": ("lrp", "lrp", "x")}, "two different"),
        ({"features": np.full((60, 12), np.nan)}, "not finite"),
        ({"gains": np.full((60, 3), np.inf)}, "not finite"),
        ({"features": np.zeros((59, 12))}, "(59, 12)"),
        ({"gains": np.full((60, 3), -1.0)}, "only 0 of 60 inputs have a winner"),
        ({"layers": ["fc1"]}, "1 layers"),
        ({"inputs": np.zeros(60)}, "only 1 of 1 inputs"),
        ({"classes": np.zeros(3)}, "classes (3,)"),
        ({"kind": "forest"}, "logistic, mlp"),
        ({"held_out": 1.0}, "between 0 and 1"),
    ],
)  # fmt: skip
def test_mistakes(change: dict[str, Any], words: str) -> None:
    features, gains = planted(60, by_features=True)
    given: dict[str, Any] = {"features": features, "gains": gains, "methods": METHODS, **change}
    with pytest.raises(AttributionError) as caught:
        fit_selector(**given)
    assert words in str(caught.value)


def test_other_features_layers_and_files_are_refused(tmp_path: Path) -> None:
    features, gains = planted(60, by_features=True)
    selector = fit_selector(features, gains, METHODS, layers=["fc1", "fc2"] * 30)
    with pytest.raises(AttributionError, match="12"):
        selector.predict(features[:, :3], "fc1")
    with pytest.raises(AttributionError, match="not finite"):
        selector.predict(np.full((1, 12), np.nan), "fc1")
    for layer in (None, "fc9"):
        with pytest.raises(AttributionError, match="fc1"):
            selector.predict(features, layer)
    with pytest.raises(AttributionError, match="all layers together"):
        fit_selector(features, gains, METHODS).predict(features, "fc1")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing of the kind")
    for name in ("absent.safetensors", "bad.safetensors"):
        with pytest.raises(ReportError, match="no selector"):
            Selector.load(tmp_path / name)
    with pytest.raises(ReportError, match="cannot be written"):
        selector.save(tmp_path / "bad.safetensors" / "x")
