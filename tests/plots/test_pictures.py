"""Pictures: what is drawn and said, that labels do not overlap, what is left out."""

from __future__ import annotations

import builtins
import importlib.util
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pytest_deepimportance.analysis.comparison import compared
from pytest_deepimportance.analysis.input_relevance import InputMap
from pytest_deepimportance.errors import ReportError, SettingsError
from pytest_deepimportance.importance_results import (
    DataRow,
    ImportanceReport,
    RankedLayer,
    ScoreSet,
    TopSets,
)
from pytest_deepimportance.plots import bars, canvas, common, heatmap, importance, inputs

WIDTHS = {"conv1": 6, "fc1": 84, "fc2": 512}


def report(
    classes: int = 10, methods: Sequence[str] = ("lrp", "random"), name: str = "{}", **widths: int
) -> ImportanceReport:
    rng = np.random.default_rng(0)
    widths = widths or WIDTHS

    def scores() -> dict[str, tuple[float, ...]]:
        return {layer: tuple(rng.normal(0.1, 1, width).tolist()) for layer, width in widths.items()}

    sets = []
    for method in methods:
        sets.append(ScoreSet(method, "reference", None, "", 100, scores()))
        sets += [
            ScoreSet(method, "reference", c, name.format(c), 10, scores()) for c in range(classes)
        ]
    layers = tuple(
        RankedLayer(layer, "Linear", width, layer == "fc2") for layer, width in widths.items()
    )
    return compared(
        ImportanceReport(
            "0", None, "", (DataRow("reference", "x", 100, 100, "all"),), 10, layers, tuple(sets)
        )
    )


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were saved."""
    kept: list[Any] = []

    def save(figure: Any, path: Path) -> Path:
        kept.append(figure)
        return canvas.save(figure, path)

    for module in (bars, common, heatmap, inputs):
        monkeypatch.setattr(module, "save", save)
    return kept


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def assert_no_overlap(figure: Any) -> None:
    """Labels along an axis, and the title and everything else, have room of their own."""
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    renderer = drawn.get_renderer()
    width, height = drawn.get_width_height()
    for axes in figure.axes:
        if not axes.axison:
            continue
        for labels, low, high in (
            (axes.get_yticklabels(), "y0", "y1"),
            (axes.get_xticklabels(), "x0", "x1"),
        ):
            boxes = [
                t.get_window_extent(renderer) for t in labels if t.get_text() and t.get_visible()
            ]
            boxes = [b for b in boxes if b.width > 1]
            boxes.sort(key=lambda box: getattr(box, low))
            for one, next_one in pairwise(boxes):
                assert getattr(one, high) <= getattr(next_one, low) + 1, axes.get_title(loc="left")
        for text in (
            *figure.texts,
            axes.title,
            axes._left_title,
            axes.xaxis.label,
            axes.yaxis.label,
        ):
            if not text.get_text():
                continue
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, text.get_text()
            assert box.y0 >= -1, text.get_text()
            assert box.x1 <= width + 1, text.get_text()
            assert box.y1 <= height + 1, text.get_text()


@pytest.mark.parametrize(("classes", "name"), [(10, "class number {} of many"), (45, "{}")])
def test_every_picture_is_legible(
    figures: list[Any], tmp_path: Path, classes: int, name: str
) -> None:
    paths = importance.draw_all(report(classes, name=name), tmp_path / "new")
    assert [path.name for path in paths] == [
        "top-neurons.png",
        *(f"{of}-{layer}.png" for of in ("class", "method") for layer in WIDTHS),
        *(f"common-{layer}.png" for layer in WIDTHS),
        "common.png",
    ]
    for path, figure in zip(paths, figures, strict=True):
        assert max(size(path)) < 1600, path
        assert path.stat().st_size < 100_000, path
        assert_no_overlap(figure)


def title(figure: Any) -> str:
    return " ".join(figure.axes[0].get_title(loc="left").split())


def test_it_is_said_how_many_are_left_out(figures: list[Any], tmp_path: Path) -> None:
    found = report(45, methods=("lrp",))
    importance.draw_all(found, tmp_path)
    assert title(figures[1]).startswith("conv1: all 6 neurons")
    assert title(figures[2]).startswith("fc1: 40 of 84 neurons (largest parts; 44 left out)")
    assert "30 of 45 class columns (first ones; 15 left out)" in title(figures[2])
    assert "15 classes left out" in title(figures[-1])


def test_the_heat_map_shows_the_largest_parts_centred_on_zero(
    figures: list[Any], tmp_path: Path
) -> None:
    found = report(3, methods=("lrp",), fc=84)
    sets = found.by_class("lrp", "reference")
    heatmap.draw_heatmap(sets, ["a", "b", "c"], "fc", tmp_path / "x.png", of="class")
    axes = figures[0].axes[0]
    image = axes.images[0]
    parts = (
        np.stack([np.array(s.scores["fc"]) / np.abs(s.scores["fc"]).sum() for s in sets], axis=1)
        * 100
    )
    rows = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert len(rows) == 40
    assert np.asarray(image.get_array()) == pytest.approx(parts[rows])
    left = sorted(set(range(84)) - set(rows))
    assert np.abs(parts[left]).max() <= np.abs(parts[rows]).max(axis=1).min()
    assert image.norm.vmin == -image.norm.vmax == pytest.approx(-np.abs(parts[rows]).max())
    assert "%" in figures[0].axes[1].get_ylabel()


def test_scores_of_zero_are_drawn_white(figures: list[Any], tmp_path: Path) -> None:
    zero = ScoreSet("lrp", "reference", None, "", 1, {"fc": (0.0, 0.0)})
    heatmap.draw_heatmap([zero, zero], ["a", "b"], "fc", tmp_path / "x.png", of="method")
    assert not figures[0].axes[0].images[0].get_array().any()


def test_members_of_the_top_and_their_counts(figures: list[Any], tmp_path: Path) -> None:
    sets = TopSets("fc", 9, {"a": (1, 2), "b": (2, 8), "c": (2, 1)})
    common.draw_members(sets, tmp_path / "x.png")
    axes, side = figures[0].axes[:2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "1", "8"]
    assert axes.images[0].get_array().astype(int).tolist() == [[1, 1, 1], [1, 0, 1], [0, 1, 0]]
    assert [bar.get_width() for bar in side.patches] == [3, 2, 1]
    assert "1 neurons common to all 3 classes, 1 of one class only" in title(figures[0])


def test_what_half_of_the_classes_share(figures: list[Any], tmp_path: Path) -> None:
    sets = TopSets("fc", 9, {"a": (1, 2), "b": (2, 8), "c": (2, 1), "d": (2, 3)})
    common.draw_shared([sets], tmp_path / "x.png")
    assert figures[0].axes[0].images[0].get_array().tolist() == [[100, 50, 100, 50]]
    assert [text.get_text() for text in figures[0].axes[0].texts] == ["100", "50", "100", "50"]


def test_inputs_and_their_relevance(figures: list[Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    maps = [
        InputMap(
            rng.random((6, 6, 3) if n % 2 else (6, 6)),
            rng.normal(size=(6, 6)),
            "3" if n else "",
            "4",
            n,
        )
        for n in range(7)
    ]
    path = inputs.draw_inputs(maps, tmp_path / "x.png")
    assert max(size(path)) < 1200
    shown = [axes for axes in figures[0].axes if axes.images]
    assert len(shown) == 14
    norms = {axes.images[0].norm.vmax for axes in shown if axes.images[0].cmap.name == "RdBu_r"}
    assert len(norms) == 1


def test_same_results_same_bytes(tmp_path: Path) -> None:
    first = importance.draw_all(report(3, methods=("lrp",)), tmp_path / "a")
    second = importance.draw_all(report(3, methods=("lrp",)), tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_layer_names_make_safe_file_names(tmp_path: Path) -> None:
    paths = importance.draw_all(report(2, ("lrp",), **{"../up/down": 5, "a#1": 4}), tmp_path / "in")
    assert {path.parent for path in paths} == {tmp_path / "in"}


def test_without_matplotlib_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "matplotlib" else find(name, *rest),
    )
    imports = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        assert not name.startswith("matplotlib")
        return imports(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SettingsError, match=r"pip install 'pytest-deepimportance\[plots\]'"):
        importance.draw_all(report(), tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportError, match="cannot be written"):
        importance.draw_all(report(2, ("lrp",), fc=4), tmp_path / "file")


def test_users_matplotlib_is_left_alone(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    importance.draw_all(report(2, ("lrp",), fc=4), tmp_path)
    assert dict(mpl.rcParams) == before


def test_names_that_would_look_alike_are_numbered() -> None:
    assert heatmap.cut_all(["cat", "dog"]) == ["cat", "dog"]
    alike = heatmap.cut_all([f"the very long class {n} of many" for n in range(20)])
    assert len(set(alike)) == 20
    assert max(map(len, alike)) <= 15
