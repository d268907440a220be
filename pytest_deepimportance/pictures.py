"""Pictures of inputs for the HTML page, as plain frozen data.

The JSON report leaves them out: they are for people, and a report without test images may be kept
where one with them may not.
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 48
"""Pictures that one test keeps, and that one page shows, at most."""


@dataclass(frozen=True)
class Picture:
    """An input that showed a combination which no input before it had shown.

    Attributes:
        png: A PNG file, its longer side 64 pixels at most.
        source: Id of the test that made the input, with its fixture if that did.
        row: Its place among the recorded inputs of that, from 0.
        predicted, label: Names of classes, None where not known.
        combination: The cluster of each important neuron.
        reference_rows: Reference inputs that show this combination.
        low, high: The values that are black and white in the picture.
    """

    png: bytes
    source: str
    row: int
    predicted: str | None
    label: str | None
    combination: tuple[int, ...]
    reference_rows: int
    low: float
    high: float


@dataclass(frozen=True)
class Pictures:
    """The first inputs that opened combinations, in the order of the growth curve.

    Attributes:
        opened: Inputs that opened one, with a picture or without.
    """

    opened: int
    shown: tuple[Picture, ...]
