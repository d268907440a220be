"""Voting end to end: against a slow twin, with labels and without, interrupted and resumed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance import Importance, vote
from pytest_deepimportance.errors import AttributionError, LayerError, SettingsError
from tests.attribution.nets import noise
from tests.attribution.voters import planted, refuse, register
from tests.oracles.reference_vote import Neuron, one_batch

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Three methods: activations, negated and doubled ones, and numbers that ignore the input."""
    fixed = {
        "0": torch.tensor([0.1, 0.9, -0.3, 0.2, 0.0, 0.4]),
        "2": torch.tensor([5.0, 0, 1, 1, 2]),
    }
    return {
        "plain": register(monkeypatch, "plain", lambda _, values: values),
        "minus": register(monkeypatch, "minus", lambda _, values: 1 - 2 * values),
        "fixed": register(
            monkeypatch, "fixed", lambda name, values: fixed[name].to(values).expand_as(values)
        ),
    }


def batches(count: int = 6, rows: int = 7) -> Batches:
    x = noise(count * rows, 4)
    y = torch.arange(count * rows) % 3
    return list(zip(x.split(rows), y.split(rows), strict=True))


def plain(found: Importance) -> dict[str, list[float]]:
    return {name: scores.tolist() for name, scores in found.scores.items()}


# --- the slow twin -----------------------------------------------------------------------------


def slow_forward(net: nn.Sequential, row: np.ndarray, removed: frozenset[Neuron]) -> Any:
    """Return hidden values by layer, and the scores, of one input."""
    hidden, value = [], row
    for number, linear in enumerate((net[0], net[2])):
        weight, bias = (p.detach().numpy() for p in linear.parameters())
        value = np.maximum(weight @ value + bias, 0.0)
        value = np.array([0.0 if (number, i) in removed else v for i, v in enumerate(value)])
        hidden.append(value)
    weight, bias = (p.detach().numpy() for p in net[4].parameters())
    return hidden, weight @ value + bias


def slow_vote(
    net: nn.Sequential, data: Batches, m: int, **how: str
) -> tuple[dict[Neuron, float], Any]:
    points: dict[Neuron, float] = {}
    record = []
    for x, y in data:
        rows = x.numpy()

        def loss(removed: frozenset[Neuron], rows: Any = rows, y: Any = y) -> float:
            parts = []
            for row, label in zip(rows, y.tolist(), strict=True):
                scores = slow_forward(net, row, removed)[1]
                parts.append(np.log(np.exp(scores).sum()) - scores[label])
            return float(np.mean(parts))

        sums: dict[Neuron, float] = {}
        for row in rows:
            for layer, values in enumerate(slow_forward(net, row, frozenset())[0]):
                for index, value in enumerate(values):
                    sums[layer, index] = sums.get((layer, index), 0.0) + float(value)
        minus = {n: len(rows) - 2 * v for n, v in sums.items()}
        found, winner, gains = one_batch({"plain": sums, "minus": minus}, loss, m, **how)
        record.append((winner, gains))
        for neuron, value in (found or {}).items():
            points[neuron] = points.get(neuron, 0.0) + value
    return points, record


@pytest.mark.parametrize("mode", ["weighted", "winner", "wisdom"])
@pytest.mark.parametrize(
    ("how", "sign"), [("layer-l1", "positive"), ("none", "absolute"), ("rank", "signed")]
)
def test_against_the_slow_twin(mode: str, how: str, sign: str) -> None:
    net, data = planted(), batches()
    found = vote(net, data, ["plain", "minus"], 3, mode=mode, normalize=how, sign=sign)
    points, record = slow_vote(net, data, 3, mode=mode, how=how, sign=sign, points="borda")
    for layer, name in enumerate(("0", "2")):
        wanted = [points.get((layer, i), 0.0) for i in range(len(found.scores[name]))]
        np.testing.assert_allclose(found.scores[name], wanted, rtol=1e-9)
    assert found.votes is not None
    assert list(found.votes.winners) == [winner for winner, _ in record]
    for method in found.votes.methods:
        mine = [gains[method.name] for _, gains in record if method.name in gains]
        assert method.lists == len(mine)
        assert method.gain == pytest.approx(np.mean(mine), abs=1e-12)
        assert method.wins == sum(winner == method.name for winner, _ in record)
        shared = [
            sum(g == max(gains.values()) > 0 for g in gains.values()) > 1 for _, gains in record
        ]
        assert method.tied == sum(
            tied and gains.get(method.name) == max(gains.values())
            for tied, (_, gains) in zip(shared, record, strict=True)
        )


