"""`deepimportance layers MODEL`: what would be measured, and what cannot be."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_deepimportance.cli.arguments import LOADING, add_settings, load, settings_from
from pytest_deepimportance.cli.tree import add_tree_options, check_tree_options, render_tree
from pytest_deepimportance.errors import LayerError

_SETTINGS = ("reference", "reference_samples", "transform", "data_root", "seed", "output", "tap")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "layers",
        help="list the layers of a model: neurons, where they are read, which is the default",
        description="List what would be measured in a model, and what cannot be and why.",
    )
    parser.add_argument("model", metavar="MODEL", help="as for --idc-model")
    parser.add_argument(
        "--input-shape", metavar="D,D,...", help="shape of one input, such as 1,28,28 (default: "
        "from the reference if given, else guessed from the first layer)",
    )  # fmt: skip
    add_tree_options(parser)
    add_settings(parser, [*LOADING, *_SETTINGS])
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table of layers, or the tree of blocks."""
    from pytest_deepimportance.engine.opening import output_adapter
    from pytest_deepimportance.models.sites import find_sites
    from pytest_deepimportance.reporting.layers_table import render

    depth = check_tree_options(options)
    loaded = load(options)
    call, origin = _example(options, loaded.module)
    sites = find_sites(loaded.module, call, output_adapter(settings_from(options)))
    if options.tree:
        notes = [*loaded.notes, origin, *sites.notes]
        print(render_tree(options, loaded.module, sites, notes, depth))
        return 0
    rows = [
        (
            site.name,
            site.type,
            str(site.units),
            _read_where(site),
            "default" if site.name == sites.default else "output" if site.is_output else "",
        )
        for site in sites.sites
    ]
    left_out = [(item.name, item.type, item.reason) for item in sites.unmeasured]
    notes = [*loaded.notes, origin, *sites.notes]
    if sites.no_default:
        notes.append(f"{sites.no_default}; name one with --idc-layer")
    print(render(rows, left_out, notes))
    return 0


def _read_where(site: Any) -> str:
    where = f"after {site.activation}" if site.activation else "its output"
    if len(site.feeders) > 1:
        where += f" <- {', '.join(site.feeders)}"
    if not site.rows_are_inputs:
        where += " (rows are not inputs)"
    return where


def _example(options: argparse.Namespace, model: Any) -> tuple[Any, str]:
    """Return a model call to probe with, and where it came from."""
    from pytest_deepimportance.models.probe import call_of_shape, guess_call, takes_tokens

    settings = settings_from(options)
    if options.input_shape is not None:
        shape = _shape(options.input_shape)
        said = " of tokens" if takes_tokens(model) else ""
        return call_of_shape(model, shape), f"input shape given: {shape}{said}"
    if settings.reference is not None:
        from pytest_deepimportance.data.references_by_spec import load_reference

        reference = load_reference(settings.reference, settings)
        device = next((weights.device for weights in model.parameters()), None)
        first = next(iter(reference.batches(2)))
        return first if device is None else first.to(device), f"input from {reference.descriptor}"
    call = guess_call(model)
    if call is None:
        example = "8" if takes_tokens(model) else "1,28,28"
        raise LayerError(
            "no input shape fits this model",
            "The layers are found by running the model once.",
            f"Give one: --input-shape {example}, or --reference for real data.",
        )
    return call, f"input shape guessed: {tuple(call.args[0].shape[1:])} (or give --input-shape)"


def _shape(text: str) -> tuple[int, ...]:
    parts = text.strip("()[] ").rstrip(",").split(",")
    try:
        shape = tuple(int(part) for part in parts)
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise LayerError(
            f"--input-shape {text!r} is not a list of numbers from 1",
            fix="Write the shape of one input, without the batch: --input-shape 1,28,28",
        )
    return shape
