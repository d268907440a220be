"""Small passes are written down as they are, and measured together.

Operations on a few numbers cost by their count, not by their size: to hash one image and to average
one map costs as much as to do so for a hundred. So what a small pass holds is only copied; it is
hashed, reduced and classified with that of the passes around it, when it is first asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall, is_row_list
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.leaves import NO_COLUMNS, Columns, Form, Leaf, Part, Reading

PASS_ROWS = 32
"""Rows of a pass up to which it is written down; more are worth measuring by themselves."""

_PASS_BYTES = 1 << 18
"""Bytes of a pass up to which it is written down."""

_PAGE_BYTES = 1 << 23
_PAGE_ROWS = 256

_FORMS = 8
"""Forms that pages are kept for: sentences of every length would each have one."""

Inputs = tuple[tuple[str | int, Part], ...]
"""What a call holds for each row, by place or name of the argument."""


class Pages:
    """The pages of a recorder, one for each form of its passes.

    Args:
        reading: How rows are measured.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._pages: dict[Inputs, Page] = {}
        self._of_tensors: dict[Any, Page] = {}
        self._lock = threading.Lock()

    def open(self, call: ModelCall, inputs: Inputs) -> Spot | None:
        """Return where a pass is written, its inputs are already; None: measure it by itself."""
        page = self._pages.get(inputs)
        return None if page is None else page.open(call)

    def open_tensor(self, tensor: Any) -> Spot | None:
        """Return where a pass called with one tensor is written, its rows already; else None."""
        if not isinstance(tensor, Tensor):
            return None
        page = self._of_tensors.get((tensor.dtype, tensor.shape[1:]))
        return None if page is None else page.open_tensor(tensor)

    def lacks(self, inputs: Inputs) -> bool:
        """Whether a pass of these inputs would show a form that there is no page for yet."""
        return len(self._pages) < _FORMS and inputs not in self._pages

    def learn(
        self, inputs: Inputs, sites: Mapping[str, Part | None], scores: Part | None, rows: int
    ) -> None:
        """Make a page for passes like this one of so many rows, if such can be written down.

        Args:
            inputs: Of the pass, as all further arguments.
            sites: What each site held; None where that cannot be written down.
            scores: The class scores, or None.
        """
        known = {name: part for name, part in sites.items() if part is not None}
        # One precision, since one sheet will hold the values of all layers.
        if len(known) < len(sites) or len({part.dtype for part in known.values()}) != 1:
            return
        if any(self._reading.sites[name].row_axis != 0 for name in sites):
            return
        form = Form(dict(inputs), known, scores)
        with self._lock:
            if rows * form.row_bytes <= _PASS_BYTES and len(self._pages) < _FORMS:
                page = self._pages.setdefault(inputs, Page(form, self._reading))
                if len(inputs) == 1 and inputs[0][0] == 0:
                    part = inputs[0][1]
                    self._of_tensors[part.dtype, torch.Size(part.shape)] = page


class Page:
    """Room for the rows of passes of one form, one after another, then anew from the top.

    One pass at a time is written, so that the rows of each follow those of the pass before.

    Args:
        form: What a row consists of.
        reading: How it is measured.
    """

    def __init__(self, form: Form, reading: Reading) -> None:
        self.form = form
        self.reading = reading
        self._size = max(PASS_ROWS, min(_PAGE_ROWS, _PAGE_BYTES // max(1, form.row_bytes)))
        self._columns = NO_COLUMNS
        self._next = 0
        self._open = False
        self._leaf: Leaf | None = None
        self._lock = threading.RLock()

    def open(self, call: ModelCall) -> Spot | None:
        """Return where a pass is written; None where it is too large or another one is written."""
        given = {
            n: call.args[n] if isinstance(n, int) else call.kwargs[n] for n in self.form.inputs
        }
        return self._open_for(given, call.rows)

    def open_tensor(self, tensor: Tensor) -> Spot | None:
        """Return where a pass called with this one tensor is written; else None."""
        rows = tensor.shape[0] if tensor.dim() else 0
        return self._open_for({0: tensor}, rows)

    def _open_for(self, inputs: Mapping[str | int, Tensor], count: int) -> Spot | None:
        if not 0 < count <= PASS_ROWS or count * self.form.row_bytes > _PASS_BYTES:
            return None
        with self._lock:
            if self._open:
                return None
            if self._columns is NO_COLUMNS:
                self._columns = self.form.columns(self._size)
            if self._next + count > self._size:
                if self._leaf is not None:
                    self._leaf.rows()
                self._next = 0
            rows = slice(self._next, self._next + count)
            for name, tensor in inputs.items():
                if not self._columns.inputs[name].write(tensor, rows):
                    return None
            self._open, self._next = True, rows.stop
            return Spot(self, self._columns, rows)

    def close(self) -> None:
        """Let the next pass be written."""
        self._open = False

    def discard(self) -> None:
        """Take other memory: a pass that was given up may still write to this."""
        with self._lock:
            self._columns, self._leaf, self._next, self._open = NO_COLUMNS, None, 0, False

    def commit(self, spot: Spot) -> tuple[Leaf, slice]:
        """Return the leaf that the newest pass belongs to, and where its rows stand in it."""
        rows = spot.rows
        with self._lock:
            leaf = self._leaf
            if leaf is None or leaf.settled or spot.columns is not leaf.columns:
                leaf = Leaf(self.form, spot.columns, self.reading, self._lock, rows.start)
            if spot.columns is self._columns:
                self._leaf = leaf
            leaf.stop = rows.stop
            return leaf, slice(rows.start - leaf.start, rows.stop - leaf.start)


class Spot:
    """Where one pass is written.

    Attributes:
        page: On which.
        rows: Its lines.
        count: Number of them.
        columns: The page's.
        sites: Layers whose site was written.
        scored: Whether class scores were.
    """

    def __init__(self, page: Page, columns: Columns, rows: slice) -> None:
        self.page = page
        self.rows = rows
        self.columns = columns
        self.sites: list[str] = []
        self.scored = False
        self.count: int = rows.stop - rows.start

    @property
    def complete(self) -> bool:
        """Whether everything was written that passes of the form have."""
        form = self.page.form
        return len(self.sites) == len(form.sites) and self.scored == (form.scores is not None)

    def take(self, site: Site, tensor: Any) -> bool:
        """Write what a site holds; False where the form says otherwise."""
        column = self.columns.sites.get(site.name)
        if column is None or not column.write(tensor, self.rows):
            return False
        self.sites.append(site.name)
        return True

    def take_scores(self, scores: Any) -> bool:
        """Write the class scores; False where the form says otherwise."""
        column = self.columns.scores
        if column is None or not column.write(scores, self.rows):
            return False
        self.scored = True
        return True


def inputs_of(call: ModelCall) -> Inputs | None:
    """Return what a call holds for each row; None where it cannot be written down row by row."""
    if not 0 < call.rows <= PASS_ROWS or padding_mask(call) is not None:
        return None
    found: list[tuple[str | int, Part]] = []
    given: list[tuple[str | int, Any]] = [*enumerate(call.args), *call.kwargs.items()]
    for name, value in given:
        if is_row_list(value, call.rows):
            return None
        if isinstance(value, Tensor) and value.dim():
            part = Part.of(value) if len(value) == call.rows else None
            if part is None:
                return None
            found.append((name, part))
    return tuple(found)
