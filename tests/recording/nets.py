"""Small models for the recorder's tests, and the recorder that watches one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorder import Recorder


class Net(nn.Module):
    """4 inputs, 3 hidden neurons `a` (after relu), 2 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 3)
        self.b = nn.Linear(3, 2)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.a(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.features(x))


class Moody(nn.Module):
    """Batch norm and dropout: the mode matters."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 6)
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.5)
        self.b = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.drop(torch.relu(self.norm(self.a(x)))))


def make(kind: type[nn.Module] = Net, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return kind().eval()


def recorder_of(model: nn.Module, example: Tensor | None = None, **options: object) -> Recorder:
    example = torch.randn(2, 4) if example is None else example
    sites = find_sites(model, as_call(example))
    names = [site.name for site in sites.candidates()]
    return Recorder(model, sites, names, model_fingerprint=fingerprint(model), **options)


@contextmanager
def recording(
    model: nn.Module, before: Callable[[], object] | None = None, **options: object
) -> Iterator[tuple[Recorder, Block]]:
    """Attached, with one current test block; detached at the end.

    `before` is called when the sites are known and nothing is attached yet.
    """
    recorder = recorder_of(model, **options)
    if before is not None:
        before()
    block = Block("test_it", "test")
    recorder.attach()
    recorder.block = block
    try:
        yield recorder, block
    finally:
        recorder.block = None
        recorder.detach()


def hidden(model: Net, x: Tensor) -> Tensor:
    """Return what layer `a` of a Net should be recorded as, by hand."""
    with torch.no_grad():
        return (x.detach() @ model.a.weight.T + model.a.bias).clamp_min(0)
