"""The rows of the table of settings that belong to single criteria.

Defaults follow the paper that defines the criterion; other values reproduce the variants of public
implementations (the presets name them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_deepimportance.parsing import (
    above_zero,
    boolean,
    choice,
    non_negative,
    one_of,
    positive,
    text,
    texts,
)
from pytest_deepimportance.setting import setting


@dataclass(frozen=True)
class CriterionSettings:
    """Settings of the baseline criteria."""

    neuron_layers: tuple[str, ...] = setting(
        ("all",), texts, "Layers of NC, KMNC, NBC, SNAC, TKNC, TKNP and NLC: all, hidden (without "
        "the output layer), or names", metavar="WHICH", profile=True,
    )  # fmt: skip
    bounds_tolerance: float = setting(
        1e-5, non_negative, "Tolerance of a neuron's reference bounds, relative to its range "
        "(0: none, as in the papers)", metavar="REL", native=(float,),
    )  # fmt: skip
    degenerate: str = setting(
        "include", choice("include", "exclude"), "KMNC, NBC, SNAC: neurons that are constant in "
        "the reference count in the total, or are left out", metavar="HOW",
    )  # fmt: skip
    nc_threshold: float = setting(
        0.75, non_negative, "NC: a neuron is covered by a (scaled) value above this",
        metavar="T", native=(float,),
    )  # fmt: skip
    nc_scale: str = setting(
        "map", choice("map", "channel_mean_first", "none"), "NC: scale a layer's values of each "
        "input to [0, 1] before (map) or after (channel_mean_first) positions are averaged, or not "
        "at all (none)", metavar="HOW",
    )  # fmt: skip
    kmnc_sections: int = setting(
        1000, positive, "KMNC: sections of each neuron's reference range", metavar="K",
        native=(int,),
    )  # fmt: skip
    kmnc_edges: str = setting(
        "both", choice("both", "right", "left"), "KMNC: which edge belongs to a section: both ends "
        "of the range count (both), (a, b] (right) or [a, b) (left)", metavar="WHICH",
    )  # fmt: skip
    nbc_sigma: float = setting(
        0.0, non_negative, "NBC: widen the bounds by so many standard deviations",
        metavar="S", native=(float,),
    )  # fmt: skip
    nbc_inclusive: bool = setting(False, boolean, "NBC: touching a bound is enough", native=(bool,))
    snac_sigma: float = setting(
        0.0, non_negative, "SNAC: widen the bound by so many standard deviations",
        metavar="S", native=(float,),
    )  # fmt: skip
    snac_inclusive: bool = setting(
        False, boolean, "SNAC: touching the bound is enough", native=(bool,)
    )
    tknc_k: int = setting(
        3, positive, "TKNC: the k most active neurons of each layer", metavar="K", native=(int,)
    )
    tknc_positive: bool = setting(
        False, boolean, "TKNC: only neurons above 0 can be among the most active", native=(bool,)
    )
    tknp_k: int = setting(
        1, positive, "TKNP: a pattern holds the k most active neurons of each layer", metavar="K",
        native=(int,),
    )  # fmt: skip
    tknp_ordered: bool = setting(
        False, boolean, "TKNP: the order within the k most active neurons counts too",
        native=(bool,),
    )  # fmt: skip
    cc_layers: tuple[str, ...] = setting(
        ("all",), texts, "CC: layers whose centres are counted and summed: all, or names",
        metavar="WHICH",
    )  # fmt: skip
    cc_threshold: float | Literal["auto"] = setting(
        "auto", one_of("auto", parse=non_negative), "CC: distance from every centre that makes a "
        "new one; auto: twice the median distance between nearest neighbours in a sample of the "
        "reference, per layer", metavar="R", native=(float, str),
    )  # fmt: skip
    cc_squared: bool = setting(
        False, boolean, "CC: compare the squared distance with the threshold", native=(bool,)
    )
    surprise_layer: str | None = setting(
        None, text, "LSC, DSC, MDSC: layer whose activations are compared (default: "
        "the last hidden one)", metavar="NAME", native=(str, int), profile=True,
    )  # fmt: skip
    surprise_labels: str = setting(
        "predicted", choice("predicted", "true", "none"), "LSC, DSC, MDSC: an input is compared "
        "with the reference of its predicted class, its true class, or (none; LSC and MDSC only) "
        "with all of it", metavar="WHICH", profile=True,
    )  # fmt: skip
    trace_rows: int = setting(
        2000, positive, "LSC, DSC: reference rows kept per class (a seeded sample)", metavar="N",
        native=(int,), profile=True,
    )  # fmt: skip
    variance_threshold: float = setting(
        1e-5, non_negative, "LSC: leave out neurons whose variance is below this in any class",
        metavar="VAR", native=(float,),
    )  # fmt: skip
    lsc_upper: float = setting(
        2000.0, above_zero, "LSC: upper end of the surprise that is divided into buckets",
        metavar="U", native=(float,),
    )  # fmt: skip
    lsc_buckets: int = setting(1000, positive, "LSC: buckets", metavar="N", native=(int,))
    dsc_upper: float = setting(
        2.0, above_zero, "DSC: upper end of the surprise that is divided into buckets",
        metavar="U", native=(float,),
    )  # fmt: skip
    dsc_buckets: int = setting(1000, positive, "DSC: buckets", metavar="N", native=(int,))
    mdsc_upper: float | Literal["auto"] = setting(
        "auto", one_of("auto", parse=above_zero), "MDSC: upper end of the surprise that is divided "
        "into buckets; auto: twice the 99.9 % point of the reference's own", metavar="U",
        native=(float, str),
    )  # fmt: skip
    mdsc_buckets: int = setting(1000, positive, "MDSC: buckets", metavar="N", native=(int,))
    mdsc_inverse: str = setting(
        "ridge", choice("ridge", "pinv"), "MDSC: invert each class covariance with a small ridge "
        "(1e-6 x trace/d), or as a pseudo-inverse", metavar="HOW",
    )  # fmt: skip
    surprise_values: bool = setting(
        False, boolean, "Keep the surprise of every input in the JSON report", native=(bool,)
    )
