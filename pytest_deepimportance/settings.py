"""The one table of settings.

Each field of `Settings` is one setting. Its name N gives the command-line option `--idc-N` (with
dashes), the ini key `idc_N`, the keyword N of the Python API, and the row in the docs; nothing else
lists them.
Precedence: default < preset < ini < command line < marker or keyword.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_deepimportance.criterion_settings import CriterionSettings
from pytest_deepimportance.errors import SettingsError, did_you_mean
from pytest_deepimportance.importance_settings import ImportanceSettings
from pytest_deepimportance.parsing import (
    boolean,
    byte_size,
    choice,
    distinct_texts,
    integers,
    named,
    names,
    one_of,
    orders,
    positive,
    positive_or_all,
    seed_number,
    text,
)
from pytest_deepimportance.presets import PRESETS
from pytest_deepimportance.session_settings import SessionSettings
from pytest_deepimportance.setting import Setting, setting
from pytest_deepimportance.thresholds import MEASURED

CLUSTERED_NEURONS = 12
"""Clusters are fitted for this many important neurons, so that every smaller m is a prefix."""


@dataclass(frozen=True)
class Settings(SessionSettings, ImportanceSettings, CriterionSettings):
    """All settings with their values; `origins` says where each one came from."""

    model: str | None = setting(
        None, text, "Model to measure: FILE, pkg.mod:factory, file.py:factory, torchvision:NAME, "
        "timm:NAME or hf:DIR", metavar="SPEC",
    )  # fmt: skip
    factory: str | None = setting(
        None, text, "Builds the module that a state_dict is loaded into: pkg.mod:callable",
        metavar="SPEC",
    )  # fmt: skip
    weights: str | None = setting(
        None, text, "Weights for a model given by name or factory: FILE, DEFAULT or none",
        metavar="FILE",
    )  # fmt: skip
    allow_pickle: bool = setting(
        False, boolean, "Let a model file run code while it is unpickled (trusted files only)",
        ini=False,
    )  # fmt: skip
    reference: str | None = setting(
        None, text, "Reference (training) data: pkg.mod:callable, file.py:callable, DIR, FILE.npz, "
        "FILE.safetensors, FILE.jsonl (texts) or torchvision:NAME:split", metavar="SPEC",
    )  # fmt: skip
    reference_samples: int | Literal["auto", "all"] = setting(
        "auto", one_of("auto", "all", parse=positive), "Rows of the reference to use: N, all, or "
        "auto (at most 10,000 when the reference is given by a specification)",
        metavar="N", native=(int, str), profile=True,
    )  # fmt: skip
    reference_id: str | None = setting(
        None, text, "Name that identifies an iterable reference, so that its profile may be cached",
        profile=True,
    )  # fmt: skip
    null: str | None = setting(
        None, text, "Held-out data that random suites are drawn from: a specification as for the "
        "reference, or part=0.2 to keep that much of the reference out of the profile",
        metavar="SPEC", profile=True,
    )  # fmt: skip
    random_orders: int = setting(
        100, orders, "Random orders of the null data from which the spread of random suites "
        "is estimated, for criteria without a closed form (0: no random suites but IDC's)",
        metavar="N", native=(int,), profile=True,
    )  # fmt: skip
    transform: str | None = setting(
        None, named, "Transform for torchvision data sets and image folders (default ToTensor), or "
        "what tokenises texts (default the tokenizer of an hf: model): pkg.mod:callable or hf:DIR",
        metavar="SPEC", profile=True,
    )  # fmt: skip
    data_root: str | None = setting(
        None, text, "Root folder of torchvision data sets", metavar="DIR"
    )
    download: bool = setting(
        False,
        boolean,
        "Allow data sets and weights to be downloaded (torchvision, timm, hf)",
        native=(bool,),
    )
    profile: str | None = setting(
        None, text, "Profile file to measure against (made by 'deepimportance profile build'); "
        "no reference is needed then", metavar="FILE",
    )  # fmt: skip
    no_samples: bool = setting(
        False, boolean, "Keep only counts in the profile, nothing that points at single reference "
        "inputs", native=(bool,), profile=True,
    )  # fmt: skip
    m: int | Literal["auto", "all"] = setting(
        "auto", one_of("auto", parse=positive_or_all), "Number of important neurons: auto (6, "
        "lowered until the reference holds 10 inputs per combination), a number, or all (-1) of "
        "the layer", metavar="M", native=(int, str),
    )  # fmt: skip
    k: int | Literal["auto"] = setting(
        "auto", one_of("auto", parse=positive), "Clusters per neuron: auto (by silhouette over "
        "k_range) or a number", metavar="K", native=(int, str), profile=True,
    )  # fmt: skip
    k_range: tuple[int, ...] = setting(
        (2, 3, 4), integers, "Numbers of clusters tried when k is auto", metavar="K,K,...",
        profile=True,
    )  # fmt: skip
    layer: str | None = setting(
        None, text, "Layer to measure: name, or index in the order of 'deepimportance layers' "
        "(default: the last hidden one, -1)", metavar="NAME", native=(str, int), profile=True,
    )  # fmt: skip
    scope: str = setting(
        "layer", choice("layer", "all", "global"), "Where the important neurons are looked for: "
        "layer, all (each layer by itself) or global (over all layers)", metavar="SCOPE",
        profile=True,
    )  # fmt: skip
    normalize: str = setting(
        "layer", choice("layer", "none"), "Scope global: divide each layer's scores by the sum of "
        "their absolute values (layer) or compare raw scores (none)", metavar="HOW", profile=True,
    )  # fmt: skip
    classes: str = setting(
        "all", text, "all classes together, each class by itself (by true label), or one class by "
        "name or index", metavar="WHICH", native=(str, int), profile=True,
    )  # fmt: skip
    class_names: tuple[str, ...] = setting(
        (), distinct_texts, "Names of the classes, in the order of the model's outputs",
        metavar="A,B,...",
    )  # fmt: skip
    zeros: str = setting(
        "keep", choice("keep", "drop"), "Keep or drop exact zeros when clusters are fitted",
        metavar="HOW", profile=True,
    )  # fmt: skip
    min_values: int = setting(
        10, positive, "A neuron with fewer usable reference values gets one cluster", metavar="N",
        native=(int,), profile=True,
    )  # fmt: skip
    correct: str = setting(
        "only", choice("only", "all"), "Fit importance and clusters on the correctly classified "
        "reference inputs only, or on all", metavar="WHICH", profile=True,
    )  # fmt: skip
    criteria: tuple[str, ...] = setting(
        ("all",), names("all", *MEASURED), "Criteria to measure: all, or names", metavar="A,B,..."
    )
    preset: str | None = setting(
        None, text, f"Named set of options: {', '.join(PRESETS)}", metavar="NAME"
    )
    seed: int = setting(
        0,
        seed_number,
        "Seed of every sample that is drawn",
        metavar="N",
        native=(int,),
        profile=True,
    )
    device: str | None = setting(
        None, text, "Device to move a loaded model to (default: leave it where it is)",
        metavar="DEVICE",
    )  # fmt: skip
    batch_size: int = setting(
        256, positive, "Rows per batch when the reference is given as arrays", metavar="N",
        native=(int,),
    )  # fmt: skip
    memory: int = setting(
        1 << 30, byte_size, "Memory that activations and attribution may use, such as 512MB or 2GB",
        metavar="SIZE", native=(str, int),
    )  # fmt: skip
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def replace(self, origin: str, **values: Any) -> Settings:
        """Return a copy with `values` parsed and set, their origin noted."""
        return _apply(self, origin, values)

    def asks_for(self, criterion: str) -> bool:
        """Return whether a criterion is among those to measure."""
        return "all" in self.criteria or criterion in self.criteria

    @property
    def clustered(self) -> int:
        """How many neurons get clusters: more than the usual number only where m needs them."""
        if self.m == "all":
            return sys.maxsize
        return max(CLUSTERED_NEURONS, 0 if self.m == "auto" else self.m)

    def profile_values(self) -> dict[str, Any]:
        """Return the settings the profile depends on, in table order, JSON-ready."""
        return {
            item.name: _plain(getattr(self, item.name)) for item in TABLE.values() if item.profile
        }


_GROUPS = [
    {item.name for item in dataclasses.fields(group)}
    for group in (SessionSettings, ImportanceSettings, CriterionSettings)
]


def _group(name: str) -> int:
    return next((at for at, g in enumerate(_GROUPS, 1) if name in g), 0)


TABLE: Mapping[str, Setting] = {
    item.name: Setting(name=item.name, default=item.default, **item.metadata)
    for item in sorted(dataclasses.fields(Settings), key=lambda item: _group(item.name))
    if item.name != "origins"
}
"""Every setting by name; then those of a session, of importance, of single criteria."""


def resolve(sources: Sequence[tuple[str, Mapping[str, Any]]]) -> Settings:
    """Combine `sources` (origin, values), weakest first, over the defaults and the preset.

    Raises:
        SettingsError: An unknown name, or a value that cannot be parsed.
    """
    preset = None
    for _, values in sources:
        preset = values.get("preset") or preset
    settings = Settings(origins=dict.fromkeys(TABLE, "default"))
    if preset is not None:
        if preset not in PRESETS:
            raise SettingsError(
                f"unknown preset {preset!r}",
                fix=did_you_mean(str(preset), PRESETS) or f"presets: {', '.join(PRESETS)}",
            )
        settings = _apply(settings, f"preset {preset}", PRESETS[preset])
    for origin, values in sources:
        settings = _apply(settings, origin, values)
    return settings


def from_keywords(**values: Any) -> Settings:
    """Build settings from keywords of the Python API."""
    return resolve([("keyword", values)])


def _apply(settings: Settings, origin: str, values: Mapping[str, Any]) -> Settings:
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in TABLE:
            hint = did_you_mean(name, TABLE)
            raise SettingsError(f"unknown setting {name!r} ({origin})", fix=hint)
        if value is None:
            continue
        try:
            changed[name] = TABLE[name].parse(value)
        except (ValueError, TypeError) as error:
            setting = TABLE[name]
            ways = {"command line": setting.option, "keyword": setting.name}
            spelled = ways.get(origin, setting.key)
            raise SettingsError(
                f"{spelled} ({origin}): {error}", fix=f"{TABLE[name].help}."
            ) from error
    if not changed:
        return settings
    origins = {**settings.origins, **dict.fromkeys(changed, origin)}
    return dataclasses.replace(settings, **changed, origins=origins)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
