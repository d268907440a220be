"""What each torch function does to relevance: one table from names to rules.

Relevance is activation x modified gradient, so a rule either leaves autograd's gradient alone
(linear operations, winners) or changes what it sends back. Sources: Bach et al. 2015 (z and epsilon
rule), DESIGN D6, engineering.md rows 16-18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_deepimportance.attribution.lrp import composites, homogeneous, names, norms
from pytest_deepimportance.attribution.lrp.arithmetic import (
    add,
    divide,
    join,
    masked_fill,
    multiply,
    pad,
    power,
)
from pytest_deepimportance.attribution.lrp.attention import (
    multi_head_attention,
    scaled_dot_product_attention,
)
from pytest_deepimportance.attribution.lrp.elementwise import elementwise
from pytest_deepimportance.attribution.lrp.linear import ADDED, linear_layer, product
from pytest_deepimportance.attribution.lrp.operation import Operation, noted, plain, statistic
from pytest_deepimportance.attribution.lrp.passing import mark_gate
from pytest_deepimportance.attribution.lrp.recurrent import packed, recurrent
from pytest_deepimportance.attribution.lrp.writing import affine

Rule = Callable[[Operation], Any]


def identity(op: Operation) -> Any:
    """`detach` does nothing to a forward pass."""
    tensor = op.args[0] if op.args else op.operand(0, "self")
    return tensor.view_as(tensor)


def softmax(op: Operation) -> Any:
    """Mark a gate; as a signal of its own it has no rule, unless the model ends in it."""
    result = op.call()
    mark_gate(result)
    op.run.final = (op.spelled.name, op.operand(0, "input", "self", "logits"), result)
    return noted(op, result)


def out_of_sight(op: Operation) -> Any:
    """Numbers that leave torch take no relevance along: said."""
    op.run.note(op.spelled.name, op.run.place(), "leaves torch: no relevance flows back through it")
    return op.func(op.args[0].detach(), *op.args[1:], **op.kwargs)


def number(op: Operation) -> Any:
    """Read a number: nothing flows back, and torch would warn of a tensor in a graph."""
    return op.func(op.args[0].detach(), *op.args[1:], **op.kwargs)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(names.PLAIN, plain),
    **dict.fromkeys(names.LINEAR_LAYERS, linear_layer),
    **dict.fromkeys(names.PRODUCTS, product),
    **dict.fromkeys(names.ELEMENTWISE, elementwise),
    **dict.fromkeys(names.STATISTICS, statistic),
    **dict.fromkeys(names.FIRST_DEGREE, homogeneous.first_degree),
    "var": homogeneous.second_degree,
    "var_mean": homogeneous.with_mean,
    "std_mean": homogeneous.with_mean,
    **dict.fromkeys(names.WRITES, affine),
    **dict.fromkeys(names.IDENTITIES, identity),
    **dict.fromkeys(names.JOINS, join),
    **dict.fromkeys(names.PACKINGS, packed),
    **dict.fromkeys(names.RECURRENT, recurrent),
    "add": add,
    "sub": add,
    "mul": multiply,
    "div": divide,
    "pow": power,
    "batch_norm": norms.batch_norm,
    "layer_norm": norms.layer_norm,
    "group_norm": norms.group_norm,
    "instance_norm": norms.instance_norm,
    "rms_norm": norms.rms_norm,
    "local_response_norm": norms.local_response_norm,
    "normalize": norms.normalize,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "multi_head_attention_forward": multi_head_attention,
    "glu": composites.glu,
    "lerp": composites.lerp,
    "addcmul": composites.addcmul,
    "addcdiv": composites.addcdiv,
    "addr": composites.addr,
    **dict.fromkeys(ADDED, composites.added_product),
    "ldexp": composites.ldexp,
    "bilinear": composites.bilinear,
    "cosine_similarity": composites.cosine_similarity,
    "pairwise_distance": composites.pairwise_distance,
    **dict.fromkeys(("lp_pool1d", "lp_pool2d", "lp_pool3d"), composites.lp_pool),
    "prod": composites.prod,
    "cumprod": composites.cumprod,
    **dict.fromkeys(names.SAMPLERS, composites.sample_at),
    "masked_fill": masked_fill,
    "pad": pad,
    "softmax": softmax,
    "log_softmax": softmax,
    "softmin": softmax,
    "gumbel_softmax": softmax,
    "number": number,
    "numpy": out_of_sight,
    "array": out_of_sight,
}
"""Rules by name; a function that is not here and carries relevance is `unknown`."""
