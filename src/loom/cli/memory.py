"""What a review is not to say again: the team's memory from the trusted place, and the user's own list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loom.core.errors import ConfigError
from loom.core.result import Notice

if TYPE_CHECKING:
    from loom.cli.host import Host
    from loom.cli.opening import Opened
    from loom.config.schema import Memory
    from loom.store.memory import Suppression
    from loom.store.state import RepoState


def remembered(
    host: Host, opened: Opened, memory: Memory, state: RepoState
) -> tuple[tuple[Suppression, ...], tuple[Notice, ...]]:
    """(suppressions, notices): the team's first. In a checkout that was not accepted the file is the stranger's, and
    lowers nothing; a CI job has no user. Raises ConfigError with what is wrong in the file."""
    own = () if host.in_ci else state.ignored()
    if not memory.enabled:
        return own, ()
    if not opened.accepted:
        return own, _not_applied(opened, memory.file)
    content = opened.read(memory.file)
    if content is None:
        return own, ()
    from loom.store.memory import read

    return (*read(content, file=memory.file), *own), ()


def _not_applied(opened: Opened, file: str) -> tuple[Notice, ...]:
    try:
        there = opened.read(file) is not None
    except ConfigError:
        there = True  # a link, a folder: whatever it is, it is not applied
    if not there:
        return ()
    message = f"this checkout was not accepted, so nothing is ignored for what {file} says"
    return (Notice("untrusted-memory", message, opened.how),)
