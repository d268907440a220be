"""What the command line of `deepimportance importance` asks for, checked before anything runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pytest_deepimportance.cli.arguments import LOADING, add_settings
from pytest_deepimportance.cli.inputs import add_inputs
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.parsing import texts
from pytest_deepimportance.settings import TABLE

DEFAULT_M = 10
RELEVANCE = (
    "target", "tap", "reduce", "output",
    *(name for name in TABLE if name.startswith(("lrp_", "attribution_"))),
)  # fmt: skip
"""Settings of how importance is computed."""
DATA = ("reference", "reference_samples", "transform", "data_root", "seed", "batch_size", "memory")
"""Settings of what it is computed on."""
COMPUTING = (*DATA, "correct", "class_names", *RELEVANCE)
"""Settings that stored results cannot follow any more."""
_SETTINGS = (*LOADING, *COMPUTING, "classes")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of the command."""
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="as for --idc-model (not needed with --from)"
    )
    parser.add_argument(
        "--from", dest="stored", metavar="FILE",
        help="show stored results instead of computing: JSON of this command, a report "
        "(pytest --idc-report=json:FILE), or an importance file (JSON, CSV)",
    )  # fmt: skip
    add_question(parser)
    parser.add_argument(
        "--m", dest="top", metavar="M", default=str(DEFAULT_M),
        help="most important neurons of each layer to show and compare: a number, or all (-1)",
    )  # fmt: skip
    add_inputs(parser, required=False)
    parser.add_argument("-v", "--verbose", action="store_true", help="fold nothing")
    add_files(parser)
    add_settings(parser, _SETTINGS)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add methods, layers and the number of samples."""
    parser.add_argument(
        "--method", "--methods", dest="methods", metavar="A,B,...",
        help="attribution methods (default lrp); several are compared",
    )  # fmt: skip
    parser.add_argument(
        "--layers", dest="only_layers", metavar="A,B,...",
        help="layers to look at (default: every hidden one)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", dest="reference_samples", metavar="N",
        help="rows of the reference, drawn with --seed (the same as --reference-samples)",
    )  # fmt: skip


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the files that can be written."""
    group = parser.add_argument_group("files")
    group.add_argument(
        "--json", metavar="FILE", help="everything, documented in docs/importance.md"
    )
    group.add_argument(
        "--csv", metavar="FILE", help="scores as LayerName,NeuronIndex,Score (several methods: one "
        "file for each)",
    )  # fmt: skip
    group.add_argument(
        "--npz", metavar="FILE", help="activations of the most important neurons, row by row, on "
        "the first --inputs or else the reference",
    )  # fmt: skip
    group.add_argument("--plots", metavar="DIR", help="pictures (needs matplotlib)")


def names_of(text: str | None, what: str) -> tuple[str, ...] | None:
    """Return the names in a comma-separated text, each once; None for no text.

    Raises:
        SettingsError: The text holds no name.
    """
    if text is None:
        return None
    found = tuple(dict.fromkeys(texts(text)))
    if not found:
        raise SettingsError(f"{what} {text!r} names nothing", fix=f"Write {what} A,B,...")
    return found


def m_of(
    text: str, why: str = "The most important neurons of each layer are shown and compared."
) -> int | None:
    """Return the number of neurons, None for all of them.

    Args:
        why: What they are for.

    Raises:
        SettingsError: It is neither a number from 1 nor all.
    """
    if text in ("all", "-1"):
        return None
    if not text.isdigit() or not int(text):
        raise SettingsError(
            f"--m {text} is neither a number from 1 nor all",
            why,
            "Write --m 10, or --m all",
        )
    return int(text)


def refuse_without_effect(given: dict[str, object], reason: str) -> None:
    """Refuse options that would do nothing.

    Raises:
        SettingsError: One of them is given.
    """
    idle: Sequence[str] = [name for name, value in given.items() if value]
    if idle:
        raise SettingsError(f"{', '.join(idle)} {reason}", fix=f"Leave {', '.join(idle)} out.")
