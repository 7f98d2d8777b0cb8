"""`loom review`: the flags. The flow is in cli.session; this module stays light, so that help is fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFlags:
    """The command line of `loom review`, as given. None and empty mean: not given."""

    local: bool = False
    staged: bool = False
    base: str | None = None
    head: str | None = None
    commit: str | None = None
    diff: str | None = None
    config: str | None = None
    pipelines: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    model: str | None = None
    paths: tuple[str, ...] = ()
    format: str | None = None
    outputs: tuple[str, ...] = ()
    no_diff: bool = False
    fail_on: str | None = None
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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review")(review)


def review(
    local: Annotated[
        bool, typer.Option("--local", help="Working tree and index, against the merge base (the default outside CI).")
    ] = False,
    staged: Annotated[bool, typer.Option("--staged", help="The index against HEAD.")] = False,
    base: Annotated[str | None, typer.Option(metavar="REV", help="From the merge base with REV …")] = None,
    head: Annotated[str | None, typer.Option(metavar="REV", help="… to REV (HEAD).")] = None,
    commit: Annotated[str | None, typer.Option(metavar="REV", help="One commit against its first parent.")] = None,
    diff: Annotated[str | None, typer.Option(metavar="FILE|-", help="A diff from a file or stdin.")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Another configuration than .loom/config.yaml.")
    ] = None,
    pipeline: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this pipeline; repeatable.")] = None,
    skip: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Not this pipeline; repeatable.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="A configured model, or provider/model as in LOOM_MODEL.")
    ] = None,
    paths: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these files; repeatable.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="text, json, sarif or markdown on stdout.")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="FORMAT:FILE", help="Write a file too, sarif:loom.sarif say; repeatable."),
    ] = None,
    no_diff: Annotated[bool, typer.Option("--no-diff", help="Leave the hunks out of the result file.")] = False,
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="Exit 1 from this severity on: blocker, warning, info or never."),
    ] = None,
    max_cost: Annotated[float | None, typer.Option(metavar="USD", help="Stop asking models at this cost.")] = None,
    max_seconds: Annotated[float | None, typer.Option(metavar="S", help="Stop after this time.")] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Exit 0 also when not all was reviewed.")
    ] = False,
    last: Annotated[bool, typer.Option("--last", help="Print the last local result again, in any format.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the answer cache.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="No network but loopback: analyzers, local models, cached answers.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the result and errors.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; -vv also tracebacks.")
    ] = 0,
    log_format: Annotated[
        str, typer.Option(metavar="text|json", show_default=False, help="How stderr is written (text).")
    ] = "text",
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress display.")] = False,
) -> None:
    """Review a change and print the findings.

    Exit codes: 0 nothing at the bar and all reviewed; 1 a finding at the bar; 2 wrong usage or configuration;
    3 not everything was reviewed; 4 an output could not be written; 130 interrupted.
    """
    from loom.cli.session import run_review

    flags = ReviewFlags(
        local=local,
        staged=staged,
        base=base,
        head=head,
        commit=commit,
        diff=diff,
        config=config,
        pipelines=_split(pipeline),
        skip=_split(skip),
        model=model,
        paths=tuple(paths or ()),
        format=format_,
        outputs=tuple(output or ()),
        no_diff=no_diff,
        fail_on=fail_on,
        max_cost=max_cost,
        max_seconds=max_seconds,
        allow_incomplete=allow_incomplete,
        last=last,
        no_cache=no_cache,
        offline=offline,
        quiet=quiet,
        verbose=verbose,
        log_format=log_format,
        no_progress=no_progress,
    )
    raise typer.Exit(run_review(flags))


def _split(names: list[str] | None) -> tuple[str, ...]:
    """`--pipeline a --pipeline b` and `--pipeline a,b` are the same."""
    return tuple(part for name in names or () for part in name.split(",") if part)
