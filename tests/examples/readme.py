"""Output blocks of README and docs: where they come from, and how they are compared.

A block is named by a comment `<!-- readme: NAME -->` on the line before it and starts with `$ command`.
`python -m tests.examples.readme [NAME ...]` writes the real output into the pages; the test compares. What
differs from machine to machine and run to run (times, versions, folders) is shortened the same way in both.
Blocks whose names begin with mnist need MNIST in the shared folder, those with text transformers.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (
    README,
    *(
        ROOT / "docs" / name
        for name in (
            "without-pytest.md",
            "demo.md",
            "beside-coverage.md",
            "audit.md",
            "text-models.md",
            "suggest.md",
            "voting.md",
            "importance.md",
            "attribution.md",
        )
    ),
)
BLOCK = re.compile(r"<!-- readme: (\w+) -->\n```\n(.*?)```\n", re.DOTALL)

_DIGITS = (
    "../fixtures/digits_lenet.pth --factory app.model:DigitsLeNet "
    "--reference app.data:load_reference"
)
_MNIST = (
    "../../fixtures/mnist_lenet5.safetensors --factory mnist_app.model:MnistLeNet "
    "--data-root ../../data --reference torchvision:MNIST:train"
)

_TEXT = (
    "hf:router --reference router/train.jsonl --inputs router/test.jsonl "
    "--inputs router/no_questions.jsonl"
)

COMMANDS = {
    "screen": "python -m pytest sample_project",
    "layers": "deepimportance layers ../fixtures/digits_lenet.pth --factory app.model:DigitsLeNet",
    "failed": "python -m pytest -q --idc-fail-under clean/share=0.999 tests/test_clean.py",
    "profile": "deepimportance profile build ../fixtures/digits_lenet.pth "
    "--factory app.model:DigitsLeNet --reference app.data:load_reference -o digits.idc",
    "measure": f"deepimportance measure {_DIGITS} --inputs clean=app.data:load_test --fail-under share=0.995",
    "calibrate": f"deepimportance calibrate {_DIGITS} --inputs clean=app.data:load_test --write",
    "drift": f"deepimportance drift app.data:load_test {_DIGITS} --fail-under p=0.001",
    "attribution": f"deepimportance profile build {_DIGITS} --importance-method lig "
    "--attribution-steps 20 --importance-samples 200 -o lig.idc",
    "vote": f"deepimportance vote {_DIGITS} --batch-size 64 --methods lrp,deeplift,activation,conductance --m 6 "
    "--out votes.csv",
    "selfcheck": "deepimportance selfcheck",
    "suggest": f"deepimportance suggest app.data:load_test {_DIGITS} --inputs app.data:load_test "
    "--input-samples 60 -n 10",
    "importance": f"deepimportance importance {_DIGITS} --classes each --json digits.json "
    "--plots pictures",
    "importance_methods": f"deepimportance importance {_DIGITS} --layers fc1,fc2 --m 5 "
    "--method lrp,deeplift,random --inputs app.data:load_test",
    "tree": f"deepimportance layers {_DIGITS} --tree",
    "selector": f"deepimportance selector fit {_DIGITS} --m 5 "
    "--method lrp,deeplift,internal-influence,activation -o digits.safetensors",
    "mnist_measure": f"deepimportance measure {_MNIST} --reference-samples all --inputs torchvision:MNIST:test",
    "mnist_calibrate": f"deepimportance calibrate {_MNIST} --inputs torchvision:MNIST:test --input-samples 1000",
    "mnist_drift": f"deepimportance drift torchvision:MNIST:test {_MNIST} --reference-samples all",
    "demo_forgot": "python -m pytest --idc-fail-under=none tests/test_without_789.py",
    "demo_gate": "python -m pytest --idc-fail-under without_789/share=0.95 "
    "tests/test_without_789.py",
    "mnist_audit": f"deepimportance measure {_MNIST} --inputs torchvision:MNIST:test "
    "--fail-under share=0.99 --report audit:idc-audit",
    "mnist_demo": "python benchmarks/demo.py mnist --draws 0",
    "leak": f"deepimportance measure {_DIGITS} --inputs clean=app.data:load_test "
    "--inputs wrong=app.data:load_reference --input-samples 200",
    "mnist_leak": f"deepimportance measure {_MNIST} --reference-samples all "
    "--inputs clean=torchvision:MNIST:test --inputs wrong=torchvision:MNIST:train "
    "--input-samples 1000",
    "text_measure": f"deepimportance measure {_TEXT} --criteria IDC,NC,TKNC",
    "text_layer": f"deepimportance measure {_TEXT} --criteria IDC,NC,TKNC "
    "--layer distilbert.transformer.layer.0.ffn.lin1",
}
"""Block name -> command."""

FOLDERS = {
    "screen": ".",
    **{name: "sample_project/mnist" for name in COMMANDS if name[:5] == "mnist"},
    "mnist_demo": str(ROOT),
    "text_measure": "fixtures",
    "text_layer": "fixtures",
}
"""Where a command runs, when not in sample_project."""


def checkout(folder: Path) -> Path:
    """Copy what the commands need into `folder`."""
    for part in ("sample_project", "fixtures"):
        shutil.copytree(
            ROOT / part,
            folder / part,
            ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", "*.idc"),
        )
    return folder


def mnist_raw() -> Path:
    """Return where the MNIST files are, compressed; they may be absent."""
    from tests.oracles.paper import SHARED

    return SHARED / "data" / "mnist" / "MNIST" / "raw"


def unpack_mnist(folder: Path) -> None:
    """Put MNIST where the commands look for it."""
    target = folder / "data" / "MNIST" / "raw"
    target.mkdir(parents=True, exist_ok=True)
    for packed in mnist_raw().glob("*.gz"):
        (target / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))


def run(name: str, folder: Path) -> tuple[int, str]:
    """Run the command of a block; return its exit status and its output, shortened."""
    shared = {}
    if name.startswith("mnist"):
        unpack_mnist(folder)
        shared = {"IDC_SHARED": str(mnist_raw().parents[3])}
    scripts = str(Path(sys.executable).parent)
    # With CI set, pytest prints its summary lines in full.
    ours = ("PYTEST_", "IDC_", "COV_", "CI", "BUILD_NUMBER")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment = {
        **clean,
        **shared,
        "PATH": scripts + os.pathsep + os.environ["PATH"],
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    result = subprocess.run(
        COMMANDS[name].split(),
        cwd=folder / FOLDERS.get(name, "sample_project"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return result.returncode, shortened(f"$ {COMMANDS[name]}\n{result.stdout}{result.stderr}")


def shortened(text: str) -> str:
    """Leave out what differs between machines and runs."""
    lines = [
        line.rstrip()
        for line in text.splitlines()
        if not line.startswith(
            ("platform ", "rootdir: ", "plugins: ", "cachedir: ", "configfile: ")
        )
        and "nanobind" not in line
        and not line.startswith((" - leaked", " - ... skipped"))
    ]
    joined = "\n".join(lines) + "\n"
    joined = re.sub(r"=+ (.* in) [\d.]+s( \(.*\))? =+", r"==== \1 1.23s ====", joined)
    joined = re.sub(r"\b(\d+ (?:passed|failed).* in) [\d.]+s", r"\1 1.23s", joined)
    joined = re.sub(r"\([\d,]+ bytes\)", "(... bytes)", joined)
    joined = re.sub(r"^profile    [0-9a-f]{16}$", "profile    ...", joined, flags=re.MULTILINE)
    names = (
        "torch|numpy|scipy|scikit-learn|safetensors|pytest|python|platform|pytest-deepimportance"
    )
    joined = re.sub(rf"^({names})  +\S+$", r"\1 ...", joined, flags=re.MULTILINE)
    return re.sub(r"balance \S+", "balance ...", joined)


def blocks() -> dict[str, str]:
    """Return the named blocks as they stand in the pages."""
    return {
        name: text
        for page in PAGES
        for name, text in BLOCK.findall(page.read_text(encoding="utf-8"))
    }


def main(names: list[str]) -> None:
    """Write the real output of the named blocks (default: all) into the pages."""
    import tempfile

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in [name for name, _ in BLOCK.findall(text) if name in (names or COMMANDS)]:
            with tempfile.TemporaryDirectory() as place:
                output = run(block, checkout(Path(place)))[1]
            text = BLOCK.sub(
                lambda match, block=block, output=output: (
                    match[0]
                    if match[1] != block
                    else f"<!-- readme: {block} -->\n```\n{output}```\n"
                ),
                text,
            )
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
