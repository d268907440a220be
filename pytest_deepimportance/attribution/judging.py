"""What the model loses on each input, whole or with neurons removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_deepimportance.attribution.ballots import Electorate, Values
from pytest_deepimportance.attribution.pruning import Loss, Pruner, cross_entropy
from pytest_deepimportance.attribution.target import refuse_output, target_values
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall, describe
from pytest_deepimportance.data.outputs import check_labels, class_scores
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sitemap import SiteMap


@dataclass(frozen=True)
class Judged:
    """One pass over a batch.

    Attributes:
        classes: What the scores are compared with, (N,); None with a loss of the user's own.
        losses: (N,).
        positions: Positions of each neuron, (N, T), or ones (N, 1) where they are not asked for.
        predicted: Predicted class, (N,); None with a loss of the user's own.
    """

    classes: Tensor | None
    losses: NDArray[np.float64]
    positions: Values
    predicted: Tensor | None = None


class Judge:
    """Runs a batch in parts and returns the loss of each row.

    Args:
        output: Callable that turns the model's output into class scores.
        loss: Instead of cross-entropy.
        target: Callable from the model's output to one number a row: where the output is no class
            score, the loss is how far that number falls.
        count_positions: Whether the first pass counts the positions of neurons.

    Attributes:
        part: Rows that are computed at once.
        name: Of the loss.
    """

    part = 1024

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        electorate: Electorate,
        *,
        tap: str = "post",
        output: Callable[[Any], Any] | None = None,
        loss: Loss | None = None,
        target: Callable[[Any], Any] | None = None,
        count_positions: bool = False,
    ) -> None:
        self._electorate, self._output, self._loss = electorate, output, loss
        self._target = target
        self._pruner = Pruner(model, sites, list(electorate.widths), tap=tap)
        self._ends_in, self._count = sites.output_activation, count_positions
        self.name = "cross-entropy" if loss is None else getattr(loss, "__name__", "own loss")

    def judge(
        self,
        call: ModelCall,
        removed: NDArray[np.bool_] | None = None,
        before: Judged | None = None,
    ) -> Judged:
        """Return what the model loses on each row.

        Args:
            removed: Neurons to remove, (N, T); None in the first pass.
            before: The first pass, whose predictions stand in for missing labels.

        Raises:
            AttributionError: The output is no class score, labels are no classes of the model.
        """
        parts, start = [], 0
        for part in call.split(self.part):
            rows = slice(start, start + part.rows)
            start += part.rows
            masks = {} if removed is None else self._masks(removed[rows])
            output = self._pruner.run(part, masks, count_positions=self._count and before is None)
            known = None if before is None or before.classes is None else before.classes[rows]
            parts.append(self._judged(output, part, known))
        return _joined(parts)

    def _masks(self, removed: NDArray[np.bool_]) -> dict[str, Tensor]:
        spans = self._electorate.spans.items()
        return {n: torch.from_numpy(removed[:, s]) for n, s in spans if removed[:, s].any()}

    def _judged(self, output: Any, call: ModelCall, classes: Tensor | None) -> Judged:
        positions = self._positions(call.rows)
        if self._loss is not None:
            return Judged(None, _own(self._loss, output, call), positions)
        scores = class_scores(output, self._output)
        if (scores is None or len(scores) != call.rows) and self._target is not None:
            self.name = "fall of the target"
            values = target_values(self._target, output, call.rows)
            return Judged(None, -values.detach().double().cpu().numpy(), positions)
        if scores is None or len(scores) != call.rows:
            refused = refuse_output(output)
            raise AttributionError(
                refused.what, refused.why, f"{refused.fix} Or give loss=callable."
            )
        predicted = scores.argmax(1)
        classes = _classes(predicted, call, scores.shape[1]) if classes is None else classes
        rows = cross_entropy(scores, classes, self._ends_in)
        return Judged(classes, rows.detach().cpu().numpy(), positions, predicted)

    def _positions(self, rows: int) -> Values:
        counted = self._pruner.positions
        if not counted:
            return np.ones((rows, 1))
        columns = [
            counted[name].cpu().numpy() if name in counted else np.ones((rows, width))
            for name, width in self._electorate.widths.items()
        ]
        return np.maximum(np.concatenate(columns, axis=1).astype(np.float64), 1.0)


def _own(loss: Loss, output: Any, call: ModelCall) -> NDArray[np.float64]:
    found = loss(output, call.labels)
    if not isinstance(found, Tensor) or found.shape != (call.rows,):
        raise AttributionError(
            f"the loss returned {describe(found)} for {call.rows} inputs",
            "Inputs are judged one by one.",
            "Return one number for each input, (N,).",
        )
    return found.detach().double().cpu().numpy()


def _classes(predicted: Tensor, call: ModelCall, count: int) -> Tensor:
    """Return the true class of each row, the predicted one where there is no label."""
    if call.labels is None:
        return predicted
    labels = call.labels.to(predicted.device)
    check_labels(
        labels, count, AttributionError, "The loss compares each input's scores with its label."
    )
    return torch.where(labels == UNKNOWN, predicted, labels)


def _joined(parts: Sequence[Judged]) -> Judged:
    known = [part.classes for part in parts if part.classes is not None]
    predicted = [part.predicted for part in parts if part.predicted is not None]
    return Judged(
        torch.cat(known) if known else None,
        np.concatenate([part.losses for part in parts]),
        np.concatenate([part.positions for part in parts]),
        torch.cat(predicted) if predicted else None,
    )