def test_methods_that_win_alike_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "twin", lambda _, values: values)
    found = vote(planted(), [x for x, _ in batches()], ["twin", "plain", "minus"], 3)
    votes = found.votes
    assert votes is not None
    by_name = {method.name: method for method in votes.methods}
    won = by_name["plain"].wins
    assert won > 0
    assert (by_name["plain"].tied, by_name["twin"].tied, by_name["twin"].wins) == (won, won, 0)
    assert by_name["minus"].tied == 0
    for winner, tied in zip(votes.winners, votes.tied, strict=True):
        assert tied == (("plain", "twin") if winner == "plain" else ())
    found.save(tmp_path / "v.csv")
    assert json.loads((tmp_path / "v.csv.json").read_text())["votes"]["tied"].count(
        ["plain", "twin"]
    ) == won  # fmt: skip
    assert Importance.load(tmp_path / "v.csv").votes == votes


# --- what the record says ----------------------------------------------------------------------


def test_a_planted_neuron_is_first_and_points_add_up() -> None:
    net = planted()
    data = [(x, net(x).argmax(1)) for x, _ in batches()]
    found = vote(net, data, ["plain", "lrp", "fixed"], 3, sign="signed", target="label")
    votes = found.votes
    assert votes is not None
    assert found.top(1, normalize="none")[0][:2] == ("2", 3)
    total = sum(float(scores.sum()) for scores in found.scores.values())
    assert total == (votes.groups - votes.abstained) * 3 * 4 / 2
    assert votes.groups == 6
    assert sum(method.wins for method in votes.methods) == votes.groups - votes.abstained
    assert votes.shares is not None
    assert sum(votes.shares.values()) == pytest.approx(1)
    assert found.method == "vote of fixed, lrp, plain"
    assert (found.seed, found.target, found.rows) == (0, "label", 42)
    assert found.versions["torch"] == torch.__version__.partition("+")[0] or found.versions["torch"]
    assert found.reference is not None


def test_the_order_of_methods_changes_nothing() -> None:
    one = vote(planted(), batches(), "plain,minus,fixed", 4)
    two = vote(planted(), batches(), ["fixed", "plain", "minus"], 4)
    assert plain(one) == plain(two)
    assert one.votes == two.votes


def test_nobody_votes_where_no_list_raises_the_loss() -> None:
    net = planted()
    with torch.no_grad():
        net[4].weight.zero_()  # the answer depends on no neuron
    found = vote(net, batches(), ["plain"], 3)
    assert found.votes is not None
    assert found.votes.abstained == found.votes.groups == 6
    assert found.votes.winners == ("",) * 6
    assert not any(scores.any() for scores in found.scores.values())
    assert any("nobody voted" in note for note in found.notes)


def test_by_sample_every_input_votes_and_is_named() -> None:
    data = batches()
    found = vote(planted(), data, ["plain", "minus"], 2, by="sample")
    votes = found.votes
    assert votes is not None
    assert votes.groups == len(votes.winners) == len(votes.gains) == 42
    assert votes.group_classes == tuple(int(label) for _, y in data for label in y)
    names = [method.name for method in votes.methods]
    for winner, gains in zip(votes.winners, votes.gains, strict=True):
        known = {n: g for n, g in zip(names, gains, strict=True) if g is not None}
        best = max(known.values())
        assert (winner == "") == (best <= 0)
        assert not winner or known[winner] == best
    single = [(x[i : i + 1], y[i : i + 1]) for x, y in data for i in range(len(x))]
    alone = vote(planted(), single, ["plain", "minus"], 2)
    assert alone.votes is not None
    assert votes.winners == alone.votes.winners
    for name, scores in found.scores.items():
        np.testing.assert_allclose(scores, alone.scores[name])
    whole = sum(found.by_class[label]["2"] for label in (0, 1, 2))
    np.testing.assert_allclose(whole, found.scores["2"])


