"""One recording of a whole test set, kept row by row."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from workloads import Workload

from pytest_deepimportance import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorder import Recorder


def record_codes(work: Workload, profile: Profile) -> NDArray[np.uint8]:
    """Return the cluster of every clustered neuron for each test row, (N, M), in row order."""
    recorder = Recorder(
        work.model, profile.sites, profile.layers, model_fingerprint=profile.model.fingerprint
    )
    block = Block("benchmark", "test")
    recorder.block = block
    recorder.attach()
    try:
        with torch.inference_mode():
            for images in work.test[0].split(250):
                work.model(images)
    finally:
        recorder.detach()
    batch = block.activations()
    assert batch is not None
    return profile.spaces[0].encode(batch)
