"""From a job's environment and event to its pull request: a pure function over a table with a row per CI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loom.platforms import ci_actions, ci_gitlab, ci_plain
from loom.platforms.ci_context import CiComment, CiContext, Job, ReadFile

__all__ = ["TABLE", "CiComment", "CiContext", "Row", "detect"]


@dataclass(frozen=True, slots=True)
class Row:
    """One CI."""

    name: str
    title: str
    here: Callable[[Mapping[str, str]], bool]
    """Whether the job runs there."""
    read: Callable[[Job, str, str], CiContext | None]
    """What it says: (job, platform, name of the CI). None: not enough, so the next row is asked. Raises UsageError
    that names the variable which is wrong."""
    platform: str = ""
    """The platform that the CI belongs to; empty where it serves several."""


def _set(name: str, value: str | None = None) -> Callable[[Mapping[str, str]], bool]:
    def here(environ: Mapping[str, str]) -> bool:
        found = environ.get(name, "").strip().lower()
        return found == value if value is not None else found not in ("", "false")

    return here


TABLE: tuple[Row, ...] = (
    # Both of these set GITHUB_ACTIONS as well, so they are asked first (facts: platforms, section 1.1).
    Row("forgejo-actions", "Forgejo Actions", _set("FORGEJO_ACTIONS"), ci_actions.read, "forgejo"),
    Row("gitea-actions", "Gitea Actions", _set("GITEA_ACTIONS"), ci_actions.read, "gitea"),
    Row("github-actions", "GitHub Actions", _set("GITHUB_ACTIONS"), ci_actions.read, "github"),
    Row("gitlab-ci", "GitLab CI", _set("GITLAB_CI"), ci_gitlab.read, "gitlab"),
    Row("woodpecker", "Woodpecker", _set("CI", "woodpecker"), ci_plain.woodpecker),
    Row("plain", "CI", lambda _: True, ci_plain.plain),
)


def detect(environ: Mapping[str, str], read_file: ReadFile) -> CiContext | None:
    """What the job that these variables belong to says about the change; None where it is no CI job that Loom knows,
    or one that names no repository. Raises UsageError that names the variable which is wrong."""
    job = Job(environ, read_file)
    for row in TABLE:
        if row.here(environ) and (found := row.read(job, row.platform, row.name)) is not None:
            return found
    return None


def title_of(ci: str) -> str:
    """How people call the CI."""
    return next((row.title for row in TABLE if row.name == ci), ci)