def test_by_class_the_inputs_of_each_class_vote_together() -> None:
    data = batches()
    found = vote(planted(), data, ["plain", "minus"], 2, by="class")
    assert found.votes is not None
    assert found.votes.groups == 18
    assert sorted(found.by_class) == [0, 1, 2]
    only = [(x[y == 1], y[y == 1]) for x, y in data]
    alone = vote(planted(), only, ["plain", "minus"], 2)
    for name, scores in alone.scores.items():
        np.testing.assert_allclose(found.of_class(1).scores[name], scores)
    with pytest.raises(AttributionError, match="by = class needs labels"):
        vote(planted(), [x for x, _ in data], ["plain"], 2, by="class")


def test_without_labels_the_loss_is_against_the_prediction() -> None:
    net, data = planted(), batches()
    unlabelled = vote(net, [x for x, _ in data], ["plain"], 3)
    predicted = vote(net, [(x, net(x).argmax(1)) for x, _ in data], ["plain"], 3)
    assert plain(unlabelled) == plain(predicted)
    assert any("own prediction" in note for note in unlabelled.notes)
    assert not any("own prediction" in note for note in predicted.notes)


def test_a_final_softmax_is_undone() -> None:
    net, data = planted(), batches()
    ends = nn.Sequential(*net, nn.Softmax(1))
    one, two = (vote(n, data, ["plain"], 3).votes for n in (net, ends))
    assert one is not None
    assert two is not None
    assert two.methods[0].gain == pytest.approx(one.methods[0].gain, rel=1e-6)


def test_batch_parts_change_nothing() -> None:
    whole = vote(planted(), batches(2, 40), ["plain", "minus"], 3)
    parts = vote(planted(), batches(2, 40), ["plain", "minus"], 3, memory=2000)
    assert plain(whole) == plain(parts)


# --- methods that cannot run -------------------------------------------------------------------


def test_a_method_that_cannot_run_is_named_and_not_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse(monkeypatch, "never", "it needs a convolution")
    register(monkeypatch, "raises", lambda _, values: values.no_such_thing)
    found = vote(planted(), batches(), ["plain", "never", "raises"], 3)
    alone = vote(planted(), batches(), ["plain"], 3)
    assert plain(found) == plain(alone)
    assert found.votes is not None
    assert found.votes.failed is not None
    assert found.votes.failed["never"] == "it needs a convolution"
    assert "no_such_thing" in found.votes.failed["raises"]
    assert [method.name for method in found.votes.methods] == ["plain"]
    assert any("never did not vote: it needs a convolution" in note for note in found.notes)
    with pytest.raises(AttributionError, match=r"no method can run.*never.*raises"):
        vote(planted(), batches(), ["never", "raises"], 3)


def test_a_method_that_fails_later_misses_that_batch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def moody(_: str, values: Tensor) -> Tensor:
        if len(values) == 5:
            raise ValueError("five is too few")
        return values

    register(monkeypatch, "moody", moody)
    x = noise(26, 4)
    found = vote(planted(), [x[:7], x[7:12], x[12:19], x[19:]], ["moody", "fixed"], 3)
    assert found.votes is not None
    moody_votes = next(method for method in found.votes.methods if method.name == "moody")
    assert (moody_votes.lists, moody_votes.failures) == (3, 1)
    assert "five is too few" in moody_votes.reason
    assert not found.votes.failed


def test_mistakes_are_refused() -> None:
    net, data = planted(), batches()
    with pytest.raises(AttributionError, match="no input to vote on"):
        vote(net, [], ["plain"], 3)
    with pytest.raises(AttributionError, match="no attribution method 'lrpp'"):
        vote(net, data, ["lrpp"], 3)
    with pytest.raises(SettingsError, match="named twice"):
        vote(net, data, ["activation", "la"], 3)
    with pytest.raises(AttributionError, match="no setting 'nonsense'"):
        vote(net, data, ["plain", "lrp"], 3, nonsense=1)
    with pytest.raises(LayerError, match="no layer 'fc9'"):
        vote(net, data, ["plain"], 3, layers=["fc9"])
    with pytest.raises(SettingsError, match="reduce = none"):
        vote(net, data, ["plain"], 3, reduce="none")
    with pytest.raises(AttributionError, match="labels go from 0 to 7"):
        vote(net, [(x, y + 5 * (y == 2)) for x, y in data], ["plain"], 3)


def test_settings_go_to_the_methods_that_know_them() -> None:
    one = vote(planted(), batches(), ["plain", "lrp"], 3, rule="z")
    assert one.votes is not None
    assert not one.votes.failed


