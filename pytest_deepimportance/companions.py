"""What stands beside a suite's coverage, as plain frozen data: confidence, leaks, slices.

None of these is coverage: they say what the suite's inputs look like to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_deepimportance.measurements import CriterionRow


@dataclass(frozen=True)
class Companions:
    """How sure and how varied the model's predictions on a suite are.

    Attributes:
        inputs: Distinct inputs with a predicted class.
        classes: Classes the model scores (k), 0 when not known.
        predicted_classes: How many of them are predicted for some input.
        impartiality: Output impartiality: Pielou evenness H / ln k of the predicted classes
            (Harel-Canada et al., FSE 2020); None without a prediction or with one class.
        confident_inputs: Distinct inputs that the three means below are over.
        max_softmax: Mean of the largest probability.
        entropy: Mean entropy of the probabilities, in nats.
        entropy_normalised: The same divided by ln k, from 0 to 1.
        gini: Mean Gini impurity 1 - sum p**2 (DeepGini, Feng et al., ISSTA 2020).
        left_out: Why the means are None, or empty.
    """

    inputs: int
    classes: int
    predicted_classes: int
    impartiality: float | None = None
    confident_inputs: int = 0
    max_softmax: float | None = None
    entropy: float | None = None
    entropy_normalised: float | None = None
    gini: float | None = None
    left_out: str = ""


@dataclass(frozen=True)
class RarityRow:
    """The labelled inputs whose combination occurs so often in the reference.

    Attributes:
        least, most: Bounds of the number of reference rows, both included; None: no upper bound.
        inputs: Distinct labelled inputs.
        errors: Of these, predicted wrong.
    """

    least: int
    most: int | None
    inputs: int
    errors: int

    @property
    def error_rate(self) -> float | None:
        """Errors divided by inputs, None without inputs."""
        return self.errors / self.inputs if self.inputs else None


@dataclass(frozen=True)
class ThinIce:
    """Errors by how rare the behaviour is, beside what plain low confidence finds.

    Attributes:
        rows: From combinations the reference never shows to the most frequent ones.
        inputs, errors: Distinct labelled inputs, and how many are predicted wrong.
        rare_inputs, rare_errors: Those whose combination has under `rare_below` reference rows.
        unsure_errors: Errors among as many inputs of the lowest largest probability (ties in the
            order of their digests); None where the model's confidence is not known.
    """

    rows: tuple[RarityRow, ...]
    inputs: int
    errors: int
    rare_below: int
    rare_inputs: int
    rare_errors: int
    unsure_errors: int | None


@dataclass(frozen=True)
class Leaks:
    """Test inputs that are in the reference too, byte for byte as the model gets them.

    Attributes:
        inputs, rows: Distinct inputs among them, and recorded rows.
        checked: Distinct reference inputs that were compared with.
        criteria: The suite's rows by key without these inputs; empty where there are none.
    """

    inputs: int
    rows: int
    checked: int
    criteria: Mapping[str, CriterionRow] = field(default_factory=dict)


@dataclass(frozen=True)
class SliceRow:
    """One slice of a suite, or what two slices have in common.

    Attributes:
        tags: Name and value of the slice; two of them for a pair.
        inputs: Distinct inputs.
        labelled, correct: Of these, with a label, and predicted right.
        covered, total: Combinations they cover, and all there are; None without IDC over all
            classes.
        exercised_rows, reference_rows: Reference rows that show one of these combinations, and all.
    """

    tags: Mapping[str, str]
    inputs: int
    labelled: int
    correct: int
    covered: int | None = None
    total: int | None = None
    exercised_rows: int | None = None
    reference_rows: int | None = None

    @property
    def accuracy(self) -> float | None:
        """Correct divided by labelled, None without labels."""
        return self.correct / self.labelled if self.labelled else None

    @property
    def share(self) -> float | None:
        """Share of the reference rows whose combination the slice exercises."""
        if self.exercised_rows is None or not self.reference_rows:
            return None
        return self.exercised_rows / self.reference_rows
