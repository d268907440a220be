"""`deepimportance importance --from FILE`: results that were computed before."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.cli.stored_choice import StoredRun, chosen
from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.formatting import listed, plural
from pytest_deepimportance.importance_results import (
    FORMAT,
    REFERENCE,
    SCHEMA,
    DataRow,
    ImportanceReport,
    RankedLayer,
    ScoreSet,
    TopSets,
)
from pytest_deepimportance.reporting import json_report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_deepimportance.attribution.importance import Importance

_FORMS = (
    "Files are written by: deepimportance importance ... --json FILE (or --csv FILE), and by "
    "pytest --idc-report=json:FILE"
)


def show_stored(options: argparse.Namespace) -> int:
    """Print and draw what a file holds."""
    from pytest_deepimportance.cli.importance_options import COMPUTING, refuse_without_effect

    idle = {"--npz": options.npz, "--inputs": options.inputs, "--csv": options.csv}
    idle |= {
        f"--{name.replace('_', '-')}": getattr(options, name) is not None for name in COMPUTING
    }
    idle["--input-samples"] = options.input_samples != "all"
    idle["--input-transform"] = options.input_transform
    refuse_without_effect(idle, "needs a model and data, but --from only reads a file")
    stored = read_stored(Path(options.stored))
    _check_model(stored, options)
    found = chosen(stored, options)
    if isinstance(found, ImportanceReport):
        _show_report(found, options)
    else:
        _show_tops(found, options)
    return 0


def read_stored(path: Path) -> ImportanceReport | StoredRun:
    """Read a file of any accepted kind.

    Raises:
        ReportError: The file cannot be read, or holds nothing that can be shown.
    """
    from pytest_deepimportance.attribution.importance_files import is_json

    if not is_json(path):
        return _from_importance(path)
    data = _json(path)
    schema = data.get("schema")
    if schema == SCHEMA:
        return _from_json(path, data)
    if schema == json_report.SCHEMA:
        return _from_report(path)
    if schema is None and "format" in data:
        return _from_importance(path)
    raise ReportError(f"{path} holds no importance", fix=_FORMS)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(
            f"{path} cannot be read: {error.strerror or error}", fix=_FORMS
        ) from error
    except ValueError as error:
        raise ReportError(f"{path} is not a JSON file: {error}", fix=_FORMS) from error
    if not isinstance(data, Mapping):
        raise ReportError(f"{path} holds no importance", fix=_FORMS)
    return data


def _from_json(path: Path, data: Mapping[str, Any]) -> ImportanceReport:
    rest = {key: value for key, value in data.items() if key not in ("schema", "format")}
    if data.get("format") != FORMAT:
        raise ReportError(
            f"{path} has format {data.get('format')!r}, this version reads {FORMAT}",
            "Fields may mean something else there.",
            "Read it with the version that wrote it, or compute it again.",
        )
    try:
        report = ImportanceReport.from_json(rest)
        widths = {layer.name: layer.neurons for layer in report.layers}
        for found in report.sets:
            if {name: len(scores) for name, scores in found.scores.items()} != widths:
                raise ValueError("scores do not fit the layers")
        if not report.whole():
            raise ValueError("there is no score")
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise ReportError(f"{path} is damaged: {error}", fix="Compute it again.") from error
    return report


def _from_importance(path: Path) -> ImportanceReport:
    from pytest_deepimportance import __version__
    from pytest_deepimportance.attribution.importance import Importance

    found = Importance.load(path)
    layers = tuple(RankedLayer(name, "", len(values)) for name, values in found.scores.items())
    sets = [_set(found, None, found.scores)]
    sets += [_set(found, label, own) for label, own in sorted(found.by_class.items())]
    unnamed = () if found.fingerprint else ("the file does not say which model it belongs to",)
    return ImportanceReport(
        version=__version__,
        model=None,
        fingerprint=found.fingerprint or "",
        data=(DataRow(REFERENCE, str(path), found.rows, found.rows, "as the file says"),),
        m=None,
        layers=layers,
        sets=tuple(sets),
        notes=unnamed,
    )


def _set(
    found: Importance, label: int | None, scores: Mapping[str, NDArray[np.float64]]
) -> ScoreSet:
    return ScoreSet(
        found.method or "", REFERENCE, label, "" if label is None else str(label),
        found.rows if label is None else None,
        {name: tuple(values.tolist()) for name, values in scores.items()},
        rule=found.rule, target=found.target, balance=found.balance, input_share=found.input_share,
        notes=found.notes,
    )  # fmt: skip


def _from_report(path: Path) -> StoredRun:
    reports = json_report.load(path)
    if not reports or not any(space.layer for space in reports[0].profile.spaces):
        raise ReportError(
            f"{path} names no important neurons of single layers",
            "Without IDC no neuron was ranked.",
            "Run the tests with IDC: pytest --idc-report=json:FILE --idc-classes each",
        )
    report = reports[0]
    widths = {layer.name: layer.neurons for layer in report.profile.layers}
    layers = dict.fromkeys(space.layer for space in report.profile.spaces if space.layer)
    tops = (
        TopSets(
            layer,
            widths.get(layer),
            {
                space.class_name or "all": tuple(neuron.index for neuron in space.neurons)
                for space in report.profile.spaces
                if space.layer == layer
            },
        )
        for layer in layers
    )
    return StoredRun(report, tuple(tops), len(reports) - 1)


def _check_model(found: ImportanceReport | StoredRun, options: Any) -> None:
    """Refuse a file of another model than the one that is named beside it."""
    if options.model is None:
        return
    from pytest_deepimportance.cli.arguments import load
    from pytest_deepimportance.models.fingerprint import fingerprint

    theirs = found.report.model.fingerprint if isinstance(found, StoredRun) else found.fingerprint
    own = fingerprint(load(options).module)
    if not theirs:
        raise ReportError(
            f"{options.stored} does not say which model it belongs to",
            f"So it cannot be checked against {options.model}.",
            "Leave the model out, or store results with --json FILE.",
        )
    if theirs != own:
        raise ReportError(
            f"{options.stored} belongs to another model than {options.model}: "
            f"{theirs[:16]}, not {own[:16]}",
            "Its neurons are other neurons.",
            "Compute it again: deepimportance importance MODEL --reference R --json FILE",
        )


def _show_report(report: ImportanceReport, options: argparse.Namespace) -> None:
    import dataclasses

    from pytest_deepimportance.analysis.comparison import compared
    from pytest_deepimportance.cli.importance_options import m_of
    from pytest_deepimportance.reporting.importance_table import render

    report = compared(dataclasses.replace(report, m=m_of(options.top)))
    width = shutil.get_terminal_size().columns
    print("\n".join(render(report, fold=not options.verbose, width=width)))
    if options.json:
        text = json.dumps(report.to_json(), indent=1, sort_keys=True, allow_nan=False)
        print(f"written    {json_report.write_text(text + chr(10), options.json)}")
    if options.plots:
        from pytest_deepimportance.plots.importance import draw_all

        folder = Path(options.plots)
        print(pictures_line(folder, draw_all(report, folder)))


def _show_tops(found: StoredRun, options: argparse.Namespace) -> None:
    from pytest_deepimportance.cli.importance_options import m_of
    from pytest_deepimportance.reporting.top_sets_table import render

    m = m_of(options.top)
    cut = [
        TopSets(sets.layer, sets.neurons, {name: top[:m] for name, top in sets.tops.items()})
        for sets in found.tops
    ]
    print("\n".join(render(found.report.model, found.report.reference, cut)))
    if found.others:
        print(f"note       the first of {found.others + 1} reports; the others are of other models")
    if options.plots:
        from pytest_deepimportance.plots.canvas import check_matplotlib
        from pytest_deepimportance.plots.importance import MOST_LAYERS, draw_common

        check_matplotlib()
        several = [sets for sets in cut if len(sets.tops) > 1]
        if not several:
            raise ReportError(
                f"{options.stored} holds one class only: there is nothing to compare",
                "Common neurons are those of several classes.",
                "Run the tests with --idc-classes each, and store the report again.",
            )
        folder = Path(options.plots)
        print(pictures_line(folder, draw_common(several[:MOST_LAYERS], several, folder)))


def pictures_line(folder: Path, paths: Sequence[Path]) -> str:
    """Say which pictures were drawn."""
    names = sorted(path.stem for path in paths)
    return f"written    {folder}   ({plural(len(names), 'picture')}: {listed(names, 3)})"
