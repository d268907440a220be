"""What the selector learns from: features of the last hidden layer, losses without the neurons."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from pytest_deepimportance.analysis.selector_fit import fit_rows
from pytest_deepimportance.analysis.selector_gains import Gathered, gather, read_features
from pytest_deepimportance.analysis.selector_table import per_input
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.errors import AttributionError, LayerError, ReportError
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp, rows

X, Y = rows(50, wrong=5)
SETTINGS = from_keywords(batch_size=16)
METHODS = ("lrp", "gradient-x-activation", "random")


def found(
    m: int | None = 2, *, by_layer: bool = False, layers: tuple[str, ...] | None = None
) -> Gathered:
    data = open_reference((X, Y), SETTINGS)
    return gather(Mlp(), data, METHODS, m, SETTINGS, by_layer=by_layer, layers=layers)


def test_features_are_the_last_hidden_layer() -> None:
    model = Mlp()
    features = read_features(model, open_reference((X, Y), SETTINGS), SETTINGS)
    with torch.no_grad():
        expected = torch.relu(model.fc2(torch.relu(model.fc1(X))))
    assert features.layer == "fc2"
    assert features.values == pytest.approx(expected.double().numpy(), abs=1e-6)
    assert features.labels.tolist() == Y.tolist()


def test_gains_are_the_rise_of_each_inputs_loss() -> None:
    """Random names the same neurons for every input, so they can be taken out by hand."""
    from pytest_deepimportance.attribution.base import create
    from pytest_deepimportance.data.batches import as_call
    from pytest_deepimportance.models.sites import find_sites

    model = Mlp()
    call = as_call((X, Y))
    random = create("random", model=model, sites=find_sites(model, call), layers=["fc2"], seed=0)
    scores = random.attribute(call).relevance["fc2"][0]
    gone = torch.argsort(-scores, stable=True)[:2]
    with torch.no_grad():
        hidden = torch.relu(model.fc2(torch.relu(model.fc1(X))))
        before = functional.cross_entropy(model.fc3(hidden), Y, reduction="none")
        hidden[:, gone] = 0
        after = functional.cross_entropy(model.fc3(hidden), Y, reduction="none")
    gains = found(layers=("fc2",)).gains[""]
    assert gains.shape == (50, 3)
    assert gains[:, 2] == pytest.approx((after - before).numpy(), abs=1e-5)


def test_a_row_for_each_layer() -> None:
    together, apart = found(), found(by_layer=True)
    assert list(apart.gains) == ["fc1", "fc2"]
    rows = apart.rows()
    assert rows.gains.shape == (100, 3)
    assert rows.layers == ("fc1", "fc2")
    assert (rows.inputs[:50] == rows.inputs[50:]).all()
    assert rows.gains[50:] == pytest.approx(found(layers=("fc2",)).gains[""])
    assert together.rows().layers == ()


def test_scores_of_every_input_as_a_table(tmp_path: Path) -> None:
    gathered = found(by_layer=True)
    selector = fit_rows(gathered.rows())
    path = per_input(gathered, selector, tmp_path / "scores.csv")
    with open(path, newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 100
    rows = gathered.rows()
    held = selector.held_out(rows)
    for at, line in enumerate(lines):
        assert (int(line["row"]), line["layer"]) == (at % 50, "fc1" if at < 50 else "fc2")
        assert float(line["gain_lrp"]) == rows.gains[at, 0]
        assert int(line["label"]) == Y[at % 50]
        assert (
            line["chosen"]
            == selector.predict(gathered.features.values[[at % 50]], line["layer"])[0]
        )
        assert int(line["held_out"]) == held[at]
        best = rows.gains[at].max()
        assert (line["winners"] == "") == (best <= 0)
    assert sum(int(line["held_out"]) for line in lines) == selector.report.held_rows
    with pytest.raises(ReportError, match="cannot be written"):
        per_input(gathered, selector, path / "x")


def test_mistakes() -> None:
    data = open_reference((X, Y), SETTINGS)
    with pytest.raises(LayerError, match="fc8"):
        found(layers=("fc8",))
    with pytest.raises(AttributionError, match="at least two"):
        gather(Mlp(), data, ("lrp",), 2, SETTINGS)
    broken = X.clone()
    broken[3] = np.nan
    with pytest.raises(AttributionError, match="1 of 50 inputs have values of fc2"):
        gather(Mlp(), open_reference((broken, Y), SETTINGS), METHODS, 2, SETTINGS)
