"""Targets: predicted, label, a class, or a callable on the output, the same for LRP and captum."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.importance import importance
from pytest_deepimportance.attribution.target import is_callable_target, parse_target, target_name
from pytest_deepimportance.errors import AttributionError, SettingsError
from tests.attribution.method_nets import Cut, run
from tests.attribution.nets import Detector, noise, realistic

METHODS = ("lrp", "lgxa", "lig", "ldl", "lfa")


def third(output: Tensor) -> Tensor:
    """The score of class 2."""
    return output[:, 2]


@pytest.mark.parametrize("method", METHODS)
def test_a_callable_that_picks_a_class_is_that_class(method: str) -> None:
    model, x = realistic(Cut()), noise(4, 1, 3, 3)
    wanted = run(method, model, x, steps=4, target=2)
    for target in (third, f"{__name__}:third", lambda output: output[:, 2:3]):
        found = run(method, model, x, steps=4, target=target)
        for name, values in found.relevance.items():
            torch.testing.assert_close(values, wanted.relevance[name])
        assert found.activations.predictions.tolist() == model(x).argmax(1).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_label_and_predicted(method: str) -> None:
    model, x = realistic(Cut()), noise(4, 1, 3, 3)
    best = model(x).argmax(1)
    one = run(method, model, x, steps=4)
    other = run(method, model, (x, best), steps=4, target="label")
    torch.testing.assert_close(one.relevance["conv"], other.relevance["conv"])
    with pytest.raises(AttributionError, match="inputs without a label"):
        run(method, model, x, steps=4, target="label")
    with pytest.raises(AttributionError, match="target class 4 does not exist"):
        run(method, model, x, steps=4, target=4)


class Regression(nn.Module):
    """One number for each input."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu())


class Heads(nn.Module):
    """Two outputs: a class score and a steering angle."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.angle = nn.Linear(4, 6), nn.Linear(6, 3), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.body(x).relu()
        return {"logits": self.kind(h), "angle": self.angle(h)[:, 0]}


def boxes(output: list[dict[str, Tensor]]) -> Tensor:
    return torch.stack([found["boxes"].sum() for found in output])


@pytest.mark.parametrize("method", METHODS)
def test_regression_detection_and_one_of_several_heads(method: str) -> None:
    x = noise(5, 4)
    cases: list[tuple[nn.Module, Any, Any]] = [
        (Regression(), lambda output: output[:, 0], lambda m, h: m.head(h)[:, 0]),
        (Detector(), boxes, lambda m, h: m.head(h).sum(1)),
        (Heads(), lambda output: output["angle"], lambda m, h: m.angle(h)[:, 0]),
    ]
    for model, target, after in cases:
        realistic(model)
        found = run(method, model, x, steps=4, target=target, rule="z")
        h = model.body(x).relu()
        slope = after(model, torch.eye(6, dtype=x.dtype)) - after(model, torch.zeros(6, 6).double())
        start = model.body(torch.zeros_like(x)).relu() if method in ("lig", "ldl") else 0
        torch.testing.assert_close(found.relevance["body"], ((h - start) * slope).detach())
        scored = isinstance(model, Heads)
        assert (found.activations.predictions >= 0).all() == scored


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", [Regression(), Detector()], ids=["regression", "detection"])
def test_an_output_without_classes_names_both_settings(model: nn.Module, method: str) -> None:
    with pytest.raises(AttributionError, match="not a class score") as caught:
        run(method, realistic(model), noise(3, 4))
    assert "idc_output = pkg.mod:callable" in caught.value.fix
    assert "idc_target = pkg.mod:callable" in caught.value.fix.replace("\n", " ")


@pytest.mark.parametrize("method", ["lrp", "lgxa"])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda output: output, r"returned a tensor \(3, 4\) float64 for 3 inputs"),
        (lambda output: output.argmax(1), r"returned a tensor \(3,\) int64"),
        (lambda output: output.sum(), r"returned a tensor \(\) float64"),
        (lambda output: 1.0, "returned a float"),
        (lambda output: output.logits, "raised AttributeError"),
    ],
)
def test_a_callable_that_gives_something_else(method: str, target: Any, message: str) -> None:
    with pytest.raises(AttributionError, match=message):
        run(method, realistic(Cut()), noise(3, 1, 3, 3), target=target)


@pytest.mark.parametrize("method", ["lrp", "lgxa", "lc"])
def test_a_callable_that_no_gradient_flows_through(method: str) -> None:
    with pytest.raises(AttributionError, match="no path leads back"):
        run(
            method,
            realistic(Cut()),
            noise(3, 1, 3, 3),
            steps=2,
            target=lambda o: torch.ones(len(o)),
        )


def test_names_of_targets() -> None:
    assert target_name("label") == "label"
    assert target_name(third) == f"{__name__}:third"
    assert [is_callable_target(t) for t in (third, "a.b:c", "label", 3)] == [
        True,
        True,
        False,
        False,
    ]
    assert (
        importance(realistic(Cut()), [noise(3, 1, 3, 3)], target=third).target
        == f"{__name__}:third"
    )


@pytest.mark.parametrize("target", ["best", "-1", "1.5"])
def test_anything_else_is_refused(target: str) -> None:
    with pytest.raises(AttributionError, match=r"nor pkg\.mod:callable"):
        parse_target(target)


def test_a_callable_that_cannot_be_imported() -> None:
    with pytest.raises(SettingsError, match="no_such_module"):
        parse_target("no_such_module:f")
