"""Path globs as .gitignore writes them; the only user of pathspec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Globs:
    """A list of patterns; the last one that matches decides, `!` excludes again."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self._spec = _compiled(self.patterns) if self.patterns else None

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def match(self, path: str) -> bool:
        """Whether the repository-relative path is matched."""
        return self._spec is not None and self._spec.match_file(path)

    def deciding(self, path: str) -> int | None:
        """Which of the patterns decides about the path, whichever way; None when none matches."""
        return self._spec.check_file(path).index if self._spec is not None else None


def _compiled(patterns: Iterable[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # on use: most reviews have no pattern, and it is 5 ms and 31 modules

    return GitIgnoreSpec.from_lines(patterns)
