"""The profile: everything that is derived once from a model and its reference data."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.clustering.combinations import CombinationSpace, choose_m
from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.profile.command import build_command, without
from pytest_deepimportance.profile.echo import Echo
from pytest_deepimportance.profile.null import Null
from pytest_deepimportance.provenance import (
    ImportanceInfo,
    LayerRow,
    ModelInfo,
    NeuronRow,
    ProfileInfo,
    ReferenceInfo,
    SpaceRow,
)
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.gathering import ReferenceStatistics


@dataclass(frozen=True)
class Profile:
    """Everything derived once from model and reference; small, portable, never changed by tests.

    Attributes:
        sites: Where each layer is read, the same for reference and tests.
        settings: The settings the profile depends on, as plain data.
        importance: Scores over the fitted rows of all classes.
        class_importance: By class index, when classes are measured each by itself.
        spaces: Combination spaces: important neurons and their clusters, without m applied.
        counts: Combination counts of the reference, by space name.
        fingerprint: Content hash; results of equal fingerprints may be merged.
        origin: "built", "cached" or the file it was loaded from (not part of the content).
        echo: What the model answers on made-up inputs, to notice that its code has changed.
        statistics: What the baseline criteria need from the reference.
        null: What random inputs cover.
        digests: Content hashes of the distinct reference inputs, ascending, (D,) uint64, so that
            test inputs among them are found; None where they are not kept.
    """

    model: ModelInfo
    reference: ReferenceInfo
    sites: SiteMap
    settings: Mapping[str, Any]
    importance: Importance
    spaces: tuple[CombinationSpace, ...]
    counts: Mapping[str, CombinationCounts]
    class_importance: Mapping[int, Importance] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    origin: str = "built"
    echo: Echo | None = None
    statistics: ReferenceStatistics = field(default_factory=ReferenceStatistics)
    null: Null = field(default_factory=Null)
    digests: NDArray[np.uint64] | None = None

    def provided(self) -> dict[str, Any]:
        """Return by name everything that criteria may need."""
        found = self.statistics.provided()
        if self.spaces:
            found |= {"spaces": self.spaces, "combination_counts": self.counts}
            found |= {"null_counts": self.null.counts}
        return found

    def layers_of(self, reads: str) -> tuple[str, ...]:
        """Return the layers that a criterion looks at: see `Criterion.reads`."""
        if reads == "importance":
            return self.layers
        if reads == "surprise":
            surprise = self.statistics.surprise_layer
            return () if surprise is None else (surprise,)
        return tuple(self.statistics.layers)

    @property
    def whole_spaces(self) -> tuple[CombinationSpace, ...]:
        """Combination spaces of all classes together."""
        return tuple(space for space in self.spaces if space.class_index is None)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that hold important neurons."""
        names = {layer for space in self.spaces for layer, _ in space.neurons}
        return tuple(site.name for site in self.sites.sites if site.name in names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the model's outputs (may be empty)."""
        return self.reference.class_names

    def class_name(self, index: int) -> str:
        """Return the name of class `index`, or its number."""
        names = self.class_names
        return names[index] if 0 <= index < len(names) else str(index)

    def with_m(self, ask: int | Literal["auto", "all"]) -> Profile:
        """Return the profile with m chosen for every space (`auto`: see the settings).

        Raises:
            SettingsError: The profile holds clusters for fewer neurons than asked for.
        """
        spaces = []
        for space in self.spaces:
            rows = self.counts[space.name].rows
            m, why = choose_m(space.ks, rows, ask, width=self._width(space))
            spaces.append(dataclasses.replace(space, m=m, m_from=why))
        return dataclasses.replace(self, spaces=tuple(spaces))

    def _width(self, space: CombinationSpace) -> int:
        if space.layer is not None:
            return len(self.importance.scores[space.layer])
        return sum(len(scores) for scores in self.importance.scores.values())

    def check_settings(self, settings: Settings) -> None:
        """Refuse settings that were given by the user and contradict the profile.

        Raises:
            ProfileError: A profile setting was asked for with another value than it was built with.
        """
        values = settings.profile_values()
        for name, built in self.settings.items():
            asked = values.get(name)
            origin = settings.origins.get(name, "default")
            if origin != "default" and not self._same(name, asked, built):
                raise ProfileError(
                    f"the profile was built with {name} = {built!r}, "
                    f"but {name} = {asked!r} is asked for ({origin})",
                    "Numbers against another setting would not mean what their label says.",
                    f"Drop {without(name, origin)}, or build the profile again with it:\n"
                    f"{build_command(self, settings)}",
                )

    def _same(self, name: str, asked: Any, built: Any) -> bool:
        """Whether two values of a setting mean the same for this profile."""
        if asked == built or name == "reference_id":  # which serves the cache only
            return True
        if name == "layer":
            wanted, own = self.sites.find(asked), self.sites.find(built)
            return self.settings["scope"] != "layer" or wanted.name == own.name
        if name in ("transform", "output", "importance") and asked and built:
            # An ini file's path is anchored to its folder, a command's is as it was typed, and the
            # profile may come from another machine: the file's own name must do.
            return _file_name(asked) == _file_name(built)
        return False

    def info(self) -> ProfileInfo:
        """Return what the report says about the profile, with m applied."""
        total = {name: float(abs(s).sum()) for name, s in self.importance.scores.items()}
        everything = sum(total.values())
        layers = tuple(
            LayerRow(
                site.name,
                site.type,
                self.statistics.layers.get(site.name, site.units),
                site.activation or "its output",
                total[site.name] / everything if everything and site.name in total else None,
            )
            for site in self.sites.sites
            if site.name in total or site.name in self.statistics.layers
        )
        return ProfileInfo(
            fingerprint=self.fingerprint,
            origin=self.origin,
            layers=layers,
            spaces=tuple(self._space_row(space) for space in self.spaces),
            importance=ImportanceInfo(
                method=self.importance.method or "",
                rule=self.importance.rule or "",
                target=self.importance.target or "",
                rows=self.importance.rows,
                balance=self.importance.balance,
                input_share=self.importance.input_share,
                source=self.importance.source or "",
                notes=tuple(self.importance.notes),
            ),
            notes=self.notes,
            statistics=(*self.statistics.described(), *self.null.described()),
        )

    def _space_row(self, space: CombinationSpace) -> SpaceRow:
        counted = self.counts[space.name].prefix(space.m)
        neurons = tuple(
            NeuronRow(
                layer=layer,
                index=index,
                relevance=float(score),
                k=clustering.k,
                centroids=tuple(float(value) for value in clustering.centroids),
                silhouette=clustering.silhouette,
                constant=clustering.constant,
            )
            for (layer, index), score, clustering in zip(
                space.neurons, space.scores, space.clusterings, strict=True
            )
        )
        label = None if space.class_index is None else self.class_name(space.class_index)
        return SpaceRow(
            name=space.name,
            layer=space.layer,
            class_name=label,
            m=space.m,
            m_from=space.m_from,
            total=space.total(),
            reach=counted.reach,
            fit_reached=counted.fit_reached,
            neurons=neurons,
        )

    def save(self, path: str | Path) -> None:
        """Write the profile to `path` (atomic; safetensors with a JSON header, no pickle)."""
        from pytest_deepimportance.profile.file import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Profile:
        """Read a profile written by `save`.

        Raises:
            ProfileError: The file is absent, damaged, or of another format.
        """
        from pytest_deepimportance.profile.file import load

        return load(Path(path))


def _file_name(spec: str) -> str:
    return re.split(r"[/\\]", spec)[-1]
