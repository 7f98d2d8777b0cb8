"""The contract of a source of changes. What platforms can do beyond reading is split off by who calls it, so that a
source that only reads needs nothing more."""

from __future__ import annotations

from typing import Protocol

from loom.core.change import ChangeSet, Files

Reading = tuple[ChangeSet, Files]
"""A change, and the whole files on both sides of it as far as they are known."""


class Reader(Protocol):
    """Where one change comes from."""

    def read(self) -> Reading:
        """Fetch the change. Raises SourceError when there is none, or when nothing of it can be read; a part that
        cannot be read is in `ChangeSet.unread` or marked on its file."""
