"""What captum's methods have in common: bare pass, target, parts that fit into memory, checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import (
    WITHOUT_GRADIENTS,
    AttributionBatch,
    Conservation,
)
from pytest_deepimportance.attribution.captum_checks import check_same, check_used
from pytest_deepimportance.attribution.captum_job import Job, explained
from pytest_deepimportance.attribution.captum_model import Arguments, Tapped, rows_first_undone
from pytest_deepimportance.attribution.final_activation import watching_final
from pytest_deepimportance.attribution.lrp import checks
from pytest_deepimportance.attribution.lrp.running import (
    copies_kept,
    is_overwritten,
    run_model,
    undisturbed,
)
from pytest_deepimportance.attribution.observing import Observation, fresh, observe
from pytest_deepimportance.attribution.target import (
    Target,
    chosen_classes,
    parse_target,
    refuse_output,
    target_values,
)
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.errors import AttributionError, MethodUnavailable
from pytest_deepimportance.models.sitemap import Site, SiteMap
from pytest_deepimportance.recording.neurons import (
    reduce_to_neurons,
    sum_to_neurons,
)
from pytest_deepimportance.recording.reader import SiteReader

FEWEST_ROWS = 16
"""Rows that one pass may hold where nobody says: inputs are repeated along a path."""

_PROBED = 8
"""Rows of the first batch on which the pass that captum runs is compared with the bare one."""


class CaptumAttribution:
    """One of captum's layer methods, read at the sites that the recorder reads.

    Args:
        model: Any eager module; it is not changed.
        sites, layers, also, tap, reduce, output: As for `LrpAttribution`.
        target: "predicted", "label", a class index, or a callable on the model's output.
        rows_at_once: Rows that fit into memory in one pass (default: those of the batch).

    Raises:
        AttributionError: No layer is asked for, or the target is malformed.
        LayerError: A layer does not exist.
    """

    name = "captum"
    interpolates = False
    """Whether it needs floating inputs, to go from a baseline to them."""
    attributes_inputs = False
    """Whether the junction holds the inputs too."""

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        layers: Sequence[str],
        *,
        target: Target = "predicted",
        tap: str = "post",
        reduce: str = "mean",
        output: Callable[[Any], Any] | None = None,
        also: Sequence[str] = (),
        rows_at_once: int | None = None,
    ) -> None:
        if not layers:
            raise AttributionError(
                "no layer is asked for",
                fix="deepimportance layers MODEL lists the layers that can be measured.",
            )
        self.target = parse_target(target)
        self._model, self._sites = model, sites
        self._wanted = [sites.find(layer) for layer in layers]
        self._also = [s for s in map(sites.find, also) if s not in self._wanted]
        self._tap, self._reduce, self._output = tap, reduce, output
        self.rows_at_once = rows_at_once
        self._notes: dict[str, None] = {}
        self._reached: dict[str, bool] = {site.name: False for site in self._wanted}
        self._tapped: Tapped | None = None
        self._keeps_copies = False

    @property
    def rule(self) -> str:
        """The method's parameters, as reports word them."""
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the report must say, gathered over the batches so far."""
        notes = list(self._notes)
        silent = [name for name, reached in self._reached.items() if not reached]
        if self._tapped is not None and silent:
            which = "everywhere" if len(silent) == len(self._reached) else ", ".join(silent[:4])
            more = (
                f" and {len(silent) - 4} more layers"
                if 4 < len(silent) < len(self._reached)
                else ""
            )
            notes.append(f"all scores are 0 ({self.name}): {which}{more}")
        return tuple(notes)

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch.

        Raises:
            AttributionError: The output is no class score, the target cannot be chosen, no
                gradient leads back from it, or attributions are not finite.
            MethodUnavailable: The method cannot run on this model.
        """
        checks.refuse_empty(call)
        with undisturbed(self._model):
            seen = observe(
                self._model, [*self._wanted, *self._also], call,
                tap=self._tap, reduce=self._reduce, output=self._output,
            )  # fmt: skip
            names = [site.name for site in self._wanted]
            checks.check_visited(names, seen.values, call.rows)
            classes = self._classes(seen, call)
            if self._tapped is None:
                self._tapped = self._prepared(call, classes)
            try:
                relevance = self._relevance(call, classes)
            finally:
                self._tapped.forget()
        return self._collect(call, seen, relevance)

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's attributions of each wanted layer, (N, U, ...), inputs first."""
        raise NotImplementedError

    def expansion(self) -> int:
        """Return how many rows captum makes of one."""
        return 1

    @property
    def tapped(self) -> Tapped:
        """What captum runs."""
        assert self._tapped is not None
        return self._tapped

    def note(self, sentence: str) -> None:
        """Keep a sentence for the report."""
        self._notes[sentence] = None

    def prepare(self, tapped: Tapped) -> None:
        """Add what the method needs to the module that captum is given."""

    def around(self, rows: int) -> AbstractContextManager[Any]:
        """Return the context in which a pass of captum's, of so many rows, runs the model."""
        return nullcontext()

    def seed_part(self, call: ModelCall) -> None:
        """Seed whatever the method draws for these rows."""

    def _prepared(self, call: ModelCall, classes: Tensor) -> Tapped:
        if self.interpolates and not Arguments(call).signals:
            raise MethodUnavailable(
                f"{self.name} needs inputs of floating numbers, and this model has none",
                "It follows a path from a baseline to the input; between two token ids there is "
                "nothing.",
                "Use lrp, gradient-x-activation or integrated-gradients.",
            )
        tapped = Tapped(
            self._model, self._wanted, self._tap, self._run,
            lambda: checks.no_path(self._model, call, {}),
            attribute_inputs=self.attributes_inputs,
        )  # fmt: skip
        self.prepare(tapped)
        try:
            self._probe(tapped, call, classes)
        except MethodUnavailable as error:
            if not is_overwritten(error.__cause__):
                raise
            # Fine in a forward pass, refused by autograd: what it keeps is copied from now on.
            self._keeps_copies = True
            self._probe(tapped, call, classes)
        return tapped

    def _probe(self, tapped: Tapped, call: ModelCall, classes: Tensor) -> None:
        """Compare the pass that captum runs with the bare one, and see which sites lead on."""
        rows = min(_PROBED, call.rows)
        first, classes = call.first_rows(rows), classes[:rows]
        tapped.arguments = arguments = Arguments(first)
        values = (*arguments.signals, *arguments.extras, classes)
        with explained(self.name):
            if self.name in WITHOUT_GRADIENTS:
                with torch.no_grad():
                    result = tapped(*values)
            else:
                result = tapped(*values)
                torch.autograd.grad(result.sum(), tapped.read)
        with torch.no_grad():
            bare = self._run(self._model, fresh(first), classes, None)
        check_same(self.name, bare, result.detach())
        if self.name not in WITHOUT_GRADIENTS:
            check_used(tapped)

    def _classes(self, seen: Observation, call: ModelCall) -> Tensor:
        if callable(self.target):
            values = target_values(self.target, seen.output, call.rows)
            return torch.zeros(call.rows, dtype=torch.int64, device=values.device)
        if seen.scores is None:
            raise refuse_output(seen.output)
        return chosen_classes(self.target, seen.scores, call)

    def _relevance(self, call: ModelCall, classes: Tensor) -> dict[str, Tensor]:
        limit = self.rows_at_once or max(call.rows, FEWEST_ROWS)
        size = max(1, min(call.rows, limit // self.expansion()))
        parts: dict[str, list[Tensor]] = {site.name: [] for site in self._wanted}
        for number, part in enumerate(call.split(size)):
            chosen = classes[number * size : number * size + part.rows]
            self.tapped.arguments = arguments = Arguments(part)
            inputs, others = arguments.signals, arguments.extras
            if not inputs:
                inputs, others = others, ()
            self.seed_part(part)
            with explained(self.name):
                job = Job(inputs, (*others, chosen), part.rows, limit)
                found = tuple(values.detach() for values in self.compute(job))
            mask = padding_mask(part)
            for site, values in zip(self._wanted, found, strict=False):
                parts[site.name].append(self.reduced(values, site, mask))
        return {name: torch.cat(values) for name, values in parts.items()}

    def reduced(self, values: Tensor, site: Site, mask: Tensor | None) -> Tensor:
        """Return one number for each neuron, (N, U): the sum over its positions."""
        own = rows_first_undone(values, site)
        if self._reduce == "none":
            return reduce_to_neurons(own, site, "none", mask).values
        return sum_to_neurons(own, site, mask)

    def _collect(
        self, call: ModelCall, seen: Observation, relevance: dict[str, Tensor]
    ) -> AttributionBatch:
        activations = seen.batch(call, [site.name for site in (*self._wanted, *self._also)])
        usable = torch.from_numpy(activations.finite())
        for name, values in relevance.items():
            wrong = ~torch.isfinite(values).all(1).cpu() & usable
            if bool(wrong.any()):
                raise AttributionError(
                    f"attributions of layer {name!r} by {self.name} are not finite for "
                    f"{int(wrong.sum())} of {int(usable.sum())} inputs",
                    "Important neurons cannot be chosen from them, and they are never counted.",
                    "Run the model in float64, or use another method.",
                )
            if not bool(usable.all()):
                values = values.masked_fill(~usable[:, None].to(values.device), 0.0)
                relevance[name] = values
            self._reached[name] = self._reached[name] or bool((values != 0).any())
        return AttributionBatch(activations, relevance, Conservation())

    def _run(
        self, model: nn.Module, call: ModelCall, classes: Tensor, reader: SiteReader | None
    ) -> Tensor:
        """Run the model and return what is attributed, one number a row."""
        with ExitStack() as stack:
            final = stack.enter_context(watching_final(self._sites.output_activation))
            if reader is not None:
                stack.enter_context(self.around(call.rows))
                reader.attach()
                stack.callback(reader.detach)
                reader.begin()
                stack.callback(reader.end)
            if self._keeps_copies:
                stack.enter_context(copies_kept(model))
            output = run_model(model, call)
        if callable(self.target):
            return target_values(self.target, output, len(classes))
        scores = class_scores(output, self._output)
        if scores is None:
            raise refuse_output(output)
        given = None if final is None else final.before(scores)
        if final is not None and given is not None:
            self.note(f"the model ends in {final.name}: attributed is what it is given")
            scores = given
        return scores.gather(1, classes[:, None])[:, 0]
