from __future__ import annotations

import pytest

from tests.cli.conftest import Run


def table(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()[1:4]]


WANTED = [
    ["0", "fc1", "Linear", "10", "after", "relu"],
    ["1", "fc2", "Linear", "14", "after", "relu#1", "default"],
    ["2", "fc3", "Linear", "3", "its", "output", "output"],
]


@pytest.mark.parametrize(
    ("arguments", "origin"),
    [
        (("app.py:net",), "input shape guessed: (4,)"),
        (("app.py:half",), "input shape guessed: (4,)"),
        (("net.pth", "--factory", "app.py:net"), "guessed"),
        (("net.pth", "--idc-factory", "app.py:net"), "guessed"),
        (("app.py:net", "--input-shape", "4"), "input shape given: (4,)"),
        (("app.py:half", "--input-shape", "4"), "input shape given: (4,)"),
        (("app.py:net", "--input-shape", "(4,)"), "input shape given: (4,)"),
        (("app.py:net", "--reference", "app.py:train"), "input from app.py:train"),
    ],
)
def test_what_would_be_measured(run: Run, arguments: tuple[str, ...], origin: str) -> None:
    code, out, err = run("layers", *arguments)
    assert (code, err) == (0, "")
    assert table(out) == WANTED
    assert origin in out


def test_models_that_read_tokens(run: Run) -> None:
    code, out, _ = run("layers", "app.py:reader")
    assert (code, "input shape guessed: (8,)" in out) == (0, True)
    code, out, _ = run("layers", "app.py:reader", "--input-shape", "5")
    assert (code, "input shape given: (5,) of tokens" in out) == (0, True)
    code, _, err = run("layers", "app.py:reader", "--input-shape", "40")
    assert code == 2
    assert "torch.FloatTensor" not in err


def test_before_the_activation(run: Run) -> None:
    _, out, _ = run("layers", "app.py:net", "--tap", "pre")
    assert table(out)[1][:4] == ["1", "fc2", "Linear", "14"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("app.py:net", "--input-shape", "5"), "2x5 and 4x10"),
        (("app.py:net", "--input-shape", "a,b"), "not a list of numbers"),
        (("app.py:net", "--input-shape", "-4"), "numbers from 1"),
        (("app.py:net", "--input-shape", "0"), "numbers from 1"),
        (("app.py:net", "--input-shape", ""), "--input-shape 1,28,28"),
        (("app.py:picky",), "Give one: --input-shape"),
        (("app.py:nett",), "net"),
        (("net.pth",), "--idc-factory"),
        (("app.py:net", "--reference", "app.py:trian"), "train"),
        (("app.py:net", "--tap", "mid"), "post, pre"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], hint: str) -> None:
    code, out, err = run("layers", *arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


def test_a_model_without_hidden_layer_is_listed_without_default(run: Run) -> None:
    code, out, _ = run("layers", "app.py:nothing_hidden")
    assert code == 0
    assert "default" not in out
