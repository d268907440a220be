"""`deepimportance selector`: which attribution method would win for which input."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pytest_deepimportance.cli.against import check_reference, progress_bar
from pytest_deepimportance.cli.arguments import LOADING, add_settings, load, settings_from, usage_of
from pytest_deepimportance.cli.importance_options import DATA, RELEVANCE, m_of, names_of
from pytest_deepimportance.cli.inputs import add_samples, open_inputs
from pytest_deepimportance.cli.outputs import check_files
from pytest_deepimportance.errors import ReportError, SettingsError

_METHODS = "lrp,deeplift,integrated-gradients"
KINDS = ("logistic", "mlp")


def add_parser(commands: Any) -> None:
    """Add the subcommand with its own subcommands."""
    parser = commands.add_parser(
        "selector",
        help="learn which attribution method would win for an input",
        description="A small classifier on the values of the last hidden layer predicts which "
        "attribution method would win by pruning; it is held against always choosing the overall "
        "winner, on inputs it has not seen.",
    )
    parser.set_defaults(run=usage_of(parser))
    actions = parser.add_subparsers(metavar="ACTION")
    _add_fit(actions)
    _add_predict(actions)
    show = actions.add_parser("show", help="print how well a stored selector does")
    show.add_argument("file", metavar="FILE")
    show.set_defaults(run=run_show)


def _add_fit(actions: Any) -> None:
    fit = actions.add_parser("fit", help="prune by each method, learn which one wins, judge it")
    fit.add_argument("model", metavar="MODEL", help="as for --idc-model")
    fit.add_argument("-o", "--out", metavar="FILE", help="where the selector goes (.safetensors)")
    fit.add_argument(
        "--method", "--methods", dest="methods", metavar="A,B,...", default=_METHODS,
        help=f"methods to choose from (default {_METHODS})",
    )  # fmt: skip
    fit.add_argument(
        "--m", dest="top", metavar="M", default="10",
        help="neurons that each method may prune for an input: a number, or all (-1)",
    )  # fmt: skip
    fit.add_argument(
        "--layers", dest="only_layers", metavar="A,B,...",
        help="layers whose neurons are pruned (default: every hidden one)",
    )  # fmt: skip
    fit.add_argument(
        "--by-layer", action="store_true", help="ask for each layer by itself (a row for each)"
    )
    fit.add_argument(
        "--kind", choices=KINDS, default="logistic",
        help="classifier: logistic (default), or mlp (256-128-64)",
    )  # fmt: skip
    fit.add_argument("--json", metavar="FILE", help="the report, with the table of variances")
    fit.add_argument("--csv", metavar="FILE", help="the scores of every input")
    fit.add_argument(
        "--samples", dest="reference_samples", metavar="N",
        help="rows of the reference, drawn with --seed (the same as --reference-samples)",
    )  # fmt: skip
    add_settings(fit, (*LOADING, *DATA, *RELEVANCE))
    fit.set_defaults(run=run_fit)


def _add_predict(actions: Any) -> None:
    predict = actions.add_parser("predict", help="say which method it would choose for inputs")
    predict.add_argument("file", metavar="FILE", help="written by selector fit")
    predict.add_argument("model", metavar="MODEL", help="the model it was fitted on")
    predict.add_argument(
        "--inputs", metavar="SPEC", required=True, help="as a reference is written"
    )
    add_samples(predict)
    predict.add_argument("--layer", dest="of_layer", metavar="NAME", help="the layer in question")
    predict.add_argument("--csv", metavar="FILE", help="the choice for every input")
    settings = (name for name in DATA if not name.startswith("reference"))
    add_settings(predict, (*LOADING, *settings, "tap", "reduce", "output"))
    predict.set_defaults(run=run_predict)


def run_fit(options: argparse.Namespace) -> int:
    """Gather, fit, judge, print, write."""
    from pytest_deepimportance.analysis.selector_fit import fit_rows
    from pytest_deepimportance.analysis.selector_gains import gather
    from pytest_deepimportance.analysis.selector_table import per_input
    from pytest_deepimportance.attribution.base import method_name
    from pytest_deepimportance.data.references_by_spec import load_reference
    from pytest_deepimportance.models.fingerprint import fingerprint
    from pytest_deepimportance.reporting.json_report import write_text
    from pytest_deepimportance.reporting.selector_table import render

    settings = settings_from(options)
    m = m_of(options.top, "So many neurons each method may prune for an input.")
    methods = list(dict.fromkeys(map(method_name, names_of(options.methods, "--method") or ())))
    if len(methods) < 2:
        raise SettingsError(
            f"--method {options.methods} is one method",
            "A selector chooses between methods.",
            f"Name several: --method {_METHODS}",
        )
    check_files(
        {
            "--out": (options.out, ".safetensors"),
            "--json": (options.json, ".json"),
            "--csv": (options.csv, ".csv"),
        }
    )
    data = load_reference(check_reference(settings), settings)
    model = load(options).module
    with progress_bar("pruning by each method") as progress:
        found = gather(
            model, data, methods, m, settings, layers=names_of(options.only_layers, "--layers"),
            by_layer=options.by_layer, progress=progress,
        )  # fmt: skip
    notes = [*data.notes, *(f"{name} left out: {why}" for name, why in found.left_out.items())]
    selector = fit_rows(
        found.rows(), kind=options.kind, seed=settings.seed, fingerprint=fingerprint(model),
        notes=notes,
    )  # fmt: skip
    print("\n".join(render(selector.report, options.model)))
    if options.out:
        print(f"written    {selector.save(options.out)}")
    if options.json:
        text = json.dumps(selector.report.to_json(), indent=1, sort_keys=True)
        print(f"written    {write_text(text + chr(10), options.json)}")
    if options.csv:
        print(f"written    {per_input(found, selector, options.csv)}")
    return 0


def run_predict(options: argparse.Namespace) -> int:
    """Print how often each method would be chosen; write the choices."""
    from pytest_deepimportance.analysis.selector import Selector
    from pytest_deepimportance.analysis.selector_gains import read_features
    from pytest_deepimportance.models.fingerprint import fingerprint
    from pytest_deepimportance.reporting.json_report import write_text
    from pytest_deepimportance.reporting.selector_table import choices

    selector = Selector.load(options.file)
    check_files({"--csv": (options.csv, ".csv")})
    settings = settings_from(options)
    data = open_inputs("inputs", options.inputs, options, settings)
    model = load(options).module
    own = fingerprint(model)
    if selector.report.fingerprint != own:
        raise ReportError(
            f"{options.file} was fitted on another model: {selector.report.fingerprint[:16]}, not "
            f"{own[:16]}",
            "It reads this model's features, which mean something else.",
            "Fit one: deepimportance selector fit MODEL --reference R -o FILE",
        )
    with progress_bar("reading features") as progress:
        features = read_features(model, data, settings, progress)
    chosen = selector.predict(features.values, options.of_layer)
    print("\n".join(choices(selector.report, chosen, data.descriptor)))
    if options.csv:
        lines = ["row,method", *(f"{row},{method}" for row, method in enumerate(chosen))]
        print(f"written    {write_text(chr(10).join(lines) + chr(10), options.csv)}")
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Print the report of a stored selector."""
    from pytest_deepimportance.analysis.selector import Selector
    from pytest_deepimportance.reporting.selector_table import render

    print("\n".join(render(Selector.load(options.file).report, options.file)))
    return 0
