"""The selector: which attribution method would win for an input, from the model's own features.

A small classifier reads the last hidden layer's values (and the layer in question, one-hot) and
predicts the method whose neurons, when pruned, hurt the model most on that input. The research code
calls this "transfer learning".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_deepimportance.analysis.selector_classifier import LinearMaps
from pytest_deepimportance.analysis.selector_rows import SelectorRows, with_layers
from pytest_deepimportance.errors import AttributionError, ReportError, did_you_mean
from pytest_deepimportance.selector_results import FORMAT, SCHEMA, SelectorReport


@dataclass(frozen=True, eq=False)
class Selector:
    """A fitted selector.

    Attributes:
        maps: The classifier.
        report: What it chooses from, and how well it does on inputs it has not seen.
    """

    maps: LinearMaps
    report: SelectorReport

    def predict(self, features: ArrayLike, layer: str | None = None) -> list[str]:
        """Return the method that it would choose for each input.

        Args:
            features: (N, D), the values of the model's last hidden layer.
            layer: The layer in question, where it was fitted on several.

        Raises:
            AttributionError: Features of another width, or no such layer.
        """
        x = np.asarray(features, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.report.features or not np.isfinite(x).all():
            raise AttributionError(
                f"the selector was fitted on finite features (N, {self.report.features}); these "
                f"are {x.shape}, {int((~np.isfinite(x)).sum())} values not finite",
                "It reads the values of the model's last hidden layer.",
                "Fit one for this model: deepimportance selector fit MODEL --reference R",
            )
        index = np.full(len(x), self._layer(layer), dtype=np.int64)
        chosen = self.maps.choose(with_layers(x, index, len(self.report.layers)))
        return [self.report.methods[at] for at in chosen]

    def held_out(self, given: SelectorRows) -> NDArray[np.bool_]:
        """Return which of the rows it was fitted and judged on were held out, (N,)."""
        judged = given.gains.max(axis=1) > 0
        result = np.zeros(len(judged), dtype=bool)
        result[judged] = given.select(judged).held_out(self.report.held_out, self.report.seed)
        return result

    def _layer(self, layer: str | None) -> int:
        layers = self.report.layers
        if layer in layers:
            return layers.index(layer)
        if len(layers) < 2 and layer is None:
            return 0
        fitted = f"the selector was fitted on {', '.join(layers) or 'all layers together'}"
        raise AttributionError(
            f"{fitted}, and none of them is named"
            if layer is None
            else f"{fitted}, not on layer {layer!r}",
            "Which method wins differs from layer to layer.",
            (layer and did_you_mean(layer, layers)) or _layer_hint(layers),
        )

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file: the arrays, and the report as JSON in its metadata.

        Raises:
            ReportError: It cannot be written there.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        target = Path(path)
        arrays = {name: np.ascontiguousarray(v) for name, v in self.maps.arrays().items()}
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            save_file(arrays, target, {SCHEMA: json.dumps(self.report.to_json(), sort_keys=True)})
        except (OSError, SafetensorError) as error:
            raise ReportError(
                f"the selector cannot be written to {target}: "
                f"{getattr(error, 'strerror', None) or error}",
                fix="Give a file in a folder you may write to: -o FILE",
            ) from error
        return target

    @classmethod
    def load(cls, path: str | Path) -> Selector:
        """Read what `save` wrote.

        Raises:
            ReportError: The file is absent, damaged, or of another format.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                said = (file.metadata() or {}).get(SCHEMA)
                if said is None:
                    raise ValueError("it was written by something else than selector fit")
                data = json.loads(said)
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, this version reads {FORMAT}")
            return cls(LinearMaps.of(arrays), SelectorReport.from_json(data))
        except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReportError(
                f"{path} is no selector that can be read: {error}",
                fix="Fit one: deepimportance selector fit MODEL --reference R -o FILE",
            ) from error


def _layer_hint(layers: Sequence[str]) -> str:
    return f"Name one: --layer {' or --layer '.join(layers)}" if layers else "Leave the layer out."
