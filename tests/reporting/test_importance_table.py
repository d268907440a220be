"""The screen of `deepimportance importance`: one screen, whatever the model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_deepimportance.analysis.comparison import compared
from pytest_deepimportance.importance_results import (
    DataRow,
    ImportanceReport,
    LeftOut,
    RankedLayer,
    ScoreSet,
)
from pytest_deepimportance.provenance import ModelInfo
from pytest_deepimportance.reporting.importance_table import fitting, render


def report(
    layers: int = 40, classes: int = 100, methods: tuple[str, ...] = ("lrp", "random")
) -> ImportanceReport:
    rng = np.random.default_rng(0)
    names = [f"backbone.stages.{n}.blocks.{n}.mlp.fc1" for n in range(layers)]

    def scores(scale: float) -> dict[str, tuple[float, ...]]:
        return {
            name: tuple((scale * (at + 1) * rng.normal(0.2, 1, 30)).tolist())
            for at, name in enumerate(names)
        }

    sets = []
    for method in methods:
        sets.append(
            ScoreSet(method, "reference", None, "", 1000, scores(10), balance=1e-7, input_share=0.9)
        )
        sets += [
            ScoreSet(method, "reference", c, f"a long class name {c}", 10, scores(1))
            for c in range(classes)
        ]
    return compared(
        ImportanceReport(
            "0",
            ModelInfo("hf:some/model", "Model", "f" * 64, 10**8, ("it has random weights",)),
            "f" * 64,
            (DataRow("reference", "train", 1200, 1000, "classified correctly"),),
            10,
            tuple(RankedLayer(name, "Linear", 30, at == 3) for at, name in enumerate(names)),
            tuple(sets),
            left_out=(LeftOut("grad-cam", "the output is no class score"),),
            notes=("seen\x1b[2J",),
        )
    )


@pytest.mark.parametrize(("layers", "classes"), [(1, 0), (1, 1), (3, 2), (40, 100)])
def test_it_is_one_screen(layers: int, classes: int) -> None:
    lines = render(report(layers, classes), ["--plots DIR: the same as pictures"])
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 60
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "left out   grad-cam: the output is no class score" in text
    assert "note       it has random weights" in text
    if layers == 40:
        assert "... and 28 layers with a smaller share (-v)" in text
        assert "... and 88 classes more (-v)" in text
        assert sum(" *" in line for line in lines) == 1  # the default layer is never folded away
    everything = render(report(layers, classes), fold=False)
    assert len(everything) >= len(lines) - 2
    assert not any("(-v)" in line for line in everything)


def named(*names: str, neurons: int = 30) -> ImportanceReport:
    scores = {name: tuple(float(n + 1) for n in range(neurons)) for name in names}
    found = report(1, 0)
    both = tuple(dataclasses.replace(one, scores=scores) for one in found.sets)
    layers = tuple(RankedLayer(name, "Linear", neurons) for name in names)
    return compared(dataclasses.replace(found, layers=layers, sets=both, m=None))


def test_layers_are_told_apart_by_their_names() -> None:
    names = [
        f"bert.encoder.layer.{n}.{end}"
        for n in range(2)
        for end in ("attention.output.dense", "intermediate.dense", "output.dense")
    ]
    lines = render(named(*names))
    at = next(n for n, line in enumerate(lines) if line.startswith("layer "))
    shown = [line.split()[0] for line in lines[at + 1 : at + 7]]
    assert shown[:3] == [
        "...0.attention.output.dense",
        "...0.intermediate.dense",
        "...layer.0.output.dense",
    ]
    assert len(set(shown)) == 6
    assert all(cut.startswith("...") and name.endswith(cut[3:])
               for cut, name in zip(shown, names, strict=True))  # fmt: skip
    assert "... in front of a name: cut there (-v shows it whole)" in lines
    whole = render(named(*names), fold=False)
    assert all(sum(line.startswith(f"{name} ") for line in whole) == 1 for name in names)
    wide = render(named(*names), width=200)
    assert all(any(line.startswith(f"{name} ") for line in wide) for name in names)
    assert max(map(len, wide)) <= 120


def test_verbose_names_every_neuron() -> None:
    found = named("fc1", neurons=70)
    assert "  +" in "\n".join(render(found))
    text = "\n".join(render(found, fold=False))
    assert "  +" not in text
    assert all(f" {n} (" in text for n in range(70))


def test_layers_are_folded_by_their_share() -> None:
    found = report(40, 0)
    shown = [layer.name for layer in found.leading_layers(5)]
    shares = found.whole()[0].shares()
    others = [name for name in shown if name != found.layers[3].name]
    assert len(others) == 4
    assert min(shares[name] for name in others) >= max(
        s for name, s in shares.items() if name not in shown
    )
    assert shown == [layer.name for layer in found.layers if layer.name in shown]


def test_as_many_neurons_as_fit() -> None:
    found = ScoreSet("lrp", "x", None, "", 1, {"fc": (4.0, -1.0, 3.0, 2.0)})
    assert fitting(found, "fc", 4, 80) == "0 (40%)  2 (30%)  3 (20%)  1 (-10%)"
    assert fitting(found, "fc", 4, 26) == "0 (40%)  2 (30%)  +2"
    assert fitting(found, "fc", 2, 80) == "0 (40%)  2 (30%)"
    assert fitting(found, "fc", 4, 3) == ""
    zeros = dataclasses.replace(found, scores={"fc": (0.0, 0.0)})
    assert fitting(zeros, "fc", 2, 80) == "all 0"
    some = dataclasses.replace(found, scores={"fc": (0.0, 0.0, 2.0)})
    assert fitting(some, "fc", 2, 80) == "2 (100%)"
    against = dataclasses.replace(found, scores={"fc": (0.0, -2.0)})
    assert (fitting(against, "fc", 1, 80), fitting(against, "fc", 2, 80)) == ("-", "1 (-100%)")


def test_layers_whose_scores_are_all_0_have_no_ranking() -> None:
    full = report(3, 3)
    silent, half = full.layers[0].name, full.layers[1].name
    sets = tuple(
        dataclasses.replace(
            found,
            scores={
                **found.scores,
                silent: (0.0,) * 30,
                **({half: (0.0,) * 30} if found.class_index == 1 else {}),
            },
        )
        for found in full.sets
    )
    found = compared(dataclasses.replace(full, sets=sets))
    lines = render(found, fold=False)
    row = next(line for line in lines if line.endswith("all 0"))
    assert row.split()[-6:] == ["30", "0", "%", "-", "all", "0"]
    assert sum(line.endswith("  all 0") for line in lines) == 1 + 3 + 1
    (pair,) = [o for o in found.overlaps if o.layer == silent]
    assert (pair.jaccard, pair.rank_correlation) == (None, None)
    (row,) = [line for line in lines if line.startswith("lrp / random") and line.endswith("-")]
    assert row.split()[-5:] == ["10", "-", "21", "%", "-"]
    assert [len(o.classes) for o in found.class_overlaps if o.layer == silent] == []
    assert [len(o.classes) for o in found.class_overlaps if o.layer == half] == [2, 2]
    assert [len(sets.tops) for sets in found.top_sets()] == [2, 3]
    text = " ".join(" ".join(lines).split())
    assert f"note lrp: all scores are 0 (lrp) in {silent}: no neuron there counts more" in text


def test_relevance_that_is_lost_is_said() -> None:
    found = report(2, 0, ("lrp",))
    lost = dataclasses.replace(found.sets[0], balance=0.02)
    text = "\n".join(render(dataclasses.replace(found, sets=(lost,))))
    assert "2.0 % of the target is unaccounted for" in text
    assert "unaccounted" not in "\n".join(render(found))
