"""Put a gate into a TOML file; everything else stays byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_deepimportance.cli.config_files import ConfigFile, parsed_toml
from pytest_deepimportance.cli.gate_entries import Gate
from pytest_deepimportance.errors import SettingsError

_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL
)
_KEY = re.compile(r"([A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*=[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_LINE = re.compile(r"[^\n]*\n?")


@dataclass(frozen=True)
class _Value:
    """A key of the table with the place of its value in the text."""

    key: str
    start: int
    end: int


class TomlEditor:
    """Edits the text of one table.

    Args:
        config: The file; its table exists.

    Raises:
        SettingsError: The table has no header line of its own (dotted or inline tables).
    """

    def __init__(self, config: ConfigFile) -> None:
        self.text = config.text
        self.end = "\r\n" if config.text.partition("\n")[0].endswith("\r") else "\n"
        parts = r"[ \t]*\.[ \t]*".join(map(re.escape, config.section.split(".")))
        header = re.compile(rf"^[ \t]*\[[ \t]*{parts}[ \t]*\][^\n]*(?:\n|\Z)", re.MULTILINE)
        found = header.search(self.text)
        if found is None:
            raise SettingsError(f"there is no line [{config.section}] in it")
        self.start = found.end()

    def edit(self, gate: Gate) -> tuple[str, list[str]]:
        """Return the new text and the thresholds in it."""
        self._set_m(gate)
        entries = self._set_thresholds(gate)
        return self.text, entries

    def _set_m(self, gate: Gate) -> None:
        found = self._find("idc_m")
        if found is None:
            self._append(f'idc_m = "{gate.m}"')
            gate.say_m(None)
            return
        old = self.text[found.start : found.end]
        self._replace(found, str(gate.m) if old.isdigit() else f'"{gate.m}"')
        gate.say_m(old.strip("\"'"))

    def _set_thresholds(self, gate: Gate) -> list[str]:
        found = self._find("idc_fail_under")
        if found is None:
            merged = gate.merged([])
            self._append(f"idc_fail_under = {self._array(merged)}")
            return merged
        value = self.text[found.start : found.end]
        if not value.startswith("["):
            old = parsed_toml(f"x = {value}")["x"]
            merged = gate.merged([line.strip() for line in str(old).splitlines() if line.strip()])
            self._replace(found, self._array(merged))
            return merged
        places = list(_strings(value))
        merged = gate.merged([text for _, _, text in places])
        self._replace(found, self._edited_array(value, places, merged))
        return merged

    def _array(self, texts: list[str]) -> str:
        rows = "".join(f"    {_quoted(text)},{self.end}" for text in texts)
        return f"[{self.end}{rows}]"

    def _edited_array(
        self, value: str, places: list[tuple[int, int, str]], merged: list[str]
    ) -> str:
        if not places and "\n" not in value:
            return self._array(merged)
        if not places:  # comments only: they stay
            rows = "".join(f"    {_quoted(text)},{self.end}" for text in merged)
            return value[:-1].rstrip(" \t") + rows + "]"
        added = merged[len(places) :]
        last_start, last_end, _ = places[-1]
        line_start = value.rfind("\n", 0, last_start) + 1
        indent = value[line_start:last_start]
        many = "\n" in value and not indent.strip()
        joint = f",{self.end}{indent}" if many else ", "
        value = value[:last_end] + "".join(joint + _quoted(t) for t in added) + value[last_end:]
        for (start, end, old), new in reversed(list(zip(places, merged, strict=False))):
            if old != new:
                value = value[:start] + _quoted(new, value[start]) + value[end:]
        return value

    def _append(self, line: str) -> None:
        """Put a line behind the table's last value, or right under its header."""
        last = max((value.end for value in self._values()), default=None)
        if last is not None:
            rest = _LINE.match(self.text, last)  # a comment behind the value
            assert rest is not None
            at = rest.end()
        else:
            at = self.start
        before = self.text[:at]
        if not before.endswith("\n"):
            before += self.end
        self.text = before + line + self.end + self.text[at:]

    def _replace(self, value: _Value, text: str) -> None:
        self.text = self.text[: value.start] + text + self.text[value.end :]

    def _find(self, key: str) -> _Value | None:
        return next((value for value in self._values() if value.key == key), None)

    def _values(self) -> Iterator[_Value]:
        at = self.start
        while True:
            space = _SPACE.match(self.text, at)
            assert space is not None
            at = space.end()
            if self.text[at : at + 1] in ("", "["):
                return
            found = _KEY.match(self.text, at)
            if found is None:  # a dotted key: its value is passed over
                equals = self.text.find("=", at)
                if equals < 0:
                    return
                at = _value_end(self.text, equals + 1)
                continue
            end = _value_end(self.text, found.end())
            yield _Value(found[1].strip("\"'"), found.end(), end)
            at = end


def _value_end(text: str, at: int) -> int:
    """Return where the value that begins at `at` ends, spaces and comments left out."""
    depth, end = 0, at
    while at < len(text):
        string = _STRING.match(text, at)
        if string is not None:
            at = end = string.end()
            continue
        char = text[at]
        if char == "#":
            if not depth:
                break
            comment = _LINE.match(text, at)
            assert comment is not None
            at = comment.end()
            continue
        if char == "\n" and not depth:
            break
        depth += (char in "[{") - (char in "]}")
        at += 1
        if not char.isspace():
            end = at
    return end


def _strings(array: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and content of each string of an array."""
    at = 1
    while at < len(array):
        if array[at] == "#":
            at = array.find("\n", at)
            continue
        found = _STRING.match(array, at)
        if found is None:
            at += 1
            continue
        yield found.start(), found.end(), parsed_toml(f"x = {found[0]}")["x"]
        at = found.end()


def _quoted(text: str, like: str = '"') -> str:
    if like == "'" and "'" not in text and "\n" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
