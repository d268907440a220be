"""What one pass of the engine reads at the measured sites: activations, then relevance."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.autograd import start
from pytest_deepimportance.attribution.lrp.mode import RelevanceMode
from pytest_deepimportance.attribution.lrp.passing import Pass, is_signal
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.neurons import reduce_to_neurons, sum_to_neurons
from pytest_deepimportance.recording.packing import packed_as, packing_of


class Watch:
    """Reduces activations in the forward and gradients in the backward pass; keeps no gradient.

    Args:
        run: The pass.
        mode: Its function mode, paused while we compute.
        reduce: How positions become one value (`reduce_to_neurons`).
        mask: Real tokens (N, T), or None.

    Attributes:
        values: Activations by layer.
        relevance: By layer (N, U), for the layers that relevance reached.
        read_only: Layers whose activations are wanted, but not their relevance.
    """

    def __init__(self, run: Pass, mode: RelevanceMode, reduce: str, mask: Tensor | None) -> None:
        self.values: dict[str, LayerValues] = {}
        self.relevance: dict[str, Tensor] = {}
        self.read_only: frozenset[str] = frozenset()
        self._run, self._mode = run, mode
        self._reduce, self._mask = reduce, mask

    def on_site(self, site: Site, tensor: Tensor) -> Tensor | None:
        """Take the activations of a site, and its relevance when the gradient comes back."""
        hidden = not torch.is_grad_enabled()
        with self._mode.paused(), torch.inference_mode(False):
            with torch.no_grad():
                values = reduce_to_neurons(tensor, site, self._reduce, self._mask)
                self.values[site.name] = values
            if site.name in self.read_only:
                return None
            replacement = None
            if not is_signal(tensor):
                self._run.straight.used |= hidden
                with torch.enable_grad():
                    replacement = self._begun(site, tensor.detach().clone())
                    packed_as(replacement, packing_of(tensor))
                tensor = replacement
            kept, packing = self._run.keep(tensor), packing_of(tensor)

            def read(gradient: Tensor) -> None:
                product = packed_as(kept.value * gradient, packing)
                if self._reduce == "none":
                    reduced = reduce_to_neurons(product, site, "none", self._mask).values
                else:
                    reduced = sum_to_neurons(product, site, self._mask)
                known = self.relevance.get(site.name)
                self.relevance[site.name] = reduced if known is None else known + reduced

            self._run.port(tensor).readers.append(read)
        return replacement

    def _begun(self, site: Site, tensor: Tensor) -> Tensor:
        """Let the graph begin at a site: without accounts, nothing before it needs one."""
        if self._run.ledger is None:
            return start(tensor, self._run.root)
        self._run.note(
            "the signal", site.name, "comes from integers, numpy or constants: accounts begin there"
        )
        return self._run.begin_at(tensor, "input")
