"""What `deepimportance importance` found, as plain frozen data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.provenance import ModelInfo

SCHEMA = "deepimportance-importance"
FORMAT = 1

REFERENCE = "reference"
"""Name of the reference among the data that importance is computed on."""


@dataclass(frozen=True)
class RankedLayer:
    """A layer whose neurons are ranked; `default` is the one that IDC measures by default."""

    name: str
    type: str
    neurons: int
    default: bool = False


@dataclass(frozen=True)
class ScoreSet:
    """Scores of neurons by one method, summed over the rows of one data set or class of it.

    Attributes:
        method: Attribution method; empty where a file does not say.
        data: "reference", or the name of the inputs.
        class_index, class_name: None and empty for all classes together.
        rows: Rows summed over; None where a file does not say.
        scores: By layer in network order, (U,): signed, summed over rows.
        rule, target: How the method was set.
        balance: Share of the target that nothing accounts for; None where that is not known.
        input_share: Share of the target that the input explains.
        notes: What the method has to say.
    """

    method: str
    data: str
    class_index: int | None
    class_name: str
    rows: int | None
    scores: Mapping[str, tuple[float, ...]]
    rule: str | None = None
    target: str | None = None
    balance: float | None = None
    input_share: float | None = None
    notes: tuple[str, ...] = ()

    def ranking(self, layer: str) -> list[int]:
        """Return the neurons of a layer by descending score, equal scores by index."""
        scores = self.scores[layer]
        return sorted(range(len(scores)), key=lambda index: (-scores[index], index))

    def top(self, layer: str, m: int) -> list[int]:
        """Return the m most important neurons of a layer, all of them if it has fewer.

        Those whose score is 0 are not among them: their order would be that of the indices.
        """
        scores = self.scores[layer]
        return [index for index in self.ranking(layer)[:m] if scores[index]]

    def silent(self, layer: str) -> bool:
        """Return whether all scores of a layer are 0."""
        return not any(self.scores[layer])

    def absolute(self, layer: str) -> float:
        """Return the sum of the absolute scores of a layer."""
        return sum(map(abs, self.scores[layer]))

    def shares(self) -> dict[str, float]:
        """Return each layer's part of the sum of all absolute scores."""
        sums = {layer: self.absolute(layer) for layer in self.scores}
        everything = sum(sums.values())
        return {layer: value / everything if everything else 0.0 for layer, value in sums.items()}

    def half(self, layer: str) -> int:
        """Return how few neurons hold half of the absolute scores of a layer (0: all are 0)."""
        sizes = sorted(map(abs, self.scores[layer]), reverse=True)
        wanted, held = sum(sizes) / 2, 0.0
        for number, size in enumerate(sizes, start=1):
            held += size
            if held >= wanted > 0:
                return number
        return 0


@dataclass(frozen=True)
class Overlap:
    """How alike two rankings of a layer's neurons are: two methods, or two data sets.

    Attributes:
        kind: "methods" or "data".
        within: What both have in common: the data set of two methods, the method of two data sets.
        m: Neurons compared, at most the layer's.
        jaccard: Neurons that stand in both top m / neurons that stand in one of them; None where
            all scores of one of the two are 0.
        chance: Expected value of that for two random sets of m neurons.
        rank_correlation: Spearman's over all neurons; None where a ranking is constant.
    """

    kind: str
    within: str
    first: str
    second: str
    layer: str
    m: int
    jaccard: float | None
    chance: float
    rank_correlation: float | None


@dataclass(frozen=True)
class ClassOverlap:
    """How alike the important neurons of the classes are, in one layer.

    Attributes:
        m: Neurons of each class that are compared.
        classes: Names, in the order of the class indices, of those that have important neurons.
        common: For each neuron, in how many classes' top m it stands, (U,).
        jaccard: Mean over all pairs of classes.
        chance: Expected value of that for random sets.
        most_alike, least_alike: Two class names and their Jaccard index.
    """

    method: str
    data: str
    layer: str
    m: int
    classes: tuple[str, ...]
    common: tuple[int, ...]
    jaccard: float
    chance: float
    most_alike: tuple[str, str, float]
    least_alike: tuple[str, str, float]


@dataclass(frozen=True)
class TopSets:
    """Important neurons by class, as plots and stored reports have them.

    Attributes:
        neurons: Of the layer, None where that is not known.
        tops: Class name -> indices of its most important neurons.
    """

    layer: str
    neurons: int | None
    tops: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class LeftOut:
    """A method that could not run on this model, and why."""

    method: str
    why: str


@dataclass(frozen=True)
class DataRow:
    """One data set: rows read, rows that count, and which they are."""

    name: str
    descriptor: str
    rows: int
    used: int
    which: str


@dataclass(frozen=True)
class ImportanceReport:
    """Everything the command says.

    Attributes:
        model: None where scores come from an importance file; fingerprint: of the model, empty
            where the file does not say.
        m: Neurons asked for in each layer, None for all of them.
        sets: Method by method, data set by data set: all classes together, then class by class.
    """

    version: str
    model: ModelInfo | None
    fingerprint: str
    data: tuple[DataRow, ...]
    m: int | None
    layers: tuple[RankedLayer, ...]
    sets: tuple[ScoreSet, ...]
    overlaps: tuple[Overlap, ...] = ()
    class_overlaps: tuple[ClassOverlap, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def whole(self) -> list[ScoreSet]:
        """Return the sets of all classes together."""
        return [found for found in self.sets if found.class_index is None]

    def by_class(self, method: str, data: str) -> list[ScoreSet]:
        """Return the sets of single classes of one method and data set."""
        return [
            found
            for found in self.sets
            if found.class_index is not None and (found.method, found.data) == (method, data)
        ]

    def m_of(self, layer: RankedLayer) -> int:
        """Return how many neurons of a layer count as its most important ones."""
        return layer.neurons if self.m is None else min(self.m, layer.neurons)

    def leading_layers(self, most: int) -> list[RankedLayer]:
        """Return up to `most` layers in network order: the default one, then the largest shares."""
        if len(self.layers) <= most:
            return list(self.layers)
        shares = self.whole()[0].shares()
        ranked = sorted(self.layers, key=lambda layer: (not layer.default, -shares[layer.name]))
        chosen = {layer.name for layer in ranked[:most]}
        return [layer for layer in self.layers if layer.name in chosen]

    def top_sets(self) -> list[TopSets]:
        """Return the important neurons of the classes, layer by layer; none for fewer than two.

        Classes whose scores in a layer are 0 have none there.
        """
        lead = self.whole()[0]
        classes = self.by_class(lead.method, lead.data)
        tops = {
            layer: {
                c.class_name: tuple(top)
                for c in classes
                if (top := c.top(layer.name, self.m_of(layer)))
            }
            for layer in self.layers
        }
        return [TopSets(y.name, y.neurons, own) for y, own in tops.items() if len(own) > 1]

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return {"schema": SCHEMA, "format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImportanceReport:
        """Rebuild from `to_json` data without `schema` and `format`.

        Raises:
            TypeError, KeyError, AttributeError: A field is missing or unknown.
        """
        found: ImportanceReport = rebuild(cls, data)
        return found
