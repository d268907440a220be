"""`deepimportance layers --tree`: the model block by block, with the share of importance."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_deepimportance.cli.arguments import settings_from
from pytest_deepimportance.cli.importance_options import refuse_without_effect
from pytest_deepimportance.errors import AttributionError, LayerError, SettingsError
from pytest_deepimportance.importance_results import REFERENCE, ImportanceReport, ScoreSet

_ROWS = 256
"""Rows of the reference that importance is computed on, unless more are asked for."""


def add_tree_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the tree."""
    group = parser.add_argument_group("tree")
    group.add_argument(
        "--tree", action="store_true", help="show the model block by block instead of its layers"
    )
    group.add_argument(
        "--depth", metavar="N", help="levels of the tree to show (default: as many as fit)"
    )
    group.add_argument(
        "--importance", dest="scores", metavar="FILE",
        help="stored importance (JSON or CSV) for the share of each block; with --reference "
        f"instead it is computed, by LRP on {_ROWS} rows (--reference-samples N for more)",
    )  # fmt: skip


def check_tree_options(options: argparse.Namespace) -> int | None:
    """Return the depth asked for.

    Raises:
        SettingsError: It is no number from 1, or an option is of no use.
    """
    if not options.tree:
        idle = {"--depth": options.depth, "--importance": options.scores}
        refuse_without_effect(idle, "belongs to --tree, which is not given")
        return None
    if options.scores is not None and options.reference is not None:
        raise SettingsError(
            "both --importance and --reference are given",
            "The share of importance comes from one of them.",
            "Leave one of them out.",
        )
    if options.depth is None:
        return None
    if not options.depth.isdigit() or not int(options.depth):
        raise SettingsError(
            f"--depth {options.depth} is not a number from 1", fix="Write --depth 2"
        )
    return int(options.depth)


def render_tree(
    options: argparse.Namespace, model: Any, sites: Any, notes: Sequence[str], depth: int | None
) -> str:
    """Return the tree as text."""
    from pytest_deepimportance.analysis.tree import tree_rows
    from pytest_deepimportance.reporting.tree_table import render

    shares, said = None, list(notes)
    if options.scores is not None:
        found = _stored(Path(options.scores), model, sites)
        shares = found.shares()
        said.append(f"share of importance: {options.scores}")
    elif options.reference is not None:
        try:
            found = _computed(options, model)
            shares = found.shares()
            said.append(f"share of importance: {found.method}, {found.rows:,} reference inputs")
        except AttributionError as error:
            said.append(f"no share of importance: {error.what}")
    width = shutil.get_terminal_size().columns
    return render(tree_rows(model, sites, shares, depth), said, width)


def _computed(options: argparse.Namespace, model: Any) -> ScoreSet:
    from pytest_deepimportance.analysis.importances import Asked, importances
    from pytest_deepimportance.cli.against import progress_bar
    from pytest_deepimportance.data.references_by_spec import load_reference
    from pytest_deepimportance.engine.profiles import describe_model

    settings = settings_from(options)
    if options.reference_samples is None:
        settings = settings.replace("layers --tree", reference_samples=_ROWS)
    settings = settings.replace("layers --tree", correct="all")
    data = load_reference(str(settings.reference), settings)
    with progress_bar("computing importance") as progress:
        report = importances(
            model, {REFERENCE: data}, settings, Asked(), progress=progress,
            info=describe_model(model, options.model),
        )  # fmt: skip
    return report.whole()[0]


def _stored(path: Path, model: Any, sites: Any) -> ScoreSet:
    """Read stored importance.

    Raises:
        ReportError: The file cannot be read.
        LayerError: It belongs to another model.
    """
    from pytest_deepimportance.cli.stored_importance import read_stored
    from pytest_deepimportance.models.fingerprint import fingerprint

    found = read_stored(path)
    if not isinstance(found, ImportanceReport):
        raise LayerError(
            f"{path} is a report of a test run, which keeps the leading neurons only",
            "The share of a block needs the scores of all neurons.",
            "Store them: deepimportance importance MODEL --reference R --json FILE",
        )
    only = found.whole()[0]
    own = {site.name: site.units for site in sites.sites}
    wrong = next((y for y in found.layers if own.get(y.name) != y.neurons), None)
    if wrong is not None:
        raise LayerError(
            f"{path} has layer {wrong.name!r} with {wrong.neurons} neurons, the model has none",
            "It belongs to another model.",
            "Compute it for this one: deepimportance importance MODEL --reference R --json FILE",
        )
    if found.fingerprint and found.fingerprint != fingerprint(model):
        raise LayerError(
            f"{path} belongs to other weights: {found.fingerprint[:16]}, not "
            f"{fingerprint(model)[:16]}",
            "Importance of one model says nothing of another.",
            "Compute it for this one: deepimportance importance MODEL --reference R --json FILE",
        )
    return only
