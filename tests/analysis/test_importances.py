"""Importance of several methods, data sets and classes, against sums row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pytest_deepimportance.analysis.importances import Asked, importances
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.engine.profiles import describe_model
from pytest_deepimportance.errors import (
    AttributionError,
    LayerError,
    ReferenceDataError,
    SettingsError,
)
from pytest_deepimportance.importance_results import ImportanceReport
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp, rows

X, Y = rows(60, wrong=7)


def report(
    data: Any = None, asked: Asked | None = None, inputs: Any = None, **given: Any
) -> ImportanceReport:
    model, settings = Mlp(), from_keywords(**given)
    sets = {"reference": open_reference((X, Y) if data is None else data, settings)}
    if inputs is not None:
        sets["late"] = open_reference(inputs, settings)
    return importances(model, sets, settings, asked or Asked(), info=describe_model(model))


def relevance_of(x: torch.Tensor) -> dict[str, np.ndarray]:
    """Relevance of each hidden layer of the Mlp, by the definition of LRP (epsilon 1e-6)."""
    model = Mlp()
    a = [x.double().numpy()]
    layers = [model.fc1, model.fc2, model.fc3]
    weights = [
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())
        for layer in layers
    ]
    for number, (w, b) in enumerate(weights):
        z = a[-1] @ w.T + b
        a.append(np.maximum(z, 0) if number < 2 else z)
    best = a[3].argmax(1)
    r = np.where(np.arange(3)[None] == best[:, None], a[3], 0.0)
    found = {}
    for number in (2, 1):
        w, b = weights[number]
        z = a[number] @ w.T + b
        z = z + 1e-6 * np.where(z >= 0, 1.0, -1.0)
        r = a[number] * ((r / z) @ w)
        found[f"fc{number}"] = r
    return found


def test_sums_over_the_rows_that_count_and_by_class() -> None:
    found = report(classes="each", batch_size=13)
    right = np.arange(60) >= 7
    relevance = relevance_of(X)
    whole = found.whole()[0]
    assert (whole.rows, found.data[0].rows, found.data[0].which) == (53, 60, "classified correctly")
    for layer in ("fc1", "fc2"):
        assert whole.scores[layer] == pytest.approx(
            relevance[layer][right].sum(0), rel=1e-4, abs=1e-5
        )
        for one in found.by_class("lrp", "reference"):
            own = right & (Y.numpy() == one.class_index)
            assert one.rows == own.sum()
            assert one.scores[layer] == pytest.approx(
                relevance[layer][own].sum(0), rel=1e-4, abs=1e-5
            )


def test_all_rows_count_when_asked_or_without_labels() -> None:
    relevance = relevance_of(X)["fc2"].sum(0)
    for found in (report(correct="all"), report(data=X)):
        assert found.whole()[0].rows == 60
        assert found.whole()[0].scores["fc2"] == pytest.approx(relevance, rel=1e-4, abs=1e-5)
    assert any("no class labels" in note for note in report(data=X).notes)


def test_several_methods_and_inputs_are_compared() -> None:
    found = report(
        asked=Asked(("lrp", "gradient-x-activation", "random"), m=3), inputs=(X[:20], Y[:20])
    )
    assert [s.method for s in found.whole()] == [
        "lrp",
        "lrp",
        "gradient-x-activation",
        "gradient-x-activation",
        "random",
        "random",
    ]
    methods = [o for o in found.overlaps if o.kind == "methods"]
    assert {(o.first, o.second) for o in methods} == {
        ("lrp", "gradient-x-activation"),
        ("lrp", "random"),
        ("gradient-x-activation", "random"),
    }
    assert all(o.within == "reference" for o in methods)
    data = [o for o in found.overlaps if o.kind == "data"]
    assert {o.within for o in data} == {"lrp", "gradient-x-activation", "random"}
    assert {o.layer for o in data} == {"fc1", "fc2"}


def test_layers_come_in_network_order_and_m_is_clipped() -> None:
    found = report(asked=Asked(layers=("fc2", "fc1"), m=12))
    assert [(y.name, y.neurons, y.default) for y in found.layers] == [
        ("fc1", 10, False),
        ("fc2", 14, True),
    ]
    assert [found.m_of(y) for y in found.layers] == [10, 12]
    assert [report(asked=Asked(m=None)).m_of(y) for y in found.layers] == [10, 14]


def test_json_round_trip() -> None:
    found = report(classes="each", asked=Asked(("lrp", "random")))
    data = found.to_json()
    assert (data.pop("schema"), data.pop("format")) == ("deepimportance-importance", 1)
    assert ImportanceReport.from_json(data) == found


def test_the_model_is_left_as_it_was() -> None:
    model = Mlp().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = from_keywords()
    importances(
        model,
        {"reference": open_reference((X, Y), settings)},
        settings,
        Asked(),
        info=describe_model(model),
    )
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"asked": Asked(("nosuch",))}, AttributionError, "no attribution method"),
        ({"asked": Asked(layers=("fc9",))}, LayerError, "fc9"),
        ({"classes": "7"}, SettingsError, "no row that counts is of class '7'"),
        ({"data": X, "classes": "each"}, SettingsError, "needs data with labels"),
        ({"data": (X, (Y + 1) % 3)}, ReferenceDataError, "none of the 60 rows"),
    ],
)  # fmt: skip
def test_mistakes(given: dict[str, Any], error: type[Exception], words: str) -> None:
    if "data" in given and isinstance(given["data"], tuple):
        _, y = rows(60)
        given = {"data": (X, (y + 1) % 3)}
    with pytest.raises(error, match=words):
        report(**given)


def test_a_method_that_cannot_run_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_deepimportance.attribution.captum_gradients import GradientXActivation
    from pytest_deepimportance.errors import MethodUnavailable

    def refuse(*_: Any, **__: Any) -> None:
        raise MethodUnavailable("grad-x-act has no path here")

    monkeypatch.setattr(GradientXActivation, "attribute", refuse)
    found = report(asked=Asked(("lrp", "gradient-x-activation")))
    assert [s.method for s in found.whole()] == ["lrp"]
    assert found.left_out[0].why == "grad-x-act has no path here"
    with pytest.raises(AttributionError, match="no path here"):
        report(asked=Asked(("gradient-x-activation",)))
