"""What users pass as a batch, turned into one model call with labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from pytest_deepimportance.errors import BatchError
from pytest_deepimportance.formatting import an

ACCEPTED = """Accepted batches:
  tensor or array (N, ...)             model(x)
  (x, y) or (x, y, meta...)            model(x), y holds the labels
  dict, Mapping or BatchEncoding       model(**batch), its "labels" or "label" hold the labels
  list of tensors (images)             model([first, second, ...])
Labels are integers (N,) or (N, 1), or one-hot rows (N, C); others are not used and a
note says so."""

_LABEL_KEYS = ("labels", "label")
_IMAGE_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class ModelCall:
    """One call `model(*args, **kwargs)` for N input rows.

    Attributes:
        args, kwargs: Arguments. Tensors whose first dimension is N, and lists of N tensors, hold
            one row per input; anything else is shared by all rows.
        labels: True class of each row, (N,) int64, or None.
        rows: N.
        unused: What was given as labels and holds no classes ("a tensor (8,) float32"), or "".
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    labels: Tensor | None
    rows: int
    unused: str = ""

    def to(self, device: torch.device | str | None) -> ModelCall:
        """Return the call with every tensor on `device` (None: unchanged)."""
        if device is None:
            return self

        def move(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.to(device)
            if _is_tensor_list(value):
                return [item.to(device) for item in value]
            return value

        return self._map(move, self.rows)

    def split(self, size: int) -> Iterator[ModelCall]:
        """Yield slices (views) of at most `size` rows, in order; nothing for an empty call."""
        if 0 < self.rows <= size:
            yield self
            return
        for start in range(0, self.rows, size):
            yield self._slice(start, min(start + size, self.rows))

    def first_rows(self, count: int) -> ModelCall:
        """Return the first `count` rows (views), or all when there are fewer."""
        return self if count >= self.rows else self._slice(0, count)

    def select(self, index: Tensor) -> ModelCall:
        """Return the rows at `index` (int64, on the CPU), copied."""

        def pick(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value[index.to(value.device)] if _is_rows(value, self.rows) else value
            if is_row_list(value, self.rows):
                return [value[int(i)] for i in index]
            return value

        return self._map(pick, len(index))

    def _slice(self, start: int, stop: int) -> ModelCall:
        def cut(value: Any) -> Any:
            if _is_rows(value, self.rows) or is_row_list(value, self.rows):
                return value[start:stop]
            return value

        return self._map(cut, stop - start)

    def _map(self, function: Callable[[Any], Any], rows: int) -> ModelCall:
        return ModelCall(
            tuple(function(value) for value in self.args),
            {name: function(value) for name, value in self.kwargs.items()},
            None if self.labels is None else function(self.labels),
            rows,
            self.unused,
        )


def as_call(batch: Any) -> ModelCall:
    """Turn what a user passes as a batch into a model call.

    Args:
        batch: A tensor or array (N, ...); (x, y) or (x, y, meta...); a mapping; a list of tensors.
            A list `[x, y]`, as `DataLoader` yields, is read as a pair; a list of images (three
            dimensions, the first 1, 3 or 4) or of tensors of different length is one argument.

    Raises:
        BatchError: Another form; the message lists the accepted ones.
    """
    if isinstance(batch, ModelCall):
        return batch
    if isinstance(batch, PackedSequence):
        raise _refuse("a PackedSequence")
    if is_array(batch):
        return _call((as_tensor(batch),), {})
    if isinstance(batch, Mapping):
        return _from_mapping(batch)
    if isinstance(batch, list) and _is_one_argument(batch):
        return _call(([as_tensor(item) for item in batch],), {})
    if isinstance(batch, (tuple, list)) and batch:
        return _from_sequence(batch)
    raise _refuse(describe(batch))


def as_labels(value: Any, rows: int) -> Tensor | None:
    """Return class labels (N,) int64, or None where `value` is not unambiguously that.

    Accepted are integers or booleans (N,) or (N, 1), a list of Python integers, and one-hot rows
    (N, C), C >= 2: zeros and exactly one 1 in every row.

    Raises:
        BatchError: One-dimensional integer labels whose number is not `rows`.
    """
    if isinstance(value, (list, tuple)):
        if not value or not all(isinstance(item, (int, np.integer)) for item in value):
            return None
        value = torch.tensor([int(item) for item in value], device="cpu")
    if not is_array(value):
        return None
    labels = as_tensor(value).detach()
    integral = not (labels.is_floating_point() or labels.is_complex())
    if labels.dim() == 1 and integral:
        if len(labels) != rows:
            raise BatchError(
                f"the batch has {rows} inputs but {len(labels)} labels",
                "Each input needs its own label.",
                "Pass x and y with the same first dimension.",
            )
        return labels.long()
    if labels.dim() != 2 or len(labels) != rows:
        return None
    if labels.shape[1] == 1:
        return labels[:, 0].long() if integral else None
    return _from_one_hot(labels)


def is_array(value: Any) -> TypeGuard[Any]:
    """Whether `value` is a tensor or a numpy array."""
    return isinstance(value, (Tensor, np.ndarray))


def as_tensor(value: Any) -> Tensor:
    """Return a tensor that shares memory with a tensor or numpy array where that is possible.

    Raises:
        BatchError: The array's dtype has no tensor counterpart (object, text, dates).
    """
    if isinstance(value, Tensor):
        return value
    array = value
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    try:
        with warnings.catch_warnings():
            # Nothing here writes to inputs, so torch's warning about read-only arrays is moot.
            if not array.flags.writeable:
                warnings.simplefilter("ignore", UserWarning)
            return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        raise BatchError(
            f"an array of dtype {value.dtype} cannot become a tensor",
            "A model reads numbers.",
            "Convert it first, for example with array.astype('float32').",
        ) from error


def describe(value: Any) -> str:
    """Return a short phrase for `value`, such as "a list of 3 dicts" or "a tensor (8, 3) int64"."""
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} {value.dtype}"
    if isinstance(value, Mapping):
        return f"{an(type(value).__name__)} with keys {', '.join(map(str, list(value)[:8])) or '-'}"
    if isinstance(value, (list, tuple)):
        kinds = sorted({type(item).__name__ for item in value})
        inner = f"{kinds[0]}s" if len(kinds) == 1 else " and ".join(kinds[:3]) + " items"
        article = type(value).__name__
        return f"a {article} of {len(value)} {inner}" if value else f"an empty {article}"
    return "None" if value is None else an(type(value).__name__)


def _from_mapping(batch: Mapping[Any, Any], labels: Any = None) -> ModelCall:
    wrong = [key for key in batch if not isinstance(key, str)]
    if wrong:
        raise _refuse(f"a mapping with the key {wrong[0]!r}, which is no argument name")
    kwargs = {
        key: as_tensor(value) if isinstance(value, np.ndarray) else value
        for key, value in batch.items()
        if key not in _LABEL_KEYS
    }
    for key in _LABEL_KEYS:
        labels = batch.get(key) if labels is None else labels
    return _call((), kwargs, labels)


def _from_sequence(batch: tuple[Any, ...] | list[Any]) -> ModelCall:
    inputs, labels = batch[0], batch[1] if len(batch) > 1 else None
    if isinstance(labels, (int, np.integer)) or (is_array(labels) and labels.ndim == 0):
        raise BatchError(
            "the second element is a single number, so this looks like one item, not a batch",
            "Rows are counted along the first dimension.",
            "Pass x.unsqueeze(0), or put the items through a torch DataLoader.",
        )
    if is_array(inputs):
        return _call((as_tensor(inputs),), {}, labels)
    if isinstance(inputs, Mapping):
        return _from_mapping(inputs, labels)
    if isinstance(inputs, list) and inputs and all(is_array(item) for item in inputs):
        return _call(([as_tensor(item) for item in inputs],), {}, labels)
    raise _refuse(f"{describe(batch)} whose first element is {describe(inputs)}")


def _call(args: tuple[Any, ...], kwargs: dict[str, Any], labels: Any = None) -> ModelCall:
    for value in (*args, *kwargs.values()):
        if (isinstance(value, Tensor) and value.dim()) or _is_tensor_list(value):
            rows = len(value)
            known = as_labels(labels, rows)
            unused = describe(labels) if known is None and labels is not None else ""
            return ModelCall(args, kwargs, known, rows, unused)
    raise _refuse("a batch without any tensor that has a row dimension")


def _from_one_hot(labels: Tensor) -> Tensor | None:
    flat = labels.to(torch.float64) if not labels.is_complex() else None
    if flat is None or not bool(((flat == 0) | (flat == 1)).all() & (flat.sum(1) == 1).all()):
        return None
    return flat.argmax(1)


def _is_one_argument(batch: list[Any]) -> bool:
    """Whether a list is one argument (detection style) and not a pair as a DataLoader yields it."""
    if not all(is_array(item) for item in batch):
        return False
    if all(item.ndim == 3 and item.shape[0] in _IMAGE_CHANNELS for item in batch):
        return True
    integral = len(batch) > 1 and batch[1].ndim == 1 and not as_tensor(batch[1]).is_floating_point()
    lengths = {item.shape[0] if item.ndim else -1 for item in batch}
    return len(lengths) > 1 and -1 not in lengths and not integral


def _is_tensor_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Tensor) for item in value)


def _is_rows(value: Any, rows: int) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0 and len(value) == rows


def is_row_list(value: Any, rows: int) -> bool:
    """Whether `value` is a list of `rows` tensors, one per row."""
    return _is_tensor_list(value) and len(value) == rows


def _refuse(what: str) -> BatchError:
    return BatchError(
        f"this batch is not understood: {what}", "It must become one call of the model.", ACCEPTED
    )
