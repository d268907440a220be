from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.statistics import gathering
from pytest_deepimportance.statistics.gathering import Gathering, ReferenceStatistics

LAYERS = {"conv": 5, "fc": 4}
EVERYTHING = ["layers", "bounds", "moments", "distances", "surprise_layer", "traces",
              "class_moments", "mdsc_calibration"]  # fmt: skip


def reference(count=120, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    predictions = generator.integers(0, classes, count)
    layers = {
        name: LayerValues(torch.from_numpy(
            (generator.normal(size=(count, width)) + predictions[:, None]).astype(np.float32)
        ))
        for name, width in LAYERS.items()
    }  # fmt: skip
    labels = np.where(np.arange(count) % 10 == 0, -1, predictions)
    return ActivationBatch(layers, np.arange(count, dtype=np.uint64) * 7919, predictions, labels)


REFERENCE = reference()


def gathered(batches, surprise="fc", **options):
    own = Gathering(tuple(LAYERS), surprise, from_keywords(**options))
    for batch in batches:
        own.update(batch)
    return own.finish()


def content(statistics):
    plain, arrays = statistics.to_parts()
    return plain, {name: array.tolist() for name, array in arrays.items()}


def apart(statistics, *names):
    """Exact content of some parts: those that are the same in any order of the rows."""
    plain, arrays = content(statistics)
    own = {k: v for k, v in arrays.items() if k.partition(":")[0] in names}
    return own, {k: v for k, v in plain.items() if k in names}


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(120)), size=st.integers(1, 120))
def test_order_and_batches_of_the_reference_do_not_matter(order, size):
    whole = gathered([REFERENCE], trace_rows=25)
    shuffled = REFERENCE.select(np.array(order))
    parts = gathered(shuffled.chunks(size), trace_rows=25)
    exact = ("layers", "bounds", "traces", "distances", "surprise_layer", "notes")
    assert apart(parts, *exact) == apart(whole, *exact)
    for name, moment in whole.moments.layers.items():
        own = parts.moments.layers[name]
        assert own.mean == pytest.approx(moment.mean, rel=1e-9)
        assert own.scatter == pytest.approx(moment.scatter, rel=1e-9)
    assert parts.mdsc_calibration == pytest.approx(whole.mdsc_calibration, rel=1e-6)


def test_everything_that_criteria_need_is_provided():
    found = gathered([REFERENCE])
    assert sorted(found.provided()) == sorted(EVERYTHING)
    assert found.layers == LAYERS
    assert found.notes == ()
    assert len(found.traces) == 120
    assert list(found.class_moments.classes) == [0, 1, 2]
    assert all(distance > 0 for distance in found.distances.values())
    assert set(found.mdsc_calibration) == {"ridge", "pinv"}


@pytest.mark.parametrize("options", [{}, {"no_samples": True}, {"trace_rows": 7}], ids=str)
def test_parts_round_trip(options):
    found = gathered([REFERENCE], **options)
    back = ReferenceStatistics.from_parts(*found.to_parts())
    assert content(back) == content(found)
    assert sorted(back.provided()) == sorted(found.provided())


def test_without_samples_no_reference_activation_is_kept_and_it_is_said():
    found = gathered([REFERENCE], no_samples=True)
    assert found.traces is None
    assert [note for note in found.notes if "LSC, DSC left out" in note]
    assert "idc_no_samples" in found.notes[0]
    whole = gathered([REFERENCE])
    assert found.mdsc_calibration == whole.mdsc_calibration
    assert apart(found, "class_moments") == apart(whole, "class_moments")
    assert not any(array.shape[:1] == (120,) for array in found.to_parts()[1].values())


class Small:
    """Settings with less memory than the option allows."""

    def __init__(self, memory, **options):
        self._memory, self._own = memory, from_keywords(**options)

    def __getattr__(self, name):
        return self._memory if name == "memory" else getattr(self._own, name)


def guarded(memory, parts=1):
    own = Gathering(tuple(LAYERS), "fc", Small(memory))
    for batch in REFERENCE.chunks(120 // parts):
        own.update(batch)
    return own.finish()


@pytest.mark.parametrize("parts", [1, 12])
def test_reference_activations_beyond_a_quarter_of_the_memory_are_dropped_and_it_is_said(parts):
    kept = 120 * 4 * 4
    found = guarded(4 * kept - 4, parts)
    assert found.traces is None
    assert found.class_moments is not None
    (note,) = found.notes
    assert note.startswith("LSC, DSC left out:")
    for word in ("layer fc", "idc_memory", "idc_trace_rows", "idc_surprise_layer"):
        assert word in note
    assert guarded(4 * kept, parts).traces is not None


def test_covariances_beyond_a_quarter_of_the_memory_are_dropped_and_it_is_said():
    needed = 3 * 8 * 4**2
    found = guarded(4 * needed - 4)
    assert found.class_moments is None
    assert found.mdsc_calibration is None
    assert [note for note in found.notes if note.startswith("MDSC left out:")]
    assert "class_moments" not in found.provided()


@pytest.mark.parametrize("labels", ["predicted", "true", "none"])
def test_classes_of_the_traces_follow_the_setting(labels):
    found = gathered([REFERENCE], surprise_labels=labels)
    rows = {"predicted": 120, "true": 108, "none": 120}[labels]
    assert len(found.traces) == rows
    assert len(found.traces.class_rows) == (1 if labels == "none" else 3)
    said = [note for note in found.notes if "12 reference inputs without a class" in note]
    assert bool(said) == (labels == "true")


def test_without_a_surprise_layer_nothing_is_kept_for_it():
    found = gathered([REFERENCE], surprise=None)
    assert not {"traces", "class_moments", "mdsc_calibration", "surprise_layer"} & set(
        found.provided()
    )
    assert found.notes == ()


def test_an_empty_reference_gives_empty_statistics():
    found = gathered([REFERENCE.select(np.empty(0, np.int64))])
    assert found.layers == {}
    assert found.traces is None
    assert content(ReferenceStatistics.from_parts(*found.to_parts())) == content(found)


def test_distances_come_from_a_seeded_sample(monkeypatch):
    monkeypatch.setattr(gathering, "SAMPLE", 30)
    one = gathered([REFERENCE], seed=0).distances
    assert gathered([REFERENCE.select(np.arange(120)[::-1].copy())], seed=0).distances == one
    assert gathered([REFERENCE], seed=1).distances != one


def test_a_layer_that_some_passes_do_not_visit_keeps_its_own_rows():
    part = ActivationBatch(
        {"fc": REFERENCE.layers["fc"]}, REFERENCE.digests, REFERENCE.predictions, REFERENCE.labels
    )
    found = gathered([part, REFERENCE.select(np.arange(20))])
    assert found.moments.layers["fc"].rows == 140
    assert found.moments.layers["conv"].rows == 20
    assert found.layers == LAYERS
    assert set(found.distances) == set(LAYERS)
