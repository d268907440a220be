"""What a model file is, judged by its content, and why some files are refused."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from pytest_deepimportance.errors import ModelLoadError, nearest

SAFETENSORS, TORCH, PICKLE, EXPORTED = "safetensors", "torch", "pickle", "exported"
"""Kinds of model files: safetensors; `torch.save` (zip or the older stream); a bare pickle or the
oldest tar format of torch, which only unpickling can read; `torch.export.save` (.pt2)."""

_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LFS = b"version https://git-lfs"
_SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "a Keras / HDF5 file",
    b"\x93NUMPY": "a NumPy array file",
    b"GGUF": "a GGUF file",
    b"\x1f\x8b": "a gzip-compressed file",
    b"\x89PNG": "a PNG image",
}
_SAVE_AGAIN = "Save the weights with torch.save(model.state_dict(), 'weights.pt') or safetensors."


def classify(path: Path) -> str:
    """Return the kind of the model file at `path`.

    The content decides, never the suffix: a TorchScript archive may well be called `.pt`.

    Raises:
        ModelLoadError: The file is absent, a pointer to the real one, damaged, TorchScript, or not
            a model at all; the message says which, and what to type.
    """
    if not path.exists():
        raise _absent(path)
    if path.is_dir():
        raise _folder(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise ModelLoadError(
            f"{path} cannot be opened: {error.strerror}", fix="Check its permissions."
        ) from error
    _refuse_pointers(path, head)
    if head.startswith(b"PK\x03\x04"):
        return _classify_zip(path)
    # Before the older torch format: torch.load itself tries tar first, and up to torch 2.5 ran code
    # from it even with weights_only=True. A tar may begin with any bytes (its first file name).
    if head.strip(b"\0") and tarfile.is_tarfile(path):
        return PICKLE
    if head.startswith(_LEGACY_TORCH):
        return TORCH
    if _is_safetensors(path, head):
        return SAFETENSORS
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    raise _not_a_model(path, head)


def _classify_zip(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        raise ModelLoadError(
            f"{path} is a truncated file ({path.stat().st_size:,} bytes): it begins like a torch "
            "archive, but its end is missing",
            fix="Copy or download it again.",
        )
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    leaves = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in leaves:
        raise torchscript(str(path))
    if leaves & {"archive_format", "serialized_exported_program.json"}:
        return EXPORTED
    if "data.pkl" in leaves:
        return TORCH
    raise ModelLoadError(
        f"{path} is a zip archive, but not one of torch (it holds {', '.join(names[:3])})",
        fix=_SAVE_AGAIN,
    )


def torchscript(what: str) -> ModelLoadError:
    """Return the refusal of TorchScript for `what`."""
    return ModelLoadError(
        f"{what} is a TorchScript model",
        "Forward hooks on scripted modules are never called, so its coverage would always be zero.",
        "Give the original network and its weights, torch.jit.load(FILE).state_dict(): "
        "--idc-model weights.pt --idc-factory app.model:Classifier",
    )


def _absent(path: Path) -> ModelLoadError:
    if path.is_symlink():
        return ModelLoadError(
            f"{path} is a link to {path.readlink()}, which is not there",
            fix="Fetch the content it stands for (git annex get, dvc pull, or mount the disk).",
        )
    for place in (path, *path.parents):
        stub = place.with_name(place.name + ".dvc") if place.name else place
        if place.name and stub.is_file():
            return _dvc(path, stub)
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    what = f"there is no model file {path}"
    if folder != path.parent:
        missing = path.relative_to(folder).parts[0]
        what += f" (the folder {folder / missing} does not exist)"
        close = nearest(missing, (entry.name for entry in folder.iterdir()))
    else:
        close = nearest(path.name, (entry.name for entry in folder.iterdir()))
    near = " or ".join(str(folder / name) for name in close)
    return ModelLoadError(
        what,
        fix=f"Did you mean {near}?"
        if near
        else "Check --idc-model (or idc_model in pytest's ini).",
    )


def _folder(path: Path) -> ModelLoadError:
    if (path / "config.json").is_file():
        return ModelLoadError(
            f"{path} is a folder of Hugging Face transformers, not a model file",
            fix="Write a function that builds it and name that: def build(): return "
            f"AutoModelForImageClassification.from_pretrained({str(path)!r})  ->  "
            "--idc-model app/model.py:build",
        )
    suffixes = {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".pt2"}
    files = sorted(entry.name for entry in path.iterdir() if entry.suffix in suffixes)
    hint = f"It holds: {', '.join(files[:5])}." if files else "It holds no model file."
    return ModelLoadError(f"{path} is a folder, not a model file", fix=hint)


def _dvc(path: Path, stub: Path) -> ModelLoadError:
    return ModelLoadError(
        f"{path} is not here, only its DVC stub {stub}",
        "The stub names the file; DVC fetches the content.",
        f"Run: dvc pull {stub}",
    )


def _refuse_pointers(path: Path, head: bytes) -> None:
    if head.startswith(_LFS):
        raise ModelLoadError(
            f"{path} is a Git LFS pointer of {path.stat().st_size} bytes, not the model itself",
            "Git has checked out the pointer; the content is fetched by Git LFS.",
            "Run: git lfs pull   (in GitHub Actions: actions/checkout with 'lfs: true')",
        )
    if path.suffix == ".dvc" or (head.startswith(b"outs:") and b"md5:" in head):
        raise _dvc(path.with_suffix("") if path.suffix == ".dvc" else path, path)


def _is_safetensors(path: Path, head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return path.suffix == ".safetensors" or (0 < length < 1 << 27 and head[8:9] == b"{")


def _not_a_model(path: Path, head: bytes) -> ModelLoadError:
    if not head:
        return ModelLoadError(f"{path} is empty (0 bytes)", fix="Copy or download it again.")
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return ModelLoadError(f"{path} is {name}, not a PyTorch model", fix=_SAVE_AGAIN)
    if path.suffix == ".onnx":
        return ModelLoadError(
            f"{path} is an ONNX model",
            "Its nodes are not PyTorch modules that could be watched.",
            "Give the PyTorch network it was exported from.",
        )
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() or any(mark in text for mark in "\n\t\r"):
        if path.suffix == ".py":
            hint = f"Name the function or class that builds the model: {path}:NAME"
        else:
            hint = _SAVE_AGAIN
        first = text.strip().splitlines()[0][:60] if text.strip() else ""
        if first:
            return ModelLoadError(
                f"{path} is a text file, not a model; it begins with {first!r}", fix=hint
            )
    return ModelLoadError(
        f"{path} is not a model: its content ({path.stat().st_size:,} bytes, beginning with "
        f"{head[:8].hex(' ')}) is of no known format",
        "Known are torch.save (zip or older), safetensors and torch.export (.pt2).",
        "If it was a model, it is damaged: copy or download it again.",
    )
