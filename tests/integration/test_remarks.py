"""The notes of the screen: whole words there, and every one as text in the JSON report."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(X)
"""


def shown(result: pytest.RunResult) -> list[str]:
    """Return the notes on the screen, wrapped lines joined."""
    notes: list[str] = []
    for line in result.outlines:
        if line.startswith("note: "):
            notes.append(line.removeprefix("note: "))
        elif line.startswith("      ") and notes:
            notes[-1] += " " + line.strip()
    return notes


def test_the_json_report_holds_each_note_of_the_screen_and_those_it_leaves_out(
    project: Project,
) -> None:
    project.write("test_it.py", TEST)
    result = project.run()
    remarks = project.report()["remarks"]
    notes = shown(result)
    assert notes
    assert "more (in the JSON report)" in result.stdout.str()
    for note in notes:
        whole = next(text for text in remarks if text.startswith(note.removesuffix(" ...")))
        rest = whole.removeprefix(note.removesuffix(" ..."))
        assert not rest or rest.startswith(" "), note
    assert len(remarks) > len(notes)
    assert any(text.startswith("LSC: 4 of 8 neurons hardly vary") for text in remarks)
    assert any(text.startswith("m=3, lowered from 6") for text in remarks)