def test_a_loss_of_your_own() -> None:
    class Regression(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = planted()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)[:, 1]

    def squared(output: Tensor, labels: Tensor | None) -> Tensor:
        assert labels is not None
        return (output - labels) ** 2

    scores = {"net.0": torch.ones(6), "net.2": torch.arange(5.0)}
    with pytest.MonkeyPatch.context() as patch:
        register(patch, "own", lambda name, values: scores[name].to(values).expand_as(values))
        data = batches()
        found = vote(Regression(), data, ["own"], 2, loss=squared)
        assert found.votes is not None
        assert found.votes.judged_by == "squared"
        with pytest.raises(AttributionError, match="loss returned"):
            vote(Regression(), data, ["own"], 2, loss=lambda output, _: output.mean())
        with pytest.raises(AttributionError, match="not a class score") as caught:
            vote(Regression(), data, ["own"], 2)
        assert "loss=callable" in caught.value.fix


# --- the model is left alone -------------------------------------------------------------------


def test_the_model_is_left_as_it_was() -> None:
    net = planted().train()
    net[1].eval()
    before = copy.deepcopy(net.state_dict())
    vote(net, batches(), ["plain", "lrp", "activation"], 3, by="sample")
    assert [module.training for module in net] == [True, False, True, True, True]
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())


# --- checkpoints -------------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def until(data: Batches, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    for number, batch in enumerate(data):
        if number == count:
            raise Interrupted
        yield batch


@pytest.mark.parametrize("by", ["batch", "sample", "class"])
@pytest.mark.parametrize("stopped", [1, 3, 5])
def test_killed_and_resumed_is_the_uninterrupted_result(
    tmp_path: Path, by: str, stopped: int
) -> None:
    data, path = batches(), tmp_path / "vote.ckpt"
    kept: dict[str, Any] = {"by": by, "mode": "weighted", "seed": 3, "samples": 4}
    names = ["plain", "minus", "gradient-shap", "random"]
    whole = vote(planted(), data, names, 3, **kept)
    kept |= {"checkpoint": path, "checkpoint_every": 2}
    with pytest.raises(Interrupted):
        vote(planted(), until(data, stopped), names, 3, **kept)
    assert path.exists() == (stopped > 1)
    resumed = vote(planted(), data, names, 3, **kept)
    assert resumed.to_json() == whole.to_json()
    again = vote(planted(), data, names, 3, **kept)
    assert again.to_json() == whole.to_json()


def test_what_is_counted_is_not_counted_again(tmp_path: Path, made: dict[str, list[int]]) -> None:
    data, path = batches(), tmp_path / "vote.ckpt"
    with pytest.raises(Interrupted):
        vote(planted(), until(data, 4), "plain", 3, checkpoint=path, checkpoint_every=2)
    before = len(made["plain"])
    vote(planted(), data, "plain", 3, checkpoint=path)
    assert len(made["plain"]) - before == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"m": 4}, "m was 3, now it is 4"),
        ({"methods": ["plain", "fixed"]}, r'methods was \["minus", "plain"\], now it is \["fixed'),
        ({"mode": "winner"}, "mode was weighted, now it is winner"),
        ({"seed": 5}, "seed was 0, now it is 5"),
        ({"target": "label"}, "target was predicted, now it is label"),
        ({"tap": "pre"}, "tap was not set, now it is pre"),
        ({"layers": ["2"]}, "layers was"),
        ({"model": planted(1)}, "model was [0-9a-f]{64}, now it is [0-9a-f]{64}"),
        ({"batches": batches(6, 5)}, "the first 6 batches were others"),
        ({"batches": batches(3)}, "there were 6 batches; the inputs were others"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_vote_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    asked: dict[str, Any] = {"model": planted(), "batches": batches(), "m": 3}
    asked |= {"methods": ["plain", "minus"], "checkpoint": tmp_path / "vote.ckpt"}
    vote(**asked)
    with pytest.raises(AttributionError, match=words) as caught:
        vote(**{**asked, **change})
    assert "rm " in caught.value.fix


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"kind": "other"}'])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vote.ckpt"
    path.write_text(content)
    with pytest.raises(AttributionError, match="no checkpoint of a vote, or it is damaged"):
        vote(planted(), batches(), "plain", 3, checkpoint=path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(AttributionError, match="damaged"):
        vote(planted(), batches(), "plain", 3, checkpoint=tmp_path / "folder")


def test_a_checkpoint_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AttributionError, match="cannot be written"):
        vote(planted(), batches(), "plain", 3, checkpoint=tmp_path / "file" / "vote.ckpt")


