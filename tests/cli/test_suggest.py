"""`deepimportance suggest` on a small model."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from pytest_deepimportance import build_profile, item_matrix
from tests.cli.conftest import Run
from tests.oracles import reference_suggest
from tests.profile.builders import Mlp, rows

NET = ("net.pth", "--factory", "app.py:net")
AGAINST = (*NET, "--reference", "app.py:train")
SUITE = ("--inputs", "suite.npz")


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    x, y = (part.numpy() for part in rows(40, seed=2))
    np.savez(folder / "suite.npz", x=x, y=y)
    px, py = (part.numpy() for part in rows(150, seed=3))
    px = np.concatenate([x[:5], px, px[:7]])  # five inputs of the suite, seven twice
    py = np.concatenate([y[:5], (py + 1) % 3, py[:7]])
    np.savez(folder / "pool.npz", x=px, y=py)
    np.savez(folder / "bare.npz", x=px)
    px = px.copy()
    px[[6, 9]] = np.nan
    np.savez(folder / "broken.npz", x=px)
    np.savez(folder / "same.npz", x=x)


def suggested(run: Run, folder: Path, *arguments: str) -> dict[str, object]:
    code, _, err = run("suggest", *arguments, "--out", "next.json")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads((folder / "next.json").read_text())
    return found


def test_the_screen(run: Run) -> None:
    code, out, err = run("suggest", "pool.npz", *AGAINST, *SUITE, "-n", "12")
    assert (code, err) == (0, "")
    for text in ("suite      40 inputs: IDC ", "pool.npz: 150 new inputs, which would add",
                 "pool[", "like it in reference", "suggested", "random", "max-softmax", "gini",
                 "errors found", "and 2 more (--out FILE.csv", "12 rows of the pool left out"):  # fmt: skip
        assert text in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("criterion", ["IDC", "KMNC", "TKNP"])
def test_suggestions_equal_the_greedy_choice_over_sets(
    run: Run, folder: Path, criterion: str
) -> None:
    found = suggested(
        run, folder, "pool.npz", *AGAINST, *SUITE, "-n", "30", "--criterion", criterion
    )
    profile = build_profile(Mlp(), rows(200, wrong=10), criteria=criterion)
    suite = item_matrix(Mlp(), profile, rows(40, seed=2), criterion).of(criterion)
    pool_x = np.load(folder / "pool.npz")["x"]
    pool = item_matrix(Mlp(), profile, pool_x, criterion).of(criterion)
    sets = [set(pool.keys[pool.select([row]).indices].tolist()) for row in range(len(pool))]
    covered = set(suite.keys.tolist())
    chosen = found["chosen"]
    assert isinstance(chosen, list)
    order = [item["index"] for item in chosen] + list(range(5, 155))
    wanted = list(dict.fromkeys(order))
    expected = reference_suggest.greedy(covered, sets, wanted, 30)
    assert [(i["index"], i["new_items"]) for i in chosen if i["new_items"]] == expected
    assert found["covered"] == len(covered)
    assert found["addable"] == reference_suggest.added(covered, sets, range(len(sets)))
    ways = {way["name"]: way for way in found["strategies"]}  # type: ignore[attr-defined]
    assert ways["suggested"]["new_items"] == sum(gain for _, gain in expected)
    assert ways["suggested"]["new_items"] >= ways["random"]["new_items"]


def test_ties_go_to_what_most_of_the_reference_does(run: Run, folder: Path) -> None:
    found = suggested(run, folder, "pool.npz", *AGAINST, *SUITE, "-n", "30", "--m", "5")
    chosen = found["chosen"]
    assert isinstance(chosen, list)
    adding = [item for item in chosen if item["new_items"]]
    assert len(adding) > 2
    like = [item["reference_rows"] for item in adding]
    assert like == sorted(like, reverse=True)
    rest = [item["max_softmax"] for item in chosen[len(adding) :]]
    assert rest == sorted(rest)


def test_max_softmax_and_gini_count_errors(run: Run, folder: Path) -> None:
    found = suggested(run, folder, "pool.npz", *AGAINST, *SUITE, "-n", "150")
    ways = {way["name"]: way for way in found["strategies"]}  # type: ignore[attr-defined]
    assert {way["errors"] for way in ways.values()} == {found["errors"]}
    assert {way["new_items"] for way in ways.values()} == {found["addable"]}
    assert ways["random"]["new_items_sd"] == 0


def test_without_a_suite_or_labels(run: Run, folder: Path) -> None:
    found = suggested(run, folder, "bare.npz", *AGAINST, "-n", "5")
    assert (found["suite_inputs"], found["covered"], found["errors"]) == (0, 0, None)
    notes = " ".join(found["notes"])  # type: ignore[arg-type]
    assert "no suite is given" in notes
    assert "no labels" in notes
    _, out, _ = run("suggest", "bare.npz", *AGAINST, "-n", "5")
    assert "new items  errors found" not in out


def test_rows_that_are_not_finite_keep_the_numbers_of_the_others(run: Run, folder: Path) -> None:
    whole = suggested(run, folder, "bare.npz", *AGAINST, *SUITE, "-n", "200")
    found = suggested(run, folder, "broken.npz", *AGAINST, *SUITE, "-n", "200")
    numbers = {item["index"] for item in found["chosen"]}  # type: ignore[attr-defined]
    expected = {item["index"] for item in whole["chosen"]}  # type: ignore[attr-defined]
    # Rows 6 and 9 are NaN; each occurs again at the end of the pool.
    assert numbers == (expected - {6, 9}) | {156, 159}


def test_the_page_documents_every_field_of_the_file(run: Run, folder: Path) -> None:
    found = suggested(run, folder, "pool.npz", *AGAINST, *SUITE, "-n", "2")
    page = (Path(__file__).parents[2] / "docs" / "suggest.md").read_text(encoding="utf-8")
    tables = re.findall(r"\| field \|.*?\n\n", page, re.DOTALL)
    cells = [[row.split("|")[1] for row in table.strip().splitlines()[2:]] for table in tables]
    listed = [re.findall(r"`(\w+)`", " ".join(column)) for column in cells if column]
    plain = {key: value for key, value in found.items() if key not in ("schema", "format")}
    first = found["chosen"][0], found["strategies"][0]  # type: ignore[index]
    assert [sorted(own) for own in listed] == [sorted(own) for own in (plain, *first)]


def test_csv(run: Run, folder: Path) -> None:
    code, out, _ = run("suggest", "pool.npz", *AGAINST, *SUITE, "-n", "12", "--out", "next.csv")
    assert code == 0
    assert "written    next.csv" in out
    lines = list(csv.DictReader((folder / "next.csv").open()))
    assert [line["rank"] for line in lines] == [str(rank) for rank in range(1, 13)]
    x = np.load(folder / "pool.npz")["x"]
    assert all(0 <= int(line["index"]) < len(x) for line in lines)


def test_rows_without_a_label_are_no_right_answers(run: Run, folder: Path) -> None:
    pool = dict(np.load(folder / "pool.npz"))
    pool["y"][::2] = -1
    np.savez(folder / "half.npz", **pool)
    found = suggested(run, folder, "half.npz", *AGAINST, *SUITE, "-n", "12")
    whole = suggested(run, folder, "pool.npz", *AGAINST, *SUITE, "-n", "12")
    assert whole["labelled"] == whole["pool_inputs"] == 150
    assert found["labelled"] == 75  # rows 5, 7, ... of 155, of which 0 to 4 are in the suite
    _, out, _ = run("suggest", "half.npz", *AGAINST, *SUITE, "-n", "12")
    assert f"(of the 75 labelled new inputs of the pool {found['errors']}, " in out
    assert "75 new inputs of the pool without a label" in " ".join(out.split())


def test_rows_that_are_not_finite_are_named(run: Run, folder: Path) -> None:
    found = suggested(run, folder, "broken.npz", *AGAINST, *SUITE, "-n", "200")
    assert "2 rows of the pool with NaN or infinity left out" in found["notes"]  # type: ignore[operator]
    found = suggested(run, folder, "same.npz", *AGAINST, "--inputs", "broken.npz", "-n", "2")
    assert "2 rows of the suite with NaN or infinity left out" in found["notes"]  # type: ignore[operator]


def test_fewer_inputs_than_asked_for_are_said(run: Run, folder: Path) -> None:
    found = suggested(run, folder, "pool.npz", *AGAINST, *SUITE, "-n", "151")
    text = "151 were asked for, but the pool holds only 150 new inputs"
    assert text in found["notes"]  # type: ignore[operator]


def test_classes_each_by_itself_need_labels(run: Run, folder: Path) -> None:
    built = run("profile", "build", *AGAINST, "--classes", "each", "-o", "each.idc")
    assert built[0] == 0
    each = (*NET, "--profile", "each.idc")
    for arguments in (("bare.npz", *each, *SUITE), ("pool.npz", *each, "--inputs", "bare.npz")):
        code, out, err = run("suggest", *arguments)
        assert (code, out) == (2, "")
        assert "has a label, and IDC counts inputs by their true class" in err
    pool = dict(np.load(folder / "pool.npz"))
    pool["y"][5:15] = -1
    np.savez(folder / "part.npz", **pool)
    found = suggested(run, folder, "part.npz", *each, *SUITE)
    assert found["model"] == NET[0]  # as with --reference
    assert "10 rows of the pool without a label: they cover nothing of IDC" in str(found["notes"])


@pytest.mark.parametrize("asked", ["idc", "Kmnc"])
def test_criteria_are_named_in_any_case(run: Run, folder: Path, asked: str) -> None:
    found = suggested(run, folder, "pool.npz", *AGAINST, *SUITE, "--criterion", asked)
    assert found == suggested(
        run, folder, "pool.npz", *AGAINST, *SUITE, "--criterion", asked.upper()
    )


def test_a_folder_of_images_without_class_folders_is_a_pool(run: Run, folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (folder / "images").mkdir()
    for number in (2, 0, 1):
        grey = np.full((1, 4), 40 * number + 9, dtype=np.uint8)
        image.fromarray(grey).save(folder / "images" / f"i{number}.png")
    (folder / "images" / "notes.txt").write_text("no image")
    (folder / "grey.py").write_text(
        "from torchvision.transforms import functional as F\n\n\n"
        "def flat(picture):\n    return F.to_tensor(picture.convert('L')).flatten()\n"
    )
    found = suggested(
        run, folder, "images", *AGAINST, *SUITE, "--input-transform", "grey.py:flat", "-n", "3"
    )
    assert (found["pool_inputs"], found["labelled"], found["errors"]) == (3, 0, None)
    assert "its 3 images are read in the order of their names, without labels" in str(found)
    x = np.stack([np.full(4, (40 * n + 9) / 255, dtype=np.float32) for n in range(3)])
    np.savez(folder / "same_images.npz", x=x)
    same = suggested(run, folder, "same_images.npz", *AGAINST, *SUITE, "-n", "3")
    assert found["chosen"] == same["chosen"]
    code, out, _ = run(
        "measure", *AGAINST, "--inputs", "images", "--input-transform", "grey.py:flat", "-vv"
    )
    assert (code, "images are read in the order of their names" in " ".join(out.split())) == (
        0,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("same.npz", *AGAINST, *SUITE), "holds no input that the suite lacks"),
        (("pool.npz", *NET), "nothing to measure against"),
        (("pol.npz", *AGAINST), "pool.npz"),
        (("pool.npz", *AGAINST, "-n", "0"), "-n 0"),
        (("pool.npz", *AGAINST, "--criterion", "NLC"), "covers nothing of NLC"),
        (("pool.npz", *AGAINST, "--criterion", "cc"), "what an input adds to CC depends on"),
        (("pool.npz", *AGAINST, "--criterion", "all"), "names more than one criterion"),
        (("pool.npz", *AGAINST, "--criterion", "IDK"), "IDC"),
        (("pool.npz", *AGAINST, "--out", "next.xlsx"), "must end in .csv or .json"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run("suggest", *arguments)
    assert (code, out) == (2, "")
    assert said in err
