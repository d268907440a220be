"""`deepimportance importance`: which neurons matter, by which method, for which class."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.cli.against import check_reference, progress_bar
from pytest_deepimportance.cli.arguments import load, settings_from
from pytest_deepimportance.cli.importance_options import add_options, m_of, names_of
from pytest_deepimportance.cli.inputs import open_inputs, suites_of
from pytest_deepimportance.cli.outputs import check_files
from pytest_deepimportance.cli.stored_importance import pictures_line, show_stored
from pytest_deepimportance.errors import ModelLoadError, ReportError, SettingsError
from pytest_deepimportance.importance_results import REFERENCE, ImportanceReport, ScoreSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pytest_deepimportance.attribution.importance import Importance
    from pytest_deepimportance.data.reference import Reference
    from pytest_deepimportance.settings import Settings


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "importance",
        help="which neurons matter: by layer, class and method; files and plots",
        description="Sum relevance over the reference and show the most important neurons of each "
        "layer; with --classes each also of each class, with several methods or --inputs how much "
        "their rankings agree.",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compute or read, print the screen, write the files asked for."""
    check_files(
        {
            "--json": (options.json, ".json"),
            "--csv": (options.csv, ".csv"),
            "--npz": (options.npz, ".npz"),
        }
    )
    if options.stored is not None:
        return show_stored(options)
    _check(options)
    settings = settings_from(options)
    report, model, data = computed(options, settings)
    _print(report, options)
    _write(report, options)
    if options.npz:
        _write_activations(report, model, data, settings, options)
    if options.plots:
        _draw(report, model, data, settings, options)
    return 0


