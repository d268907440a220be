"""Settings as options of the command: the same table as in pytest, without the idc- prefix."""

from __future__ import annotations

import argparse
import sys
from argparse import SUPPRESS
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.settings import TABLE, Settings, resolve

if TYPE_CHECKING:
    from pytest_deepimportance.models.loading import LoadedModel

LOADING = ("factory", "weights", "allow_pickle", "download", "device")


class CommandParser(argparse.ArgumentParser):
    """A parser whose subcommands refuse what they do not know themselves, with their own usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; unlike argparse, leave nothing over for the command above."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add one option for each named setting."""
    group = parser.add_argument_group("settings (as --idc-* in pytest)")
    for name in names:
        setting = TABLE[name]
        text = setting.help.replace("%", "%%")
        # Messages speak of --idc-factory, since most readers run pytest: that is understood too.
        for flag, shown in (("--" + name.replace("_", "-"), text), (setting.option, SUPPRESS)):
            if setting.is_flag:
                group.add_argument(flag, dest=name, action="store_true", default=None, help=shown)
            else:
                action = "append" if setting.many else "store"
                group.add_argument(
                    flag, dest=name, action=action, default=None, metavar=setting.metavar,
                    help=shown,
                )  # fmt: skip


def usage_of(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Return a command that prints the help of `parser`, for a command line that stops there."""

    def run(_: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return 2

    return run


def settings_from(options: argparse.Namespace) -> Settings:
    """Resolve the settings given on the command line."""
    given = {name: getattr(options, name, None) for name in TABLE}
    return resolve([("command line", {k: v for k, v in given.items() if v is not None})])


def load(options: argparse.Namespace) -> LoadedModel:
    """Load the model that the command names."""
    from pytest_deepimportance.models.loading import load as load_by_spec

    settings = settings_from(options)
    return load_by_spec(
        options.model,
        factory=settings.factory,
        weights=settings.weights,
        allow_pickle=settings.allow_pickle,
        download=settings.download,
        device=settings.device,
    )
