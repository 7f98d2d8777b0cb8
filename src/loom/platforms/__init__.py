"""Where changes come from and reviews go to: one file a platform. `make` turns a name into one to talk to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loom.platforms.base import Platform
    from loom.platforms.http import Setup

TABLE: Mapping[str, str] = {
    "github": "loom.platforms.github:GitHub",
    "gitlab": "loom.platforms.gitlab:GitLab",
    "gitea": "loom.platforms.gitea:Gitea",
    "forgejo": "loom.platforms.gitea:Gitea",
}
"""Name -> a class that is made from a Setup."""


def make(setup: Setup) -> Platform:
    """The platform named by `setup.project`. Calls nothing. Raises UsageError for an unknown name."""
    from loom.infra import lookup

    platform: Platform = lookup.load(TABLE, setup.project.platform, what="platform")(setup)
    return platform
