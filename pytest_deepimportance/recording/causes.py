"""Why a marked test recorded nothing: one exact sentence (users.md R3)."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.formatting import plural
from pytest_deepimportance.recording.blocks import Block

IN_COMPILED = (
    "or more passes ran inside code compiled by torch.compile or torch.export, where hooks do not "
    "fire (to be recorded, compile the model itself, in the test or its fixtures: "
    "torch.compile(model) or model.compile())"
)
"""Why passes inside compiled code are not recorded, after their number."""


def cause_of_nothing(blocks: Sequence[Block], model: str, unmarked: int) -> str:
    """Return why `blocks` hold no counted row.

    Args:
        blocks: A test's block and those of the fixtures it claims.
        model: Class name of the watched model.
        unmarked: Passes made by unmarked tests so far.
    """
    attacks = sum(block.attack_passes for block in blocks)
    counted = sum(block.counted_passes for block in blocks)
    rows = sum(len(p) for block in blocks for p in block.passes if not p.is_attack)
    if counted:
        return _of_recorded(blocks, counted, rows)
    if attacks:
        return (
            f"only attack steps: a gradient flowed back to the input of "
            f"{'the only pass' if attacks == 1 else f'all {attacks} passes'}, "
            "so none counts as an exercise of the model"
        )
    return _of_excluded(blocks, model) or silence(model, unmarked)


def _of_recorded(blocks: Sequence[Block], counted: int, rows: int) -> str:
    layers = sorted({name for block in blocks for name in block.non_finite})
    if not rows:
        return f"{plural(counted, 'pass', 'passes')} without any input row"
    if layers:
        return f"only rows with NaN or infinity: all {rows} rows, in {', '.join(layers[:4])}"
    return f"{plural(counted, 'pass', 'passes')} recorded"


def _of_excluded(blocks: Sequence[Block], model: str) -> str:
    def total(name: str) -> int:
        return sum(getattr(block.counters, name) for block in blocks)

    named = [
        sentence
        for block in blocks
        for sentence in block.counters.sentences()
        if "other weights" in sentence
    ]
    if total("other_weights_passes"):
        return "; ".join(named[:3])
    if total("paused_passes"):
        made = plural(total("paused_passes"), "pass", "passes")
        return f"{made} made while recording was paused (idc.paused)"
    if total("dropped_passes"):
        return "; ".join(s for block in blocks for s in block.counters.sentences()[:3])
    if total("raised_passes"):
        return f"the forward of {model} raised an exception each time it was called"
    if total("partial_model_calls"):
        calls = plural(total("partial_model_calls"), "call")
        return (
            f"layers were called without a call of the model ({calls} of layers of the {model}, as "
            "by model.features(x) or model.forward(x)): call the model itself"
        )
    return ""


def silence(model: str, unmarked: int) -> str:
    """Return what is said when nothing at all was seen; `unmarked` as for `cause_of_nothing`."""
    text = f"no forward pass of the watched {model} was seen in this process"
    if unmarked:
        made = plural(unmarked, "pass", "passes")
        return f"{text} during this test; unmarked tests made {made} (mark them with idc_suite)"
    return (
        f"{text}; not seen are model.forward(x), a part as model.features(x), a subclass, and a "
        "model in a subprocess or behind a network service"
    )


def of_uncounted(skipped: bool, passes: int) -> str:
    """Return why a test does not count that was skipped, or failed before it began.

    Args:
        passes: Made by the test itself before it was skipped.
    """
    if not skipped:
        return "its set-up failed, so nothing that it or its fixtures did counts"
    if not passes:
        return "it was skipped"
    made = plural(passes, "pass", "passes")
    return f"it was skipped after {made}, and what a skipped test did does not count"
