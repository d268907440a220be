"""What was measured, against what and how, as plain frozen data: model, reference, profile, run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

PACKAGES = (
    "pytest", "pluggy", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "captum",
    "safetensors", "rich", "filelock", "pytest-xdist", "pytest-rerunfailures",
)  # fmt: skip
"""Packages whose versions a report names, where they are installed."""


@dataclass(frozen=True)
class LayerRow:
    """One measured layer: its neurons, and what importance and clustering found there."""

    name: str
    type: str
    neurons: int
    reads: str
    share_of_importance: float | None = None
    unit: str = "neuron"


@dataclass(frozen=True)
class NeuronRow:
    """One important neuron of a space, by rank."""

    layer: str
    index: int
    relevance: float
    k: int
    centroids: tuple[float, ...]
    silhouette: float | None
    constant: bool


@dataclass(frozen=True)
class SpaceRow:
    """One combination space: the important neurons of a layer (or of all) for one class or all."""

    name: str
    layer: str | None
    class_name: str | None
    m: int
    m_from: str
    total: int
    reach: int
    fit_reached: int
    neurons: tuple[NeuronRow, ...]


@dataclass(frozen=True)
class ModelInfo:
    """The measured model."""

    spec: str
    type: str
    fingerprint: str
    parameters: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceInfo:
    """The reference data as the profile saw it.

    Attributes:
        rows: Rows read (after sampling).
        available: Rows the source holds, None if unknown.
        usable: Rows with finite activations (R).
        fitted: Rows importance and clusters were fitted on (the correctly classified).
        non_finite: Rows left out because of NaN or infinity.
    """

    descriptor: str
    fingerprint: str
    rows: int
    available: int | None
    usable: int
    fitted: int
    non_finite: int
    labelled: bool
    augmented: bool = False
    sampled: bool = False
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportanceInfo:
    """How importance was computed and how faithful it was.

    Attributes:
        source: The file it was read from; empty where it was computed with the profile.
    """

    method: str
    rule: str
    target: str
    rows: int
    balance: float | None
    input_share: float | None
    notes: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class ProfileInfo:
    """The profile that everything was measured against.

    Attributes:
        statistics: What it holds for the criteria beside IDC, as (name, text).
    """

    fingerprint: str
    origin: str
    layers: tuple[LayerRow, ...]
    spaces: tuple[SpaceRow, ...]
    importance: ImportanceInfo
    notes: tuple[str, ...] = ()
    statistics: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Exclusions:
    """Forward passes that were seen but not counted, and why.

    Attributes:
        raised_passes: Their forward raised an exception.
        skipped_passes: Of tests that were skipped after they had made them.
        rerun_passes: Of earlier attempts of tests that were run again.
        unvouched_passes: Of tests that did not pass, with `idc_count = passed`.
    """

    attack_passes: int = 0
    paused_passes: int = 0
    unmarked_passes: int = 0
    unmarked_tests: int = 0
    unclaimed_passes: int = 0
    other_weights_passes: int = 0
    non_finite_rows: int = 0
    partial_model_calls: int = 0
    dropped_passes: int = 0
    raised_passes: int = 0
    skipped_passes: int = 0
    rerun_passes: int = 0
    unvouched_passes: int = 0
    details: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything at all was left out."""
        return any(
            getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "details"
        )


@dataclass(frozen=True)
class RunInfo:
    """How much of the suite ran.

    Attributes:
        complete: Whether no run was stopped early; `incomplete_because` says why.
        lost: Marked tests that were running when their worker crashed.
    """

    marked_collected: int = 0
    marked_ran: int = 0
    deselected: int = 0
    complete: bool = True
    incomplete_because: str = ""
    lost: tuple[str, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether marked tests were deselected, or lost in a crash."""
        return self.deselected > 0 or bool(self.lost)


@dataclass(frozen=True)
class SettingRow:
    """One setting with the place its value came from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class RequirementRow:
    """One requirement in one suite: the tests that name it, and how suite and tests fared.

    Attributes:
        requirement: None gathers the tests of the suite that name none.
        outcomes: Number of these tests by outcome.
        criterion: What `covered` and `total` are about: the suite's first criterion.
        verdict: "tests failed", else the gate's on this suite: "failed", "not judged", "warned",
            "ok", or "no threshold".
    """

    requirement: str | None
    suite: str
    tests: tuple[str, ...]
    outcomes: Mapping[str, int]
    criterion: str
    covered: int | float | None
    total: int | None
    verdict: str


@dataclass(frozen=True)
class TestRow:
    """One marked test.

    Attributes:
        requirements: What it is a test of, as its marker says.
    """

    nodeid: str
    suite: str
    outcome: str
    passes: int
    inputs: int
    cause: str = ""
    requirements: tuple[str, ...] = ()

    __test__ = False