def test_progress_is_told() -> None:
    told: list[tuple[int, int | None]] = []
    vote(planted(), batches(), "plain", 3, rows=42, progress=lambda *now: told.append(now))
    assert told == [(7 * n, 42) for n in range(1, 7)]


def test_the_record_is_in_the_file(tmp_path: Path) -> None:
    found = vote(planted(), batches(), ["plain", "minus"], 3, by="sample")
    for name in ("votes.csv", "votes.json"):
        found.save(tmp_path / name)
        read = Importance.load(tmp_path / name)
        assert read.votes == found.votes
        assert read.fingerprint == found.fingerprint
        assert read.to_json() == found.to_json()
    side = json.loads((tmp_path / "votes.csv.json").read_text())
    assert len(side["votes"]["winners"]) == 42


# --- inputs that cannot be judged --------------------------------------------------------------


def test_rows_that_are_not_finite_are_left_out_and_counted() -> None:
    data = batches()
    x, y = data[0]
    broken = x.clone()
    broken[2] = float("nan")
    found = vote(planted(), [(broken, y), *data[1:]], ["plain", "minus"], 3)
    keep = torch.arange(7) != 2
    wanted = vote(planted(), [(x[keep], y[keep]), *data[1:]], ["plain", "minus"], 3)
    assert found.votes is not None
    assert (found.votes.left_out, found.votes.non_finite, found.votes.inputs) == (1, 1, 42)
    assert "1 row with NaN or infinity left out" in found.notes
    assert plain(found) == plain(wanted)
    nothing = [(x * float("nan"), y) for x, y in data]
    with pytest.raises(
        AttributionError, match="none of 42 inputs can vote: 42 give scores with NaN"
    ):
        vote(planted(), nothing, ["plain"], 3)


def test_a_gain_that_is_not_finite_is_no_vote() -> None:
    def strict(output: Tensor, labels: Tensor | None) -> Tensor:
        return torch.where(output[:, 2] > output[:, 0], 0.0, float("inf"))

    net = planted()
    x = torch.cat([part for part, _ in batches()])
    x = x[strict(net(x), None) == 0]
    found = vote(net, [x], ["plain"], 5, loss=strict, normalize="none", sign="absolute")
    assert found.votes is not None
    assert (found.votes.groups, found.votes.abstained) == (1, 1)
    assert found.votes.methods[0].lists == 0


def test_a_callable_target_judges_a_model_without_class_scores() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = planted()

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"value": self.net(x)[:, 1]}

    x = torch.cat([part for part, _ in batches()])
    found = vote(Single(), [x], ["lrp"], 2, target=lambda output: output["value"])
    assert found.votes is not None
    assert found.votes.judged_by == "fall of the target"
    first = found.top(1, normalize="none")[0]
    assert first[:2] == ("net.2", 3)
    net = planted()
    hidden = net[:4](x)
    lists = [index for name, index, _ in found.top(2, normalize="none") if name == "net.2"]
    assert lists == [3] or 3 in lists
    hidden[:, lists] = 0
    assert found.votes.methods[0].gain is not None
    if len(lists) == 2:
        fall = (net(x)[:, 1] - net[4](hidden)[:, 1]).mean()
        assert found.votes.methods[0].gain == pytest.approx(float(fall))


@pytest.mark.parametrize("m", ["all", -1, 11])
def test_lists_of_every_neuron_have_no_winner(m: Any) -> None:
    with pytest.raises(SettingsError, match=r"(?s)every neuron.*none can win.*Give m below 11"):
        vote(planted(), batches(), ["plain", "minus"], m, mode="winner", sign="signed")
    alone = vote(planted(), batches(), ["plain"], m, mode="winner", sign="signed")
    assert alone.votes is not None
    weighted = vote(planted(), batches(), ["plain", "minus"], m, sign="signed")
    assert any("every neuron, so all weigh alike" in note for note in weighted.notes)
    speaking = vote(planted(), batches(), ["plain", "minus"], m, mode="winner")
    assert not any("every neuron" in note for note in speaking.notes)
