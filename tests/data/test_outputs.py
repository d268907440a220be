from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from pytest_deepimportance.data.outputs import class_scores, describe_output
from pytest_deepimportance.errors import BatchError

S = torch.rand(4, 3)
Named = namedtuple("Named", "logits aux")


@pytest.mark.parametrize(
    "output",
    [
        S,
        S[:, :, None, None],
        {"loss": torch.tensor(1.0), "hidden": torch.rand(4, 9), "logits": S},
        OrderedDict(loss=torch.tensor(1.0), ids=torch.ones(4, 2).long(), scores=S),
        (S, torch.rand(4, 9)),
        [S],
        Named(S, None),
        SimpleNamespace(logits=S),
    ],
)
def test_scores_found(output):
    assert torch.equal(class_scores(output), S)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float(dtype):
    assert class_scores(S.to(dtype)).dtype == dtype


@pytest.mark.parametrize(
    "output",
    [
        torch.rand(4), torch.rand(4, 1), torch.ones(4, 3).long(), torch.rand(4, 3, 8, 8),
        [{"boxes": torch.rand(2, 4), "scores": torch.rand(2)}], {"out": torch.rand(4, 3, 8, 8)},
        {"logits": torch.rand(4, 7, 3), "pred_boxes": torch.rand(4, 4)}, (), [], None, "text",
        ({"logits": S},),
    ],
)  # fmt: skip
def test_no_scores(output):
    assert class_scores(output) is None


def test_adapter():
    assert torch.equal(class_scores([{"s": S}], lambda out: out[0]["s"]), S)
    assert class_scores(S, lambda out: None) is None
    with pytest.raises(BatchError, match=r"idc_output returned a tensor \(4,\) float32"):
        class_scores(S, lambda out: out[:, 0])


def test_the_sentence_names_what_makes_it_work():
    text = describe_output([{"boxes": 1}])
    assert "output is a list of 1 dicts: not a class score" in text
    assert "idc_output" in text
    assert "idc_correct = all" in text


@pytest.mark.parametrize(
    "output",
    [torch.ones(shape) for shape in ((2, 1), (2,), (2, 1, 1))],
    ids=["column", "row", "cube"],
)
def test_one_number_a_row_is_told_from_an_output_of_another_form(output):
    text = describe_output(output)
    assert "Regression: set idc_target" in text
    assert "torch.cat([-z, z], 1)" in text
    assert "idc_correct" not in text
    assert ". " in " ".join(text.split("\n"))
