"""How a format that knows nothing but findings in files says that a review is incomplete: an empty list would look
like a clean one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loom.core.result import ReviewResult
from loom.outputs import summary
from loom.outputs.addresses import file_of, relative_path

RULE = "loom/incomplete"
"""The rule such an entry goes by; no finding has it."""


@dataclass(frozen=True, slots=True)
class Unread:
    """That something was not reviewed, and the file to say it at."""

    text: str
    path: str


def unread(result: ReviewResult) -> Unread | None:
    """What is missing, told at the first file that was not reviewed (else at the first of the change). None when
    nothing is missing, or when there is no file to say it at: then the exit code alone tells."""
    outcome = result.outcome
    if outcome.complete and (outcome.ran or outcome.skipped is not None):
        return None
    path = next(filter(None, map(relative_path, _places(result))), None)
    return Unread(summary.verdict(result).text, path) if path is not None else None


def _places(result: ReviewResult) -> Iterator[str]:
    for gap in summary.gaps(result):
        yield from map(file_of, gap.paths)
    yield from (file.path for file in result.files)
