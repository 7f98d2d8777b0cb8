"""The contract of an output, and the writer that alone opens and closes an output file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from loom.core.result import ReviewResult


@dataclass(frozen=True, slots=True)
class Look:
    """How a person's screen is. Machine formats ignore it."""

    colour: bool = False
    width: int = 80
    """Columns."""
    unicode: bool = True
    """Whether the stream can show more than ASCII."""
    interactive: bool = False
    """A terminal, not a file or a CI log."""


class Output(Protocol):
    """One format: a function from the result to its text. Pure: same result, same bytes."""

    def __call__(self, result: ReviewResult, look: Look) -> str:
        """The whole output, ending with a line feed."""
