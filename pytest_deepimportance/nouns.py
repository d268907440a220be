"""What a criterion counts, in words: "12 of 40 neurons covered"."""

from __future__ import annotations

from pytest_deepimportance.thresholds import REACHED, SHARE


class _Nouns(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "covered"


NOUNS = _Nouns(
    {
        SHARE: "reference inputs exercised",
        REACHED: "reached combinations covered",
        "NC": "neurons covered",
        "KMNC": "sections covered",
        "NBC": "corners covered",
        "SNAC": "upper corners covered",
        "TKNC": "neurons covered",
        "LSC": "buckets hit",
        "DSC": "buckets hit",
        "MDSC": "buckets hit",
    }
)
"""By criterion; of others "covered"."""
