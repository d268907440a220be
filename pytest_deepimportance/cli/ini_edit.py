"""Put a gate into an ini file; every other line stays byte for byte."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_deepimportance.cli.config_files import ConfigFile
from pytest_deepimportance.cli.gate_entries import Gate

_INDENT = "    "


@dataclass
class _Entry:
    """A key: its line, and the last line that belongs to its value."""

    first: int
    last: int


class IniEditor:
    """Edits the lines of one section.

    Args:
        config: The file; its section exists.
    """

    def __init__(self, config: ConfigFile) -> None:
        self.lines = config.text.splitlines(keepends=True)
        self.end = "\r\n" if config.text.partition("\n")[0].endswith("\r") else "\n"
        if self.lines and not self.lines[-1].endswith("\n"):
            self.lines[-1] += self.end
        self.section = config.section

    def edit(self, gate: Gate) -> tuple[str, list[str]]:
        """Return the new text and the thresholds in it."""
        self._set_m(gate)
        entries = self._set_thresholds(gate)
        return "".join(self.lines), entries

    def _set_m(self, gate: Gate) -> None:
        entry = self._find("idc_m")
        if entry is None:
            self._insert(self._end_of_section(), [f"idc_m = {gate.m}"])
            gate.say_m(None)
            return
        head, old = self._split(entry.first)
        self.lines[entry.first : entry.last + 1] = [f"{head}{gate.m}{self.end}"]
        gate.say_m(old)

    def _set_thresholds(self, gate: Gate) -> list[str]:
        entry = self._find("idc_fail_under")
        if entry is None:
            merged = gate.merged([])
            lines = ["idc_fail_under =", *(_INDENT + text for text in merged)]
            self._insert(self._end_of_section(), lines)
            return merged
        head, first = self._split(entry.first)
        places = [(entry.first, head, first)] if first else []
        for at in range(entry.first + 1, entry.last + 1):
            text = self.lines[at].strip()
            if text and not _is_comment(text):
                indent = self.lines[at][: -len(self.lines[at].lstrip())]
                places.append((at, indent, text))
        merged = gate.merged([text for _, _, text in places])
        for (at, before, old), new in zip(places, merged, strict=False):
            if old != new:
                self.lines[at] = f"{before}{new}{self.end}"
        indent = places[-1][1] if places and places[-1][0] != entry.first else _INDENT
        added = merged[len(places) :]
        self._insert(places[-1][0] if places else entry.first, [indent + t for t in added])
        return merged

    def _split(self, at: int) -> tuple[str, str]:
        """Split "key = value" before the value."""
        line = self.lines[at].rstrip()
        mark = min(found for sign in "=:" if (found := line.find(sign)) >= 0)
        value = line[mark + 1 :].strip()
        head = line[: len(line) - len(value)] if value else line + " "
        return head, value

    def _insert(self, after: int, lines: list[str]) -> None:
        self.lines[after + 1 : after + 1] = [line + self.end for line in lines]

    def _find(self, key: str) -> _Entry | None:
        inside = False
        for at, line in enumerate(self.lines):
            if line.startswith("["):
                inside = _section_name(line) == self.section
            elif inside and _key_of(line) == key:
                return _Entry(at, self._last_of(at))
        return None

    def _last_of(self, first: int) -> int:
        """Return the last line of a value: comments and blank lines behind it are not part."""
        last = first
        for at in range(first + 1, len(self.lines)):
            line = self.lines[at]
            if not line.strip() or _is_comment(line):
                continue
            if not line[0].isspace():
                break
            last = at
        return last

    def _end_of_section(self) -> int:
        """Return the last line of the section that is neither blank nor a comment."""
        inside, last = False, -1
        for at, line in enumerate(self.lines):
            if line.startswith("["):
                inside = _section_name(line) == self.section
            if inside and line.strip() and not _is_comment(line):
                last = at
        return last


def _section_name(line: str) -> str:
    return line.split("#")[0].split(";")[0].strip()[1:-1]


def _is_comment(line: str) -> bool:
    return line.lstrip()[:1] in ("#", ";")


def _key_of(line: str) -> str:
    """Return the key of a line as iniconfig reads it, empty where there is none."""
    if not line.strip() or line[0].isspace() or _is_comment(line):
        return ""
    marks = [found for sign in "=:" if (found := line.find(sign)) >= 0]
    return line[: min(marks)].strip() if marks else ""
