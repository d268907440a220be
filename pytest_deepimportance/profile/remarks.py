"""What a profile says of itself: labels, accuracy, rows left out, relevance not conserved."""

from __future__ import annotations

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.outcome import LARGEST_IMBALANCE
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.formatting import listed
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.settings import Settings

POORLY_CLASSIFIED = 0.5
"""Below this accuracy on its own reference something is more likely wrong than learned badly."""


def remarks(found: Accumulated, settings: Settings, importance: Importance) -> list[str]:
    """Return the sentences that limit what the profile says."""
    notes = []
    if settings.layer is not None and settings.scope != "layer":
        notes.append(f"layer {settings.layer} is not singled out: the scope is {settings.scope}")
    if settings.correct == "only" and not found.labelled and found.spools:
        notes.append(
            "the reference has no class labels: importance and clusters are fitted on all of its "
            "inputs"
        )
    unlabelled = int((found.labels == UNKNOWN).sum())
    if settings.correct == "only" and found.labelled and unlabelled and found.spools:
        notes.append(
            f"{unlabelled} reference inputs have no label: they count, but importance and "
            "clusters are not fitted on them"
        )
    labelled = len(found.labels) - unlabelled
    scored = bool((found.predictions != UNKNOWN).any())
    if settings.correct == "only" and found.spools and found.labelled and not scored:
        notes.append(
            "the model gives no class scores: importance and clusters are fitted on all "
            "reference inputs"
        )
    correct = int((found.labels == found.predictions).sum())
    if found.labelled and scored and correct < POORLY_CLASSIFIED * labelled:
        notes.append(
            f"only {correct:,} of {labelled:,} labelled reference inputs are classified correctly: "
            "check that scale, order of classes and labels fit the model"
        )
    if found.non_finite:
        notes.append(f"{found.non_finite} reference inputs left out: NaN or infinity in them")
    if settings.no_samples:
        notes.append("the leak check drops out: idc_no_samples keeps no hash of reference inputs")
    silent = [name for name, scores in importance.scores.items() if not scores.any()]
    if silent and importance.rows:
        notes.append(
            f"no relevance reaches {listed(silent, 4)}: which of the neurons there are important "
            "is arbitrary (LRP takes the weights of attention, and with them queries and keys, as "
            "constants)"
        )
    balance = importance.balance
    if balance is not None and balance > LARGEST_IMBALANCE:
        notes.append(
            f"relevance is not conserved: {100 * balance:.2g} % of the target is unaccounted for, "
            "so the choice of important neurons may be off"
        )
    return notes
