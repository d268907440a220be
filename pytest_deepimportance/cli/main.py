"""The `deepimportance` command: what can be done outside a pytest run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from pytest_deepimportance import __version__
from pytest_deepimportance.cli.pipes import readers_may_leave
from pytest_deepimportance.errors import IdcError

EXAMPLES = """examples:
  deepimportance layers lenet.pth --factory app.model:LeNet
  deepimportance importance lenet.pth --factory app.model:LeNet \\
      --reference app.data:train --classes each --plots pictures
  deepimportance measure lenet.pth --factory app.model:LeNet \\
      --reference app.data:train --inputs app.data:test
  deepimportance calibrate idc.json --write
  deepimportance profile build lenet.pth --factory app.model:LeNet \\
      --reference app.data:train -o lenet.idc
  deepimportance drift app.data:last_week lenet.pth --factory app.model:LeNet \\
      --profile lenet.idc
  deepimportance suggest app.data:unlabelled lenet.pth --factory app.model:LeNet \\
      --profile lenet.idc --inputs app.data:test -n 100 --out next.csv
  deepimportance profile show lenet.idc
  deepimportance profile check lenet.idc lenet.pth --factory app.model:LeNet
  deepimportance vote lenet.pth --factory app.model:LeNet --reference app.data:train \\
      --methods lrp,deeplift,integrated-gradients --m 10 --out votes.csv
  deepimportance selector fit lenet.pth --factory app.model:LeNet \\
      --reference app.data:train -o selector.safetensors
  deepimportance combine shard-*.data -o deepimportance.data
  deepimportance report deepimportance.data --fail-under share=0.9
  deepimportance compare main.data deepimportance.data --fail IDC=0.02
  deepimportance tests deepimportance.data
  deepimportance selfcheck
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    from pytest_deepimportance.cli import (
        calibrate,
        compare,
        datafiles,
        drift,
        importance,
        layers,
        measure,
        profile,
        report,
        selector,
        selfcheck,
        suggest,
        tests,
        vote,
    )
    from pytest_deepimportance.cli.arguments import CommandParser, usage_of

    top = CommandParser(
        prog="deepimportance",
        description="Test adequacy for neural networks: look at a model, measure "
        "test data, find thresholds, build a profile.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"deepimportance {__version__}")
    top.set_defaults(run=usage_of(top))
    commands = top.add_subparsers(metavar="COMMAND")
    layers.add_parser(commands)
    importance.add_parser(commands)
    measure.add_parser(commands)
    calibrate.add_parser(commands)
    compare.add_parser(commands)
    drift.add_parser(commands)
    suggest.add_parser(commands)
    report.add_parser(commands)
    datafiles.add_parsers(commands)
    tests.add_parser(commands)
    profile.add_parser(commands)
    vote.add_parser(commands)
    selector.add_parser(commands)
    selfcheck.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 is success, 1 a check that failed, 2 a mistake or an unmet threshold."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    with readers_may_leave(sys.stdout):
        return _run(given)


def _run(given: list[str]) -> int:
    options = parser().parse_args(given)
    options.arguments = given
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except IdcError as error:
        print(f"deepimportance: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("deepimportance: interrupted; nothing was written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
