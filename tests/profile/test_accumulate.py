"""The streaming pass: what it keeps must not depend on how the rows are cut into batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.attribution.base import create
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.profile.accumulate import Accumulated, Accumulator, stream
from pytest_deepimportance.settings import Settings, from_keywords
from pytest_deepimportance.statistics.gathering import Gathering
from tests.profile.builders import Mlp, rows

LAYERS = ("fc1", "fc2")


def accumulated(
    data: object,
    *,
    batch_size: int = 64,
    micro_batch: int = 1000,
    correct_only: bool = True,
    per_class: bool = True,
    budget: int = 1 << 20,
    settings: Settings | None = None,
) -> Accumulated:
    model = Mlp()
    reference = open_reference(data, settings or from_keywords())
    sites = find_sites(model, next(iter(reference.batches(2))))
    lrp = create(
        "lrp", model=model, sites=sites, layers=LAYERS, rule="epsilon", epsilon=1e-6,
        target="predicted", tap="post", reduce="mean", output=None,
    )  # fmt: skip
    adder = Accumulator(
        LAYERS, correct_only, per_class, budget, Gathering(LAYERS, None, Settings())
    )
    return stream(
        reference, lrp, adder, model=model, batch_size=batch_size, micro_batch=micro_batch,
        device=torch.device("cpu"),
    )  # fmt: skip


def slow_relevance(x: torch.Tensor, keep: np.ndarray) -> np.ndarray:
    """Relevance of the last hidden layer for the predicted logit, one row and neuron at a time."""
    model = Mlp()
    total = np.zeros(14)
    for row, wanted in zip(x, keep, strict=True):
        if wanted:
            with torch.no_grad():
                hidden = torch.relu(model.fc2(torch.relu(model.fc1(row))))
                winner = int(model.fc3(hidden).argmax())
                total += (hidden * model.fc3.weight[winner]).double().numpy()
    return total


def test_relevance_is_the_sum_over_the_fitted_rows() -> None:
    x, y = rows(60, wrong=20)
    found = accumulated((x, y))
    assert found.fitted.tolist() == [False] * 20 + [True] * 40
    np.testing.assert_allclose(found.relevance["fc2"], slow_relevance(x, found.fitted), rtol=1e-4)
    for label in np.unique(y[20:]):
        wanted = slow_relevance(x, found.fitted & (y.numpy() == label))
        np.testing.assert_allclose(
            found.class_relevance[int(label)]["fc2"], wanted, rtol=1e-3, atol=1e-3
        )
    summed = sum(scores["fc1"] for scores in found.class_relevance.values())
    np.testing.assert_allclose(summed, found.relevance["fc1"], rtol=1e-9)


@pytest.mark.parametrize("labels", ["all", "none", "half", "only the last"])
def test_batch_size_free(labels: str) -> None:
    x, y = rows(120, wrong=30)
    y = {"all": y, "none": None, "half": y.clone(), "only the last": y.clone()}[labels]
    if labels == "half":
        y[::2] = -1
    if labels == "only the last":
        y[:-1] = -1
    data = x if y is None else (x, y)
    one, seven, whole = (accumulated(data, batch_size=size) for size in (1, 7, 256))
    cut = accumulated(data, batch_size=256, micro_batch=11, budget=1)
    for other in (seven, whole, cut):
        for name in ("labels", "predictions", "index", "fitted"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.rows, one.digest, one.labelled) == (other.rows, other.digest, other.labelled)
        for layer in LAYERS:
            np.testing.assert_allclose(
                one.relevance[layer], other.relevance[layer], rtol=1e-5, atol=1e-5
            )
            np.testing.assert_allclose(
                one.spools[layer].columns([0, 3]),
                other.spools[layer].columns([0, 3]),
                rtol=1e-5,
                atol=1e-5,
            )
    assert cut.spools["fc2"].on_disk
    assert one.fitted.sum() == {"all": 90, "none": 120, "half": 45, "only the last": 1}[labels]


def test_all_rows_are_fitted_when_asked() -> None:
    x, y = rows(40, wrong=10)
    found = accumulated((x, y), correct_only=False)
    assert found.fitted.all()
    np.testing.assert_allclose(found.relevance["fc2"], slow_relevance(x, found.fitted), rtol=1e-4)


def test_rows_that_are_not_finite_are_counted_and_left_out() -> None:
    x, y = rows(40)
    clean = accumulated((x[5:], y[5:]))
    broken = x.clone()
    broken[:3] = float("nan")
    broken[3:5, 0] = float("inf")
    found = accumulated((broken, y), batch_size=8)
    assert (found.rows, found.non_finite) == (40, 5)
    assert found.index.tolist() == list(range(5, 40))
    np.testing.assert_allclose(found.relevance["fc2"], clean.relevance["fc2"], rtol=1e-5)
    assert found.conservation.balance is not None
    assert found.conservation.balance < 1e-3


def test_a_sampled_reference_keeps_the_numbers_of_the_users_rows() -> None:
    x, y = rows(300)
    found = accumulated((x, y), settings=from_keywords(reference_samples=50))
    model = Mlp()
    hidden = torch.relu(model.fc1(x[torch.from_numpy(found.index)])).detach()
    assert found.index.max() > 50
    np.testing.assert_allclose(found.spools["fc1"].columns([4]), hidden[:, [4]], rtol=1e-5)


def test_progress_ends_at_the_number_of_rows() -> None:
    seen: list[tuple[int, int | None]] = []
    model, settings = Mlp(), from_keywords()
    reference = open_reference(rows(50), settings)
    sites = find_sites(model, next(iter(reference.batches(2))))
    lrp = create(
        "lrp", model=model, sites=sites, layers=["fc2"], rule="z", epsilon=0.0,
        target="predicted", tap="post", reduce="mean", output=None,
    )  # fmt: skip
    stream(
        reference, lrp, Accumulator(["fc2"], True, False, 1 << 20, Gathering(["fc2"], None, Settings())), model=model, batch_size=20, micro_batch=20,
        device=torch.device("cpu"), progress=lambda done, whole: seen.append((done, whole)),
    )  # fmt: skip
    assert seen == [(20, 50), (40, 50), (50, 50)]
