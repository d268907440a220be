"""Layer-wise relevance propagation of all layers in one forward and one backward pass.

Relevance is activation x modified gradient (DESIGN D6): under a function mode each torch function
gets a gradient that carries relevance, so residual adds, concatenation, reused modules and
functional calls need no special case. Rules: Bach et al. 2015, equations 56 (z) and 58 (epsilon).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import AttributionBatch, Conservation
from pytest_deepimportance.attribution.lrp import checks
from pytest_deepimportance.attribution.lrp.ledger import Ledger, conservation
from pytest_deepimportance.attribution.lrp.mode import RelevanceMode
from pytest_deepimportance.attribution.lrp.passing import Pass, copied
from pytest_deepimportance.attribution.lrp.running import device_of, run_model, undisturbed
from pytest_deepimportance.attribution.lrp.target import (
    chosen_classes,
    parse_target,
    refuse_output,
)
from pytest_deepimportance.attribution.lrp.watch import Watch
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch, LayerValues
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.recording.reader import SiteReader

RULES = ("epsilon", "z")


@dataclass
class _Forward:
    """One forward pass under the engine: class scores, and what relevance starts from."""

    run: Pass
    watch: Watch
    scores: Tensor
    start_scores: Tensor


class LrpAttribution:
    """LRP of a model's layers.

    Args:
        model: Any eager module; it is neither patched nor changed.
        sites: Where its layers are read.
        layers: Names of the layers whose relevance is wanted.
        also: Names of further layers, whose activations are read only.
        rule: "epsilon", or "z" (epsilon 0) for linear operations.
        epsilon: Absolute stabiliser, added to z with its sign, sign(0) = +1.
        target: "predicted", "label" or a class index.
        tap: "post" or "pre", as for recording.
        reduce: How positions of a neuron become one activation; relevance is summed over them
            ("none": neither).
        output: Callable that turns the model's output into class scores.
        check_forward: Compare the first batch's scores with those of the bare forward pass.
        conserve_every: Keep accounts on the first and every so many batches; in between, the
            backward pass ends at the earliest layer asked for. 0: never.

    Raises:
        LayerError: A layer does not exist.
        AttributionError: The rule or the target is unknown, epsilon is negative.
    """

    name = "lrp"

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        layers: Sequence[str],
        *,
        rule: str = "epsilon",
        epsilon: float = 1e-6,
        target: str | int = "predicted",
        tap: str = "post",
        reduce: str = "mean",
        output: Callable[[Any], Any] | None = None,
        check_forward: bool = True,
        conserve_every: int = 1,
        also: Sequence[str] = (),
    ) -> None:
        if rule not in RULES or not epsilon >= 0:
            raise AttributionError(
                f"LRP rule {rule!r} with epsilon {epsilon!r} is not known",
                fix=f"Rules: {', '.join(RULES)}; epsilon is a number from 0 upwards.",
            )
        self.rule, self.epsilon = rule, float(epsilon) if rule == "epsilon" else 0.0
        self.target = parse_target(target)
        self._model, self.sites = model, sites
        if not layers:
            raise AttributionError(
                "no layer is asked for",
                fix="deepimportance layers MODEL lists the layers that can be measured.",
            )
        self._wanted = [sites.find(layer) for layer in layers]
        self._also = [s for s in map(sites.find, also) if s not in self._wanted]
        self._tap, self._reduce, self._output = tap, reduce, output
        self._check, self._conserve_every = check_forward, conserve_every
        self._batches = 0
        self._keeps_mutated = False
        self._notes: dict[str, None] = {}
        self._places: dict[tuple[str, str], dict[str, None]] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the report must say, gathered over the batches so far."""
        return (*self._notes, *_sentences(self._places))

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch; memory grows with its rows (`memory.micro_batch`).

        Raises:
            AttributionError: The output is no class score, the target cannot be chosen, no path
                leads back from it, the forward differs from the bare one, or relevance is not
                finite although activations are.
        """
        if call.rows == 0:
            raise AttributionError("the batch is empty: there is no input to attribute")
        with undisturbed(self._model):
            if self._check and self._batches == 0:
                checks.check_forward(self, call)
            conserve = self._conserve_every > 0 and self._batches % self._conserve_every == 0
            batch = self._attribute(call, conserve)
        self._batches += 1
        return batch

    def forward(self, call: ModelCall, *, conserve: bool, every_site: bool = False) -> _Forward:
        """Run the model once under the engine."""
        model = self._model
        device = device_of(model, call)
        # Last states leave a recurrent layer beside its output, so the graph must begin before it.
        conserve = conserve or any(site.reading.item is not None for site in self._wanted)
        rows_first = all(site.row_axis == 0 for site in self.sites.sites)
        ledger = Ledger(call.rows, device, rows_first=rows_first) if conserve else None
        run = Pass(model, device, self.epsilon, ledger)
        mode = RelevanceMode(run)
        watch = Watch(run, mode, self._reduce, padding_mask(call))
        wanted = self.sites.sites if every_site else (*self._wanted, *self._also)
        if not every_site:
            watch.read_only = frozenset(site.name for site in self._also)
        reader = SiteReader(model, wanted, watch.on_site, tap=self._tap, in_graph=True)
        begun = dataclasses.replace(call, args=run.begin(call.args), kwargs=run.begin(call.kwargs))
        reader.attach()
        try:
            with mode:
                reader.begin()
                try:
                    output = run_model(model, begun)
                finally:
                    reader.end()
                scores = class_scores(output, self._output)
        finally:
            reader.detach()
        if scores is None or len(scores) != call.rows:
            raise refuse_output(output)
        return _Forward(run, watch, scores, self._before_activation(run, scores))

    def _before_activation(self, run: Pass, scores: Tensor) -> Tensor:
        """Return the scores that a final softmax or sigmoid was given, else the scores."""
        if run.final is not None:
            name, given, result = run.final
            if result.data_ptr() == scores.data_ptr() and result.numel() == scores.numel():
                self._note(f"the model ends in {name}: relevance starts from what it is given")
                return given.reshape(scores.shape)
        if self.sites.output_activation is not None:
            self._note(
                f"the model seems to end in {self.sites.output_activation}, but not on the way to "
                "the class scores: relevance starts from the scores as they are"
            )
        return scores

    def _attribute(self, call: ModelCall, conserve: bool) -> AttributionBatch:
        if not self._keeps_mutated:
            try:
                return self._pass(call, conserve)
            except RuntimeError as error:
                if "modified by an inplace operation" not in str(error):
                    raise
                # Fine in a forward pass, refused by autograd: torch can copy what is overwritten.
                self._keeps_mutated = True
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            return self._pass(call, conserve)

    def _pass(self, call: ModelCall, conserve: bool) -> AttributionBatch:
        forward = self.forward(call, conserve=conserve)
        classes = chosen_classes(self.target, forward.scores, call)
        target = forward.start_scores.gather(1, classes[:, None])[:, 0]
        if not target.requires_grad:
            raise checks.no_path(self._model, _sentences(forward.run.notes))
        torch.autograd.grad(target.sum(), forward.run.root, allow_unused=True)
        for key, places in forward.run.notes.items():
            self._places.setdefault(key, {}).update(places)
        return self._collect(call, forward, target.detach())

    def _collect(self, call: ModelCall, forward: _Forward, target: Tensor) -> AttributionBatch:
        watch, ledger = forward.watch, forward.run.ledger
        names = [site.name for site in self._wanted]
        checks.check_visited(names, watch.values, call.rows)
        relevance = {
            name: watch.relevance.get(name, torch.zeros_like(watch.values[name].values))
            for name in names
        }
        usable = torch.isfinite(target)
        extra = [s.name for s in self._also if s.name in watch.values]
        read = [*names, *(n for n in extra if len(watch.values[n].values) == call.rows)]
        for name in read:
            usable &= watch.values[name].finite()
        finite = torch.stack([torch.isfinite(relevance[name]).all(1) for name in names])
        accounts = torch.empty(0, call.rows) if ledger is None else ledger.table(target)
        # One transfer: a device is waited for once a batch.
        columns = (forward.scores.detach().argmax(1)[None], usable[None], finite, accounts)
        table = torch.cat([part.to(accounts.dtype).to(target.device) for part in columns]).cpu()
        rows = table[1] > 0
        checks.check_finite(
            f"{self.name} ({self.rule})", relevance, table[2 : 2 + len(names)] > 0, rows
        )
        if not bool(rows.all()):
            off = ~rows.to(target.device)[:, None]
            relevance = {name: r.masked_fill(off, 0.0) for name, r in relevance.items()}
        kept = Conservation()
        if ledger is not None:
            kept = conservation(table[2 + len(names) :], rows)
        activations = ActivationBatch(
            layers={name: watch.values[name] for name in read},
            digests=row_digests(call),
            predictions=table[0].numpy().astype(np.int64),
            labels=_labels(call),
        )
        return AttributionBatch(activations, relevance, kept)

    def bare_scores(self, call: ModelCall) -> Tensor | None:
        """Return the class scores of the bare forward pass."""
        with torch.no_grad():
            return class_scores(run_model(self._model, _copied(call)), self._output)

    def bare_values(self, call: ModelCall) -> dict[str, LayerValues]:
        """Return the activations of every site in the bare forward pass."""
        return checks.site_values(self._model, self.sites.sites, self._tap, _copied(call))

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = None


def _sentences(notes: Mapping[tuple[str, str], Mapping[str, None]]) -> list[str]:
    """Return one sentence for each function and what happened at it, with its places."""
    sentences = []
    for (function, what), places in notes.items():
        more = f" and {len(places) - 1} more places" if len(places) > 1 else ""
        sentences.append(f"{function} in {next(iter(places))}{more} {what}")
    return sentences


def _copied(call: ModelCall) -> ModelCall:
    """Return the call with its tensors copied: a forward may write into its inputs."""
    return dataclasses.replace(call, args=copied(call.args), kwargs=copied(call.kwargs))


def _labels(call: ModelCall) -> np.ndarray[Any, np.dtype[np.int64]]:
    if call.labels is None:
        return np.full(call.rows, UNKNOWN, dtype=np.int64)
    return call.labels.detach().cpu().numpy().astype(np.int64)
