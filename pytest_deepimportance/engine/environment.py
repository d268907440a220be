"""What a number may depend on beside model and data: versions, device, switches of torch."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from operator import attrgetter

import torch

from pytest_deepimportance.provenance import PACKAGES

_CONVOLUTIONS = attrgetter("conv.fp32_precision")
"""Its module names this switch nowhere that a type checker looks."""

_Switch = Callable[[], object]

_SWITCHES: tuple[tuple[str, tuple[_Switch, ...]], ...] = (
    (
        "TF32 in matrix products",
        (
            lambda: torch.backends.cuda.matmul.allow_tf32,
            lambda: torch.backends.cuda.matmul.fp32_precision == "tf32",
        ),
    ),
    (
        "TF32 in convolutions",
        (
            lambda: torch.backends.cudnn.allow_tf32,
            lambda: _CONVOLUTIONS(torch.backends.cudnn) == "tf32",
        ),
    ),
    (
        "float32 precision of matrix products",
        (
            torch.get_float32_matmul_precision,
            lambda: torch.backends.cuda.matmul.fp32_precision,
        ),
    ),
    ("deterministic algorithms", (torch.are_deterministic_algorithms_enabled,)),
    ("cuDNN deterministic", (lambda: torch.backends.cudnn.deterministic,)),
    ("cuDNN benchmark", (lambda: torch.backends.cudnn.benchmark,)),
    ("threads", (torch.get_num_threads,)),
)
"""Ways to read each switch: torch refuses to answer under the older name once a newer was set."""


def environment(devices: Sequence[str] = ()) -> dict[str, str]:
    """Describe this process as it is now.

    Args:
        devices: Where the model ran, such as "cpu".
    """
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found |= {name: version for name in PACKAGES if (version := _version(name))}
    found["torch"] = str(torch.__version__)  # with its build, such as +cpu
    if devices:
        found["device"] = ", ".join(devices)
    gpus = sorted({int(name.partition(":")[2] or 0) for name in devices if name[:4] == "cuda"})
    if gpus:
        found["GPU"] = ", ".join(torch.cuda.get_device_name(index) for index in gpus)
        found["CUDA"], found["cuDNN"] = str(torch.version.cuda), _cudnn()
    return found | {name: _read(ways) for name, ways in _SWITCHES}


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cudnn() -> str:
    return str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]


def _read(ways: Sequence[_Switch]) -> str:
    for switch in ways:
        with suppress(RuntimeError, AttributeError):
            return str(switch())
    return "unknown"
