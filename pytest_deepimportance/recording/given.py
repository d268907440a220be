"""What a pass was given: its rows, found out before the model runs, for it may change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.padding import named_arguments, padding_mask
from pytest_deepimportance.data.thumbnails import Thumbnails, thumbnails
from pytest_deepimportance.recording.captured import captured_call
from pytest_deepimportance.recording.measure import Measure
from pytest_deepimportance.recording.neurons import is_plain
from pytest_deepimportance.recording.pages import PASS_ROWS, Inputs, Spot, inputs_of
from pytest_deepimportance.recording.strips import Strip


class Given:
    """The inputs of a pass; no tensor of the user's.

    Attributes:
        rows: Number of rows, N.
        spot: Where a small pass is written, its inputs are already.
        lesson: What its inputs consist of, where passes like it shall have a page from now on.
        strip: Where a large pass puts its layers.
        digests: Content hash of each row, (N,); None where that is found out from the page.
        mask: Which tokens are real, (N, T), or None.
        labels: True classes that came with the call, (N,), or None.
        thumbnails: The rows as small images, or None.
    """

    rows = 0
    spot: Spot | None = None
    lesson: Inputs | None = None
    strip: Strip | None = None
    digests: NDArray[np.uint64] | None = None
    mask: Tensor | None = None
    labels: NDArray[np.int64] | None = None
    thumbnails: Thumbnails | None = None


NOTHING = Given()
"""Of a pass whose inputs were not looked at."""


def given_by(
    forward: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], measure: Measure
) -> Given:
    """Return what a call of `forward` was given.

    Raises:
        BatchError: There is no tensor whose first dimension could be the rows.
    """
    if len(args) == 1 and not kwargs and not measure.images:
        found = _of_tensor(args[0], measure)
        if found is not None:
            return found
    return _of_call(captured_call(*named_arguments(forward, args, kwargs)), measure)


def _of_tensor(tensor: Any, measure: Measure) -> Given | None:
    """Return what a call with one tensor was given; None where that takes a closer look.

    The same as `_of_call`, without asking for what such a call cannot hold.
    """
    given = Given()
    given.spot = measure.pages.open_tensor(tensor)
    if given.spot is not None:
        given.rows = given.spot.count
        return given
    if not (is_plain(tensor) and tensor.dim()):
        return None
    given.rows = tensor.shape[0]
    if given.rows <= PASS_ROWS:  # it may have a lesson to teach
        return None
    given.digests = row_digests(ModelCall((tensor.detach(),), {}, None, given.rows))
    given.strip = measure.strips.open(given.rows)
    return given


def _of_call(call: ModelCall, measure: Measure) -> Given:
    given = Given()
    given.rows, inputs = call.rows, inputs_of(call)
    if call.labels is not None:
        given.labels = call.labels.cpu().numpy().astype(np.int64)
    if measure.images:
        with torch.inference_mode(False), torch.no_grad():
            given.thumbnails = thumbnails(call)
    if inputs is not None:
        given.lesson = inputs if measure.pages.lacks(inputs) else None
        given.spot = measure.pages.open(call, inputs)  # last: who opens it must close it
    if given.spot is None:
        with torch.inference_mode(False), torch.no_grad():
            given.digests = row_digests(call)
            given.mask = padding_mask(call)
        if inputs is None and given.mask is None:
            given.strip = measure.strips.open(call.rows)
    return given
