"""The format `json`: the result file itself, version 1 (docs/result.md). Control characters are JSON's to escape;
whoever shows a string from it escapes it for that place."""

from __future__ import annotations

from loom.core.result import ReviewResult
from loom.outputs.base import Look
from loom.store import record


def render(result: ReviewResult, look: Look) -> str:
    """The result file's text. Nothing depends on `look`."""
    return record.dumps(result)
