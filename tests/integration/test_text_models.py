"""A text classifier of transformers in a user's project: marked tests, and the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from pytest_deepimportance.cli.main import main
from tests import text_models
from tests.integration.conftest import Project

pytest.importorskip("transformers", reason="needs pip install transformers")

TEST = """
    import json
    import pytest
    import torch
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained("router")
    rows = [json.loads(line) for line in open("test.jsonl")]

    @pytest.mark.idc_suite
    @pytest.mark.parametrize("start", range(0, 60, SIZE))
    def test_route(idc_model, idc, start):
        part = rows[start : start + SIZE]
        batch = words([row["text"] for row in part], padding=PADDING, return_tensors="pt", MORE)
        batch["labels"] = torch.tensor([row["label"] for row in part])
        with torch.no_grad():
            output = idc_model(**batch)
        assert output.logits.shape == (len(part), 3)
"""


def suite_of(size: int, padding: str = "True", more: str = "max_length=24") -> str:
    return TEST.replace("SIZE", str(size)).replace("PADDING", padding).replace("MORE", more)


@pytest.fixture
def router(project: Project) -> Project:
    """A folder with model and tokenizer, texts with the classes that the model predicts.

    In double precision, so that no value lies within rounding of a boundary.
    """
    text_models.saved(project.path / "router", double=True)
    model, words = text_models.model(), text_models.tokenizer()
    words.model_input_names = ["input_ids", "attention_mask"]
    for name, count, seed in (("train", 300, 0), ("test", 60, 1)):
        texts = text_models.sentences(count, seed)
        with torch.no_grad():
            scores = model(**words(texts, padding=True, return_tensors="pt")).logits
        rows = [
            json.dumps({"text": text, "label": label})
            for text, label in zip(texts, scores.argmax(1).tolist(), strict=True)
        ]
        project.write(f"{name}.jsonl", "\n".join(rows))
    project.ini(model="hf:router", reference="train.jsonl")
    return project


def measured(project: Project, body: str) -> dict[str, Any]:
    project.write("test_router.py", body)
    result = project.run("-p", "no:cacheprovider")
    result.assert_outcomes(passed=result.parseoutcomes()["passed"])
    result.stdout.fnmatch_lines(
        ["*Importance-Driven Coverage (IDC)*", "*hf:router*", "IDC total:*"]
    )
    return project.report()


def numbers(report: dict[str, Any]) -> dict[str, Any]:
    """What is covered; CC and NLC depend on the order of the inputs by definition."""
    rows = report["total"]["criteria"].items()
    return {
        name: (row["covered"], row["total"]) for name, row in rows if name[:2] not in ("CC", "NL")
    }


def test_marked_tests_that_call_the_model_as_transformers_do(router: Project):
    report = measured(router, suite_of(10))
    assert report["total"]["inputs"] == 60
    assert report["total"]["criteria"]["IDC"]["covered"] > 0
    assert report["profile"]["importance"]["balance"] < 1e-3
    assert report["reference"]["class_names"] == list(text_models.LABELS)
    assert "DistilBertForSequenceClassification" in report["model"]["notes"][0]
    assert report["total"]["correct"] == report["total"]["labelled"] == 60


def test_how_texts_are_padded_changes_no_number(router: Project):
    """One text a call, batches, and batches padded far: the same inputs, the same items."""
    one, ten, far = (
        measured(router, body) for body in (suite_of(1), suite_of(10), suite_of(20, "'max_length'"))
    )
    assert numbers(one) == numbers(ten) == numbers(far)
    for report in (one, ten, far):
        assert report["total"]["inputs"] == 60


def test_the_command_line_gives_the_same_numbers(
    router: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    inside = measured(router, suite_of(10))
    monkeypatch.chdir(router.path)
    status = main(
        ["measure", "hf:router", "--reference", "train.jsonl", "--inputs", "test.jsonl",
         "--report", "json:out.json"]
    )  # fmt: skip
    assert status == 0
    assert "hf:router" in capsys.readouterr().out
    outside = json.loads((router.path / "out.json").read_text())["reports"][0]
    assert numbers(outside) == numbers(inside)


def test_a_model_of_a_fixture_with_texts_as_reference(router: Project):
    router.write(
        "conftest.py",
        """
        import pytest
        from transformers import AutoModelForSequenceClassification

        @pytest.fixture(scope="session")
        def idc_model():
            return AutoModelForSequenceClassification.from_pretrained("router").eval()
        """,
    )
    router.ini("idc_transform = hf:router", model="", reference="train.jsonl")
    router.write("test_router.py", suite_of(10))
    router.run("-p", "no:cacheprovider")
    report = router.report()
    assert report["total"]["inputs"] == 60
    assert report["reference"]["class_names"] == list(text_models.LABELS)


def test_a_layer_that_no_relevance_reaches_is_said(router: Project):
    router.ini(
        "idc_layer = distilbert.transformer.layer.0.attention.q_lin",
        model="hf:router", reference="train.jsonl",
    )  # fmt: skip
    router.write("test_router.py", suite_of(10))
    router.run("-p", "no:cacheprovider")
    remarks = router.report()["remarks"]
    assert any(text.startswith("no relevance reaches distilbert") for text in remarks)


def test_a_missing_folder_may_be_skipped(router: Project):
    router.ini("idc_missing = skip", model="hf:./absent", reference="train.jsonl")
    router.write("test_none.py", "import pytest\n@pytest.mark.idc_suite\ndef test_it(): pass\n")
    result = router.run("-p", "no:cacheprovider", "test_none.py")
    assert "hf:./absent is absent" in result.stdout.str()


def test_longer_than_the_models_positions(
    router: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    router.write(
        "words.py",
        """
        import torch
        def tokenise(texts):
            return {"input_ids": torch.ones(len(texts), 30, dtype=torch.int64),
                    "attention_mask": torch.ones(len(texts), 30, dtype=torch.int64)}
        def unknown(texts):
            return {"input_ids": torch.full((len(texts), 5), 99),
                    "attention_mask": torch.ones(len(texts), 5, dtype=torch.int64)}
        """,
    )
    monkeypatch.chdir(router.path)
    monkeypatch.syspath_prepend(str(router.path))
    given = ["measure", "hf:router", "--reference", "train.jsonl", "--inputs", "test.jsonl"]
    assert main([*given, "--transform", "words:tokenise"]) != 0
    said = capsys.readouterr().err
    assert "30 tokens" in said
    assert "distilbert.embeddings.position_embeddings has 24 entries" in said
    assert main([*given, "--transform", "words:unknown"]) != 0
    said = capsys.readouterr().err
    assert "token 99" in said
    assert "distilbert.embeddings.word_embeddings has 14 entries" in said


def test_a_later_row_that_does_not_fit_is_said_too(
    router: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    router.write(
        "words.py",
        """
        from transformers import AutoTokenizer

        WORDS = AutoTokenizer.from_pretrained("router")

        def tokenise(texts):
            batch = dict(WORDS(texts, padding=True, return_tensors="pt"))
            if any("zap" in text for text in texts):
                batch["input_ids"][-1, 1] = 99
            return batch
        """,
    )
    fine = (router.path / "train.jsonl").read_text()
    router.write("odd.jsonl", fine + '\n{"text": "zap late"}')
    monkeypatch.chdir(router.path)
    monkeypatch.syspath_prepend(str(router.path))
    for reference, inputs in (("odd.jsonl", "test.jsonl"), ("train.jsonl", "odd.jsonl")):
        given = ["measure", "hf:router", "--reference", reference, "--inputs", inputs]
        assert main([*given, "--transform", "words:tokenise", "--batch-size", "32"]) != 0
        said = capsys.readouterr().err
        assert "odd.jsonl does not fit the model: input_ids holds token 99" in said
        assert "Traceback" not in said
