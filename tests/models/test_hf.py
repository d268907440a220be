"""Models of transformers from a folder, offline."""

from __future__ import annotations

import json
import socket
import sys

import pytest
import torch

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.loading import load
from tests import text_models

transformers = pytest.importorskip("transformers", reason="needs pip install transformers")


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def folder(tmp_path):
    return text_models.saved(tmp_path / "router")


def refusal(*arguments, **keywords):
    with pytest.raises(ModelLoadError) as caught:
        load(*arguments, **keywords)
    assert caught.value.fix
    return str(caught.value)


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("kind", ["DistilBert", "Bert", "Roberta"])
def test_the_saved_classifier_is_loaded_and_said(tmp_path, kind):
    folder = text_models.saved(
        tmp_path / "m", kind, **({"pad_token_id": 1} if kind == "Roberta" else {})
    )
    loaded = load(f"hf:{folder}")
    expected = text_models.model(kind, **({"pad_token_id": 1} if kind == "Roberta" else {}))
    assert type(loaded.module) is type(expected)
    assert not loaded.module.training
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, loaded.module.state_dict()[name])
    assert loaded.notes == (
        f"hf:{folder} is a {kind}ForSequenceClassification of transformers "
        "(classes: complaint, praise, question).",
    )


def test_paths_are_looked_up_from_the_project(folder, tmp_path):
    assert load("hf:router", root=tmp_path).module is not None


def test_random_weights_are_said(folder):
    loaded = load(f"hf:{folder}", weights="none")
    assert "it has learned nothing" in loaded.notes[-1]
    first, second = (m.state_dict() for m in (loaded.module, load(f"hf:{folder}").module))
    assert not torch.equal(first["classifier.weight"], second["classifier.weight"])


def test_weights_from_a_file(folder, tmp_path):
    state = {name: tensor + 1 for name, tensor in text_models.model().state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    loaded = load(f"hf:{folder}", weights="w.pt", root=tmp_path)
    assert torch.equal(loaded.module.state_dict()["classifier.bias"], state["classifier.bias"])


def test_a_pickled_state_dict_is_read_as_weights_only(folder):
    state = text_models.model().state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    loaded = load(f"hf:{folder}").module.state_dict()
    assert torch.equal(loaded["classifier.weight"], state["classifier.weight"])


class Harmful:
    def __reduce__(self):
        return (sys.exit, ("code was run",))


def test_a_pickle_that_runs_code_is_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"classifier.weight": Harmful()}, folder / "pytorch_model.bin")
    assert "cannot be loaded" in refusal(f"hf:{folder}")


def test_code_in_the_folder_is_never_run(folder):
    edit(folder, auto_map={"AutoModelForSequenceClassification": "evil.Model"})
    (folder / "evil.py").write_text("raise SystemExit('code was run')")
    text = refusal(f"hf:{folder}")
    assert "needs code that is not part of transformers" in text
    assert "--idc-model app/model.py:build" in text


def test_a_class_that_transformers_lacks(folder):
    edit(folder, architectures=["OursForSequenceClassification"])
    assert "its class OursForSequenceClassification is not in transformers" in refusal(
        f"hf:{folder}"
    )


def test_a_language_model_is_no_classifier(folder):
    edit(folder, architectures=["DistilBertForMaskedLM"])
    text = refusal(f"hf:{folder}")
    assert "holds a DistilBertForMaskedLM, which does not classify" in text


def test_a_head_that_was_never_saved_is_refused(tmp_path):
    text_models.model().distilbert.save_pretrained(tmp_path / "base")
    edit(tmp_path / "base", architectures=None)
    text = refusal(f"hf:{tmp_path / 'base'}")
    assert "lacks the weights classifier.bias, classifier.weight" in text


def test_folders_that_cannot_be_used(folder, tmp_path):
    assert "Did you mean router" in refusal("hf:./ruoter", root=tmp_path)
    text = refusal("hf:ours/absent", root=tmp_path)
    assert "no model of that name in the local cache" in text
    assert "--idc-download" in text
    assert "is a file" in refusal(f"hf:{folder / 'config.json'}")
    (folder / "model.safetensors").unlink()
    assert "has no weights (model.safetensors)" in refusal(f"hf:{folder}")
    (folder / "config.json").write_text("{")
    assert "config.json cannot be read" in refusal(f"hf:{folder}")
    (folder / "config.json").unlink()
    assert (
        f"has no config.json (it holds: {', '.join(sorted(p.name for p in folder.iterdir()))})"
        in refusal(f"hf:{folder}")
    )


def test_a_name_is_found_in_the_local_cache(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snapshot = tmp_path / "hub" / "models--ours--router" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    folder.rename(snapshot)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr(
        "huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "hub")
    )
    assert load("hf:ours/router").module is not None


def test_a_download_fetches_neither_code_nor_pickles(folder, monkeypatch):
    asked = {}

    def fetch(name, allow_patterns):
        asked[name] = allow_patterns
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    load("hf:ours/absent", download=True)
    assert not [p for p in asked["ours/absent"] if p.endswith((".py", ".bin", "*"))]


def test_the_missing_library_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'pytest-deepimportance[hf]'" in refusal(f"hf:{folder}")
