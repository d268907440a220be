"""Which classes are looked at by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.errors import SettingsError, did_you_mean


def class_name(label: int, names: Sequence[str]) -> str:
    """Return the name of a class, its number where it has none."""
    return names[label] if label < len(names) else str(label)


def wanted_classes(asked: str, present: Sequence[int], names: Sequence[str]) -> list[int]:
    """Return the classes that `asked` (all, each, a name or an index) means.

    Args:
        present: Labels of the rows that count.
        names: Class names by index, as far as known.

    Raises:
        SettingsError: There are no labels, or no such class.
    """
    if asked == "all":
        return []
    if not present:
        raise SettingsError(
            f"--classes {asked} needs data with labels, and no row that counts has one",
            "Rows belong to a class by their true label.",
            "Give (inputs, labels), or leave --classes out.",
        )
    if asked == "each":
        return sorted(present)
    named = {class_name(label, names): label for label in sorted(present, reverse=True)}
    if asked in named:
        return [named[asked]]
    if asked.isdigit() and int(asked) in present:
        return [int(asked)]
    names_here = [class_name(label, names) for label in sorted(present)]
    known = list(dict.fromkeys([*names_here, *map(str, sorted(present))]))
    raise SettingsError(
        f"no row that counts is of class {asked!r}",
        "Importance of a class is summed over its own rows.",
        did_you_mean(asked, known) or f"classes: {', '.join(known[:20])}",
    )
