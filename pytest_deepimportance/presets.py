"""Presets: named sets of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"m": 6, "lrp_rule": "z", "bounds_tolerance": 0.0},
    "neural-coverage": {
        "tap": "pre",
        "bounds_tolerance": 0.0,
        "nc_scale": "channel_mean_first",
        "kmnc_edges": "right",
        "kmnc_sections": 100,
        "tknc_k": 10,
        "tknp_k": 50,
        "tknp_ordered": True,
        "cc_squared": True,
        "cc_threshold": 10.0,
        "surprise_labels": "true",
    },
    "dnn-tip": {
        "reduce": "none",
        "bounds_tolerance": 0.0,
        "nc_scale": "none",
        "kmnc_edges": "left",
        "nbc_inclusive": True,
        "snac_inclusive": True,
        "mdsc_inverse": "pinv",
    },
    "wisdom": {
        "tap": "pre",
        "target": "label",
        "correct": "all",
        "scope": "global",
        "normalize": "none",
        "k": 2,
        "m": 10,
    },
}
"""Names by their origin.

`paper`: the definitions of the papers, without tolerance. `neural-coverage`, `dnn-tip`: the choices
of two public implementations of the baseline criteria (ICSE 2023, ISSTA 2022). `wisdom`: those of
the PyTorch research code of IDC.
"""
