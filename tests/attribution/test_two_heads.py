"""Models of several outputs: which one is taken as class scores is said, and another can be chosen."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from pytest_deepimportance import build_profile, importance, vote
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import BatchError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import noise, realistic


class TwoHeads(nn.Module):
    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.body, self.age, self.sex = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 2)
        self.keys = keys

    def forward(self, x: Tensor) -> Any:
        hidden = self.body(x).relu()
        heads = self.age(hidden), self.sex(hidden)
        return dict(zip(self.keys, heads, strict=True)) if self.keys else heads


TUPLE = "2 tensors that can be class scores (of 3 and 2 classes): the first is taken; another one"
DICT = "keys age, sex, none of them logits: class scores are 'age', the first that can be; another"


def second(out: Any) -> Tensor:
    return out[1]


@pytest.mark.parametrize(
    ("keys", "said"), [((), TUPLE), (("age", "sex"), DICT)], ids=["tuple", "dict"]
)
def test_which_head_is_taken_is_said(keys: tuple[str, ...], said: str) -> None:
    model, x = realistic(TwoHeads(keys)), noise(20, 4)
    example = "lambda out: out['sex']" if keys else "lambda out: out[1]"
    for notes in (
        importance(model, x).notes,
        importance(model, x, method="deeplift").notes,
        vote(model, x, ["lrp", "deeplift"], 2).notes,
        build_profile(model, x).notes,
    ):
        (note,) = (note for note in notes if said in note)
        assert note.endswith(f"idc_output = pkg.mod:callable, in Python also output={example}")


def test_logits_and_chosen_heads_need_no_word() -> None:
    x = noise(20, 4)
    logits = importance(realistic(TwoHeads(("other", "logits"))), x)
    chosen = importance(realistic(TwoHeads()), x, output=second)
    assert not logits.notes
    assert not chosen.notes
    assert list(logits.scores["body"]) == list(chosen.scores["body"])


def test_the_chosen_head_is_the_output_layer() -> None:
    call = as_call(noise(4, 4))
    sites = find_sites(realistic(TwoHeads()), call, second)
    assert [site.name for site in sites.sites if site.is_output] == ["sex"]
    assert sites.default == "body"
    logits = find_sites(realistic(TwoHeads(("age", "logits"))), call)
    assert [site.name for site in logits.sites if site.is_output] == ["sex"]


def test_a_callable_that_fails_is_told_from_the_forward() -> None:
    with pytest.raises(
        BatchError, match=r"callable of output raised IndexError.*\n.*\n.*tuple of 2"
    ):
        importance(realistic(TwoHeads()), noise(4, 4), output=lambda out: out[2])
