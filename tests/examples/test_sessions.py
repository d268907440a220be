"""What docs pages show is what a reader sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples import sessions


@pytest.mark.parametrize("page", sessions.SESSIONS)
def test_sessions_are_real(page: str, tmp_path: Path) -> None:
    text = (sessions.DOCS / page).read_text(encoding="utf-8")
    shown = {name: block for _, name, block, _ in sessions.BLOCK.findall(text)}
    assert set(shown) == set(sessions.SESSIONS[page])
    assert sessions.captured(page, tmp_path) == shown


@pytest.mark.parametrize("page", sessions.SESSIONS)
def test_links_lead_somewhere(page: str) -> None:
    text = (sessions.DOCS / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (sessions.DOCS / link).exists(), link
