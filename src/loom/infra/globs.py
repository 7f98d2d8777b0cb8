"""Path globs as .gitignore writes them; the only user of pathspec."""

from __future__ import annotations

from collections.abc import Iterable

from pathspec import GitIgnoreSpec


class Globs:
    """A list of patterns; the last one that matches decides, `!` excludes again."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self._spec = GitIgnoreSpec.from_lines(self.patterns)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def match(self, path: str) -> bool:
        """Whether the repository-relative path is matched."""
        return self._spec.match_file(path)