def computed(
    options: argparse.Namespace, settings: Settings
) -> tuple[ImportanceReport, nn.Module, dict[str, Reference]]:
    """Compute importance as the command line asks.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    from pytest_deepimportance.analysis.importances import Asked, importances
    from pytest_deepimportance.attribution.base import method_name
    from pytest_deepimportance.data.references_by_spec import load_reference
    from pytest_deepimportance.engine.profiles import describe_model

    named = names_of(options.methods, "--method") or ("lrp",)
    methods = tuple(dict.fromkeys(map(method_name, named)))
    asked = Asked(methods, names_of(options.only_layers, "--layers"), m_of(options.top))
    data = {REFERENCE: load_reference(check_reference(settings), settings)}
    for name, spec in suites_of(options.inputs or ()).items():
        if name == REFERENCE:
            raise SettingsError(
                f"--inputs {spec} would be called {REFERENCE}, as the reference is",
                fix=f"Give it another name: --inputs NAME={spec}",
            )
        data[name] = open_inputs(name, spec, options, settings)
    loaded = load(options)
    info = describe_model(loaded.module, options.model, loaded.notes)
    with progress_bar("computing importance") as progress:
        report = importances(
            loaded.module, data, settings, asked, info=info, progress=progress
        )  # fmt: skip
    return report, loaded.module, data


def _check(options: argparse.Namespace) -> None:
    if options.model is None:
        raise ModelLoadError(
            "no model is given",
            "Importance is computed from a model and its reference.",
            "Write deepimportance importance MODEL --reference R, or --from FILE for stored "
            "results.",
        )
    m_of(options.top)
    if options.plots:
        from pytest_deepimportance.plots.canvas import check_matplotlib

        check_matplotlib()


def _print(report: ImportanceReport, options: argparse.Namespace) -> None:
    from pytest_deepimportance.reporting.importance_table import render

    width = shutil.get_terminal_size().columns
    lines = render(report, _following(report, options), fold=not options.verbose, width=width)
    print("\n".join(lines))


def _following(report: ImportanceReport, options: argparse.Namespace) -> list[str]:
    """Return what to type next: what this run has not asked, then what to do with the answer."""
    found = []
    if not any(item.class_index is not None for item in report.sets):
        found.append("--classes each: which neurons each class uses")
    if len(report.whole()) == 1:
        found.append("--method lrp,...: whether another method ranks the same neurons")
    if not options.plots:
        found.append("--plots DIR: the same as pictures")
    layer = next((y.name for y in report.layers if y.default), report.layers[-1].name)
    found.append(
        f"deepimportance measure MODEL --reference R --inputs T --layer {layer}: what test data "
        "exercise of them"
    )
    return found


def _write(report: ImportanceReport, options: argparse.Namespace) -> None:
    from pytest_deepimportance.reporting.json_report import write_text

    if options.json:
        text = json.dumps(report.to_json(), indent=1, sort_keys=True, allow_nan=False)
        print(f"written    {write_text(text + chr(10), options.json)}")
    if options.csv:
        lead = [found for found in report.whole() if found.data == report.whole()[0].data]
        for found in lead:
            path = Path(options.csv)
            if len(lead) > 1:
                path = path.with_stem(f"{path.stem}-{found.method}")
            _write_csv(as_importance(found, report), path)
            print(f"written    {path}")


def _write_csv(scores: Importance, path: Path) -> None:
    try:
        scores.to_csv(path)
    except OSError as error:
        raise ReportError(
            f"the scores cannot be written to {path}: {error.strerror or error}",
            fix="Give a file in a folder you may write to: --csv FILE",
        ) from error


def as_importance(found: ScoreSet, report: ImportanceReport) -> Importance:
    """Return the scores of one method and data set, with those of its classes, as Importance."""
    import numpy as np

    from pytest_deepimportance.attribution.importance import Importance
    from pytest_deepimportance.attribution.importance_data import versions

    def arrays(one: ScoreSet) -> dict[str, NDArray[np.float64]]:
        return {layer: np.array(values) for layer, values in one.scores.items()}

    return Importance(
        arrays(found),
        rows=found.rows or 0,
        method=found.method,
        rule=found.rule,
        target=found.target,
        balance=found.balance,
        input_share=found.input_share,
        notes=(*report.notes, *found.notes),
        fingerprint=report.fingerprint,
        versions=versions(),
        by_class={
            one.class_index: arrays(one)
            for one in report.by_class(found.method, found.data)
            if one.class_index is not None
        },
    )


def _write_activations(
    report: ImportanceReport,
    model: nn.Module,
    data: dict[str, Reference],
    settings: Settings,
    options: argparse.Namespace,
) -> None:
    from pytest_deepimportance.analysis.chosen import chosen_activations, write_npz

    source = leading_inputs(data)
    with progress_bar("reading activations") as progress:
        found = chosen_activations(model, source, report, settings, progress=progress)
    path = write_npz(found, options.npz)
    rows, neurons = found["values"].shape
    print(f"written    {path}   ({rows:,} rows x {neurons:,} neurons of {source.descriptor})")


def _draw(
    report: ImportanceReport,
    model: nn.Module,
    data: dict[str, Reference],
    settings: Settings,
    options: argparse.Namespace,
) -> None:
    from pytest_deepimportance.plots.importance import draw_all

    folder = Path(options.plots)
    paths = draw_all(report, folder)
    if any(found.method == "lrp" for found in report.sets):
        paths += _draw_inputs(model, leading_inputs(data), settings, folder)
    print(pictures_line(folder, paths))


def _draw_inputs(
    model: nn.Module, source: Reference, settings: Settings, folder: Path
) -> list[Path]:
    from pytest_deepimportance.analysis.input_relevance import input_maps
    from pytest_deepimportance.plots.inputs import draw_inputs

    maps, why = input_maps(model, source, settings)
    if why:
        print(f"note       no picture of relevance over the input: {why}")
        return []
    return [draw_inputs(maps, folder / "inputs.png")]


def leading_inputs(data: dict[str, Reference]) -> Reference:
    """Return the first inputs, the reference where there are none."""
    return list(data.values())[min(1, len(data) - 1)]
