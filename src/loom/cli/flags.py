"""Flags that several commands share, and the command line of `loom review` as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

Local = Annotated[
    bool, typer.Option("--local", help="Working tree and index, against the merge base (the default outside CI).")
]
Staged = Annotated[bool, typer.Option("--staged", help="The index against HEAD.")]
Base = Annotated[str | None, typer.Option(metavar="REV", help="From the merge base with REV …")]
Head = Annotated[str | None, typer.Option(metavar="REV", help="… to REV (HEAD).")]
Commit = Annotated[str | None, typer.Option(metavar="REV", help="One commit against its first parent.")]
Diff = Annotated[str | None, typer.Option(metavar="FILE|-", help="A diff from a file or stdin.")]
Pr = Annotated[
    str | None, typer.Option("--pr", metavar="NUMBER|URL", help="A pull or merge request (the default in its CI job).")
]
Platform = Annotated[
    str | None, typer.Option(metavar="NAME", help="For --pr NUMBER: github, gitlab, gitea or forgejo.")
]
PlatformUrl = Annotated[
    str | None, typer.Option("--platform-url", metavar="URL", help="For --pr: address of a self-managed platform.")
]
RepoName = Annotated[str | None, typer.Option("--repo", metavar="OWNER/NAME", help="For --pr NUMBER: the repository.")]
Config = Annotated[str | None, typer.Option(metavar="FILE", help="Another configuration than .loom/config.yaml.")]
Pipelines = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this pipeline; repeatable.")]
Skip = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Not this pipeline; repeatable.")]
Model = Annotated[
    str | None, typer.Option(metavar="NAME", help="A configured model, or provider/model as in LOOM_MODEL.")
]
Paths = Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these files; repeatable.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="No network but loopback: analyzers, local models, cached answers.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFlags:
    """The command line of `loom review`, as given. None and empty mean: not given."""

    local: bool = False
    staged: bool = False
    base: str | None = None
    head: str | None = None
    commit: str | None = None
    diff: str | None = None
    pr: str | None = None
    """A number or a URL."""
    platform: str | None = None
    platform_url: str | None = None
    repo: str | None = None
    post: bool | None = None
    """None: as the situation has it (`session.posts`)."""
    dry_run: bool = False
    """Print what would be posted."""
    full: bool = False
    """Do not leave out what was reviewed before."""
    shard: str | None = None
    """`K/N`: only this part of the review."""
    pinned: str | None = None
    """No flag of `loom review`: the head that a comment asked to be reviewed, and no other."""
    config: str | None = None
    pipelines: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    model: str | None = None
    paths: tuple[str, ...] = ()
    format: str | None = None
    outputs: tuple[str, ...] = ()
    no_diff: bool = False
    fail_on: str | None = None
    fail_on_model: str | None = None
    """No flag of `loom review`: a hook lets models only advise."""
    max_cost: float | None = None
    max_seconds: float | None = None
    allow_incomplete: bool = False
    last: bool = False
    no_cache: bool = False
    offline: bool = False
    quiet: bool = False
    verbose: int = 0
    log_format: str = "text"
    no_progress: bool = False


def split(names: list[str] | None) -> tuple[str, ...]:
    """`--pipeline a --pipeline b` and `--pipeline a,b` are the same."""
    return tuple(part for name in names or () for part in name.split(",") if part)
