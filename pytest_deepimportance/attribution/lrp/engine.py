"""Layer-wise relevance propagation of all layers in one forward and one backward pass.

Relevance is activation x modified gradient (DESIGN D6): under a function mode each torch function
gets a gradient that carries relevance, so residual adds, concatenation, reused modules and
functional calls need no special case. Rules: `linear_rules`; z and epsilon are equations 56
and 58 of Bach et al. 2015.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import AttributionBatch
from pytest_deepimportance.attribution.lrp import checks
from pytest_deepimportance.attribution.lrp.choice import RuleChoice, Rules
from pytest_deepimportance.attribution.lrp.collecting import Forward, collected
from pytest_deepimportance.attribution.lrp.inputs import Inputs
from pytest_deepimportance.attribution.lrp.ledger import Ledger
from pytest_deepimportance.attribution.lrp.linear_rules import Numbers, bound
from pytest_deepimportance.attribution.lrp.mode import RelevanceMode
from pytest_deepimportance.attribution.lrp.passing import Pass
from pytest_deepimportance.attribution.lrp.running import (
    copies_kept,
    device_of,
    is_overwritten,
    run_model,
    undisturbed,
)
from pytest_deepimportance.attribution.lrp.watch import Watch
from pytest_deepimportance.attribution.target import (
    Target,
    chosen_classes,
    parse_target,
    refuse_output,
    target_values,
)
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.errors import AttributionError, ForwardError
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.recording.reader import SiteReader

_Result = TypeVar("_Result")


class LrpAttribution:
    """LRP of a model's layers.

    Args:
        model: Any eager module; it is neither patched nor changed.
        sites: Where its layers are read.
        layers: Names of the layers whose relevance is wanted.
        also: Names of further layers, whose activations are read only.
        rule: Rule of linear operations, or a composite (`relevance_rules.CHOICES`).
        epsilon: Absolute stabiliser, added to z with its sign, sign(0) = +1; the z rule has none.
        gamma, alpha: Of the rules named so; beta is alpha - 1.
        low, high: Bounds of the model's input for the z-box rule: a number, or one a channel.
        rules: Rules by module type, module name or operation name (docs/lrp.md).
        target: "predicted", "label", a class index, or a callable on the model's output.
        tap: "post" or "pre", as for recording.
        reduce: How positions of a neuron become one activation; relevance is summed over them
            ("none": neither).
        output: Callable that turns the model's output into class scores.
        check_forward: Compare the first batch's scores with those of the bare forward pass.
        conserve_every: Keep accounts on the first and every so many batches; in between, the
            backward pass ends at the earliest layer asked for. 0: never.

    Raises:
        LayerError: A layer does not exist.
        AttributionError: A rule or the target is unknown, or a number cannot be used.
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
        gamma: float = 0.25,
        alpha: float = 2.0,
        low: float | Sequence[float] | None = None,
        high: float | Sequence[float] | None = None,
        rules: Rules | None = None,
        target: Target = "predicted",
        tap: str = "post",
        reduce: str = "mean",
        output: Callable[[Any], Any] | None = None,
        check_forward: bool = True,
        conserve_every: int = 1,
        also: Sequence[str] = (),
    ) -> None:
        numbers = Numbers(float(epsilon), float(gamma), float(alpha), bound(low), bound(high))
        self._choice = RuleChoice(model, rule, numbers, rules)
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
        self._begins_at_inputs = False
        self._notes: dict[str, None] = {}
        self._places: dict[tuple[str, str], dict[str, None]] = {}

    @property
    def rule(self) -> str:
        """The rules in use with their numbers, for the report."""
        return self._choice.label

    @property
    def notes(self) -> tuple[str, ...]:
        """What the report must say, gathered over the batches so far."""
        unused = self._choice.unused if self._batches else ()
        return (
            *self._notes,
            *checks.sentences(self._places),
            *checks.scripted(self._model),
            *(f"no linear operation asked for the rule of {key}" for key in unused),
        )

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch; memory grows with its rows (`memory.micro_batch`).

        Raises:
            AttributionError: The output is no class score, the target cannot be chosen, no path
                leads back from it, the forward differs from the bare one, or relevance is not
                finite although activations are.
        """
        checks.refuse_empty(call)
        with undisturbed(self._model):
            if self._check and self._batches == 0:
                checks.check_forward(self, call)
            conserve = self._conserve_every > 0 and self._batches % self._conserve_every == 0
            batch = self._retried(lambda: self._pass(call, conserve))
        self._batches += 1
        return batch

    def attribute_inputs(self, call: ModelCall) -> tuple[Tensor, ...]:
        """Return the relevance of everything that the model was given, for a heat map.

        Returns:
            One tensor for each tensor of the call, positional ones first, shaped like it: each
            value's part of its row's target. Token ids get the sum over their embedding. Zeros
            where no relevance arrives (masks) and in rows that are not finite.

        Raises:
            AttributionError: As `attribute`, or no relevance arrives at any input.
        """
        checks.refuse_empty(call)
        with undisturbed(self._model):
            if self._check and self._batches == 0:
                checks.check_forward(self, call)
            forward, target = self._retried(
                lambda: self._propagate(call, conserve=True, inputs=Inputs(wanted=True))
            )
        if not forward.run.inputs.reached:
            raise checks.no_path(self._model, call, forward.run.notes, "to an input")
        relevance = forward.run.inputs.relevance()
        return checks.finite_inputs(f"{self.name} ({self.rule})", relevance, target)

    def forward(
        self,
        call: ModelCall,
        *,
        conserve: bool,
        every_site: bool = False,
        inputs: Inputs | None = None,
    ) -> Forward:
        """Run the model once under the engine."""
        model = self._model
        device = device_of(model, call)
        # Last states leave a recurrent layer beside its output, so the graph must begin before it.
        conserve = conserve or any(site.reading.item is not None for site in self._wanted)
        conserve = conserve or self._begins_at_inputs
        rows_first = all(site.row_axis == 0 for site in self.sites.sites)
        ledger = Ledger(call.rows, device, rows_first=rows_first) if conserve else None
        run = Pass(model, device, self._choice, ledger, inputs=inputs)
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
                if scores is not None:
                    scores = run.straight.way(scores)
                given = (
                    target_values(self.target, output, call.rows) if callable(self.target) else None
                )
        finally:
            reader.detach()
            run.end_forward()
        if run.straight.used and not conserve:
            # A function for autograd drops a graph that begins within it.
            self._begins_at_inputs = True
            return self.forward(call, conserve=True, every_site=every_site)
        if scores is not None and len(scores) != call.rows:
            scores = None
        if given is not None:
            return Forward(run, watch, given[:, None] if scores is None else scores, given)
        if scores is None:
            raise refuse_output(output)
        return self._started(call, run, watch, scores)

    def _started(self, call: ModelCall, run: Pass, watch: Watch, scores: Tensor) -> Forward:
        assert not callable(self.target)
        classes = chosen_classes(self.target, scores, call)[:, None]
        start = self._before_activation(run, scores)
        run.final = None  # part of the graph, whose hooks lead to the run
        return Forward(run, watch, scores, start.gather(1, classes)[:, 0])

    def _before_activation(self, run: Pass, scores: Tensor) -> Tensor:
        """Return the scores that a final softmax or sigmoid was given, else the scores."""
        if run.final is not None:
            name, given, result = run.final
            if result.data_ptr() == scores.data_ptr() and result.numel() == scores.numel():
                self._notes.setdefault(
                    f"the model ends in {name}: relevance starts from what it is given"
                )
                return given.reshape(scores.shape)
        if self.sites.output_activation is not None:
            self._notes.setdefault(
                f"the model seems to end in {self.sites.output_activation}, but not on the way to "
                "the class scores: relevance starts from the scores as they are"
            )
        return scores

    def _retried(self, propagate: Callable[[], _Result]) -> _Result:
        if not self._keeps_mutated:
            try:
                return propagate()
            except (RuntimeError, ForwardError) as error:
                if not is_overwritten(error):
                    raise
                # Fine in a forward pass, refused by autograd: what it keeps is copied from now on.
                self._keeps_mutated = True
        with copies_kept(self._model):
            return propagate()

    def _pass(self, call: ModelCall, conserve: bool) -> AttributionBatch:
        forward, target = self._propagate(call, conserve=conserve)
        return collected(
            call,
            forward,
            target,
            names=[site.name for site in self._wanted],
            also=[site.name for site in self._also],
            method=f"{self.name} ({self.rule})",
        )

    def _propagate(
        self, call: ModelCall, *, conserve: bool, inputs: Inputs | None = None
    ) -> tuple[Forward, Tensor]:
        """Run forward and backward; return what was read, and the target's values (N,)."""
        forward = self.forward(call, conserve=conserve, inputs=inputs)
        target = forward.target
        if not target.requires_grad:
            raise checks.no_path(self._model, call, forward.run.notes)
        torch.autograd.grad(target.sum(), forward.run.root, allow_unused=True)
        for key, places in forward.run.notes.items():
            self._places.setdefault(key, {}).update(places)
        return forward, target.detach()

    def bare_scores(self, call: ModelCall) -> Tensor | None:
        """Return the class scores of the bare forward pass, None where there are none."""
        with torch.no_grad():
            return class_scores(run_model(self._model, checks.copied_call(call)), self._output)

    def bare_values(self, call: ModelCall) -> dict[str, LayerValues]:
        """Return the activations of every site in the bare forward pass."""
        return checks.site_values(
            self._model, self.sites.sites, self._tap, checks.copied_call(call)
        )
