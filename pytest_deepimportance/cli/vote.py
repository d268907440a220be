"""`deepimportance vote`: let attribution methods vote for the important neurons."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.cli.against import check_reference, progress_bar
from pytest_deepimportance.cli.arguments import LOADING, add_settings, load, settings_from
from pytest_deepimportance.cli.outputs import file_for
from pytest_deepimportance.errors import AttributionError, SettingsError
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.importance_settings import ImportanceSettings

if TYPE_CHECKING:
    from pytest_deepimportance.attribution.importance import Importance
    from pytest_deepimportance.data.reference import Reference
    from pytest_deepimportance.settings import Settings

_UNUSED = ("importance_method", "importance_samples", "importance", "reduce")
"""Settings of importance that a vote has other words for, or none."""

_SETTINGS = (
    "reference", "reference_samples", "transform", "data_root", "download",
    *(name for name in ImportanceSettings.__dataclass_fields__ if name not in _UNUSED),
    "preset", "seed", "batch_size", "memory",
)  # fmt: skip
_READ = ("reference", "reference_samples", "transform", "data_root", "tap", "output")
"""Settings that pytest must have as well, where they were given here."""

_TOP = 20
_COMMON = ("target", "tap", "reduce", "seed")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "vote",
        help="let attribution methods vote for the important neurons, and write their scores",
        description="Each method names its m most important neurons, batch by batch; the more the "
        "loss rises without them, the more its vote counts. The scores go to a CSV with a side "
        "file, which --idc-importance reads.",
    )
    parser.add_argument("model", metavar="MODEL", help="as for --idc-model")
    parser.add_argument(
        "--methods", required=True, metavar="A,B,...", help="attribution methods, such as "
        "lrp,deeplift,integrated-gradients",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write (.csv, .json)")
    parser.add_argument(
        "--m", dest="vote_m", metavar="M", help="neurons on a method's list; all or -1: every one "
        "(default 10)",
    )  # fmt: skip
    parser.add_argument(
        "--layers", dest="vote_layers", metavar="A,B,...", help="layers whose neurons can be named "
        "(default: all hidden ones)",
    )  # fmt: skip
    _add_choices(parser)
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="keep the count there, and go on from it after an "
        "interruption",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint-every", type=int, default=20, metavar="N", help="batches from one writing of "
        "the checkpoint to the next (default 20)",
    )  # fmt: skip
    add_settings(parser, dict.fromkeys([*LOADING, *_SETTINGS]))
    parser.set_defaults(run=run)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    for name, default, text in (
        ("scope", "global", "one list over all layers (global), one for each layer, or for each "
         "block (layers whose names begin alike)"),
        ("mode", "weighted", "weighted (all lists, by their part of the gains), winner (the best "
         "list) or wisdom (as the research code)"),
        ("points", "borda", "borda (m for the first place, ... 1), one, or gain-weighted"),
        ("normalize", None, "before layers are compared: layer-l1 (default), rank, global or none"),
        ("sign", None, "scores that are listed: positive (default), signed or absolute"),
        ("by", "batch", "what votes: each batch, sample, or class within a batch"),
    ):  # fmt: skip
        shown = f" (default {default})" if default else ""
        parser.add_argument(
            f"--{name}", dest=f"vote_{name}", default=default, metavar="HOW", help=text + shown
        )


def run(options: argparse.Namespace) -> int:
    """Vote, write the scores, print the page."""
    from pytest_deepimportance.data.references_by_spec import load_reference
    from pytest_deepimportance.reporting.votes_table import render

    settings = settings_from(options)
    check_reference(settings)
    out = file_for("--out", options.out, ".csv", ".json")
    if options.checkpoint is not None:
        file_for("--checkpoint", options.checkpoint)
    loaded = load(options)
    reference = load_reference(check_reference(settings), settings)
    done = _done(options.checkpoint)
    try:
        found = _vote(options, settings, loaded.module, reference)
    except KeyboardInterrupt:
        if options.checkpoint is None or not Path(options.checkpoint).exists():
            raise
        print(
            f"deepimportance: interrupted; the same command goes on from {options.checkpoint}",
            file=sys.stderr,
        )
        return 130
    found = dataclasses.replace(
        found, reference=reference.fingerprint or found.reference,
        notes=(*loaded.notes, *reference.notes, *found.notes),
    )  # fmt: skip
    assert found.votes is not None
    lines = render(
        found.votes,
        f"{options.model} {str(found.fingerprint)[:8]}",
        reference.descriptor,
        found.top(_TOP, normalize="none"),
        {name: len(scores) for name, scores in found.scores.items()},
        found.notes,
    )
    print("\n".join(lines))
    if done:
        print(
            f"goes on    from {options.checkpoint}: {plural(done, 'batch', 'batches')} done before"
        )
    _refuse_zeros(found, out)
    found.save(out)
    print(f"written    {out}" + (f", {out.name}.json" if out.suffix.lower() != ".json" else ""))
    print(f"use it     {_next(options, settings, out)}")
    return 0


def _done(checkpoint: str | None) -> int:
    from pytest_deepimportance.attribution.tally import Checkpoint

    return 0 if checkpoint is None else Checkpoint.batches_in(Path(checkpoint))


def _refuse_zeros(found: Importance, out: Path) -> None:
    """Refuse to write scores that say nothing.

    Raises:
        AttributionError: No neuron has a point.
    """
    if any(scores.any() for scores in found.scores.values()):
        return
    raise AttributionError(
        f"no neuron has a point: {out} is not written",
        "By it no neuron is more important than another, and pytest refuses scores that are all 0.",
        "Try longer lists (--m 50, --m all), fewer inputs at once (--batch-size 8) or each by "
        "itself (--by sample), other methods or --layers.",
    )


def _vote(
    options: argparse.Namespace, settings: Settings, model: Any, reference: Reference
) -> Importance:
    from pytest_deepimportance.attribution.method_settings import method_settings
    from pytest_deepimportance.attribution.voting import vote
    from pytest_deepimportance.engine.opening import output_adapter

    methods = [name.strip() for name in options.methods.split(",") if name.strip()]
    own = [method_settings(name, settings) for name in methods]
    given = {key: value for one in own for key, value in one.items() if key not in _COMMON}
    asked = settings.m if settings.m != "auto" else 10
    with progress_bar("voting") as progress:
        return vote(
            model,
            reference.batches(settings.batch_size),
            methods,
            options.vote_m if options.vote_m is not None else asked,
            layers=_layers(options.vote_layers),
            scope=options.vote_scope,
            mode=options.vote_mode,
            points=options.vote_points,
            normalize=options.vote_normalize,
            sign=options.vote_sign,
            by=options.vote_by,
            target=settings.target,
            seed=settings.seed,
            checkpoint=options.checkpoint,
            checkpoint_every=options.checkpoint_every,
            progress=progress,
            rows=reference.rows,
            memory=settings.memory,
            tap=settings.tap,
            output=output_adapter(settings),
            **given,
        )


def _layers(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingsError(
            "--layers names no layer",
            "Methods vote for neurons of layers.",
            "Write --layers conv1,fc1, or leave it out for all hidden layers.",
        )
    return names


def _next(options: argparse.Namespace, settings: Settings, out: Path) -> str:
    """Return the pytest command that uses the scores, with what this command was given."""
    from pytest_deepimportance.profile.command import typed

    given = [name for name in (*LOADING, *_READ) if settings.origins[name] == "command line"]
    scope = {"global": "global", "layer": "all", "block": "all"}[options.vote_scope]
    parts = [
        f"pytest --idc-model {shlex.quote(options.model)}",
        *(typed(name, getattr(settings, name)) for name in given),
        typed("importance", str(out)),
        typed("scope", scope),
    ]
    return " ".join(filter(None, parts))
