"""The rows of the table of settings that say how important neurons are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_deepimportance.methods import canonical
from pytest_deepimportance.parsing import (
    at_least_one,
    baseline,
    choice,
    named,
    non_negative,
    numbers,
    one_of,
    path_of_file,
    positive,
)
from pytest_deepimportance.relevance_rules import parse_rule
from pytest_deepimportance.setting import setting

TAPS = ("post", "pre")
REDUCTIONS = ("mean", "first", "last", "max", "none")


@dataclass(frozen=True)
class ImportanceSettings:
    """Settings of importance: what is attributed, by which method, read where."""

    target: str = setting(
        "predicted", named, "What relevance starts from: predicted, label, a class index, or "
        "pkg.mod:callable (model output -> one number a row)",
        metavar="WHAT", native=(str, int), profile=True,
    )  # fmt: skip
    importance_method: str = setting(
        "lrp", canonical, "Attribution method for importance: lrp, random, or one of captum's by "
        "name or alias (docs/attribution.md)", metavar="NAME", profile=True,
    )  # fmt: skip
    importance_samples: int | Literal["all"] = setting(
        "all", one_of("all", parse=positive), "Reference inputs that importance is computed from: "
        "all, or N drawn by the seed (the others count for clusters and coverage only)",
        metavar="N", native=(int, str), profile=True,
    )  # fmt: skip
    attribution_steps: int = setting(
        50, positive, "Points on the path from baseline to input (conductance, internal-influence, "
        "integrated-gradients)", metavar="N", native=(int,), profile=True,
    )  # fmt: skip
    attribution_baseline: str = setting(
        "zero", baseline, "What inputs are compared with: zero, mean (of attribution_samples "
        "reference inputs) or a number (methods with a path, and deeplift)", metavar="WHAT",
        native=(str, int, float), profile=True,
    )  # fmt: skip
    attribution_samples: int = setting(
        10, positive, "Reference inputs drawn as baselines (gradient-shap, deeplift-shap, "
        "baseline mean)", metavar="N", native=(int,), profile=True,
    )  # fmt: skip
    importance: str | None = setting(
        None, path_of_file, "File of importance scores to choose neurons by instead of computing "
        "them: JSON, or CSV with the columns LayerName,NeuronIndex,Score", metavar="FILE",
        profile=True,
    )  # fmt: skip
    lrp_rule: str = setting(
        "epsilon", parse_rule, "Rule for linear operations in LRP, or a named set of rules by kind "
        "of layer (docs/lrp.md lists them)", metavar="RULE", profile=True,
    )  # fmt: skip
    lrp_epsilon: float = setting(
        1e-6, non_negative, "Stabiliser of every rule but z and flat (absolute, with the sign of "
        "what it is added to)", metavar="EPS", native=(float,), profile=True,
    )  # fmt: skip
    lrp_gamma: float = setting(
        0.25, non_negative, "Rule gamma: positive contributions count 1 + gamma times",
        metavar="GAMMA", native=(float, int), profile=True,
    )  # fmt: skip
    lrp_alpha: float = setting(
        2.0, at_least_one, "Rule alpha-beta: weight of the positive contributions; the negative "
        "ones have alpha - 1", metavar="ALPHA", native=(float, int), profile=True,
    )  # fmt: skip
    lrp_low: tuple[float, ...] = setting(
        (), numbers, "Rule z-box: smallest value an input can have, one number or one a channel",
        metavar="X,X,...", native=(str, float, int), profile=True,
    )  # fmt: skip
    lrp_high: tuple[float, ...] = setting(
        (), numbers, "Rule z-box: largest value an input can have, one number or one a channel",
        metavar="X,X,...", native=(str, float, int), profile=True,
    )  # fmt: skip
    tap: str = setting(
        "post", choice(*TAPS), "Read neurons after (post) or before (pre) normalisation "
        "and activation", metavar="SIDE", profile=True,
    )  # fmt: skip
    reduce: str = setting(
        "mean", choice(*REDUCTIONS), "How positions (or tokens) of one "
        "neuron become one value", metavar="HOW", profile=True,
    )  # fmt: skip
    output: str | None = setting(
        None, named, "Callable that turns the model's output into class scores: pkg.mod:callable",
        metavar="SPEC", profile=True,
    )  # fmt: skip
