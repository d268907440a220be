"""Inputs to measure, as the command line names them: `SPEC` or `NAME=SPEC`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.errors import ReferenceDataError, SettingsError

if TYPE_CHECKING:
    from pytest_deepimportance.data.reference import Reference
    from pytest_deepimportance.settings import Settings

_NAMED = re.compile(r"([^=/\\:]+)=(.+)", re.DOTALL)
_RESERVED = "TOTAL"
_WORDING = {
    "A reference is one of": "Inputs are one of",
    "the reference is empty: ": "there is no row in ",
    "Without reference data there is nothing to compare the tests with.": "Nothing is measured.",
    "Give the training data: --idc-reference, ini idc_reference, or the fixture idc_reference.":
        "Give inputs with at least one row.",
    "the reference has x": "x",
    "the reference: ": "",
    "does: idc_reference = pkg": "does: pkg",
}  # fmt: skip
"""What is said of a reference that cannot be read, and of inputs."""


def add_inputs(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add `--inputs`, `--input-samples` and `--input-transform`."""
    parser.add_argument(
        "--inputs", action="append", required=required, metavar="[NAME=]SPEC",
        help="test data, written as a reference is: pkg.mod:callable, file.py:callable, DIR "
        "(of class folders, or of images without labels), FILE.npz, FILE.safetensors, FILE.jsonl "
        "or torchvision:NAME:split; repeat it for several suites",
    )  # fmt: skip
    add_samples(parser)


def add_samples(parser: argparse.ArgumentParser) -> None:
    """Add `--input-samples` and `--input-transform`."""
    parser.add_argument(
        "--input-transform", metavar="SPEC",
        help="pkg.mod:callable, image -> tensor, for inputs in folders of images and torchvision "
        "data, where they are prepared by another one than the reference (--transform)",
    )  # fmt: skip
    parser.add_argument(
        "--input-samples", default="all", metavar="N",
        help="rows of each suite to measure: all (default) or N, drawn with --seed in proportion "
        "to the classes",
    )  # fmt: skip


def suites_of(given: Sequence[str]) -> dict[str, str]:
    """Return specification by suite name; a name not given is made from the specification.

    Raises:
        SettingsError: A name occurs twice, or is one that reports use themselves.
    """
    suites: dict[str, str] = {}
    for text in given:
        found = None if Path(text).exists() else _NAMED.fullmatch(text)
        name, spec = (found[1].strip(), found[2].strip()) if found else (_name_of(text), text)
        if name == _RESERVED:
            raise SettingsError(
                f"--inputs {text}: {name} is the name of all suites together",
                fix=f"Choose another name: --inputs NAME={spec}",
            )
        if name in suites:
            raise SettingsError(
                f"two --inputs are called {name!r}: {suites[name]} and {spec}",
                fix=f"Give each a name of its own: --inputs {name}2={spec}",
            )
        suites[name] = spec
    return suites


def _name_of(spec: str) -> str:
    """Return "load_test" of app.data:load_test, "clean" of data/clean.npz."""
    last = re.split(r"[:/\\]", spec.rstrip("/\\: "))[-1]
    return Path(last).stem or "inputs"


def open_inputs(name: str, spec: str, options: argparse.Namespace, settings: Settings) -> Reference:
    """Open the inputs that `spec` names, as a reference is opened, but all of their rows.

    Raises:
        ReferenceDataError: The specification names nothing that can be measured.
    """
    from pytest_deepimportance.data.references_by_spec import load_reference

    samples: Any = options.input_samples
    try:
        own = settings.replace("command line", reference_samples=samples)
        if options.input_transform is not None:
            own = own.replace("command line", transform=options.input_transform)
    except SettingsError:
        raise SettingsError(
            f"--input-samples {samples} is neither a number from 1 nor all",
            fix="Write --input-samples 1000, or leave it out to measure every row.",
        ) from None
    try:
        return load_reference(spec, own, flat=True)
    except ReferenceDataError as error:
        what, why, fix = map(_inputs_wording, (error.what, error.why, error.fix))
        raise ReferenceDataError(f"inputs {name}: {what}", why, fix) from error


def _inputs_wording(text: str) -> str:
    """Say of inputs what was said of a reference."""
    for old, new in _WORDING.items():
        text = text.replace(old, new)
    return text
