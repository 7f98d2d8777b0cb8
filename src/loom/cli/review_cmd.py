"""`loom review`: the flags. The flow is in cli.session; this module stays light, so that help is fast."""

from __future__ import annotations

from typing import Annotated

import typer

from loom.cli import flags


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review")(review)


def review(
    local: flags.Local = False,
    staged: flags.Staged = False,
    base: flags.Base = None,
    head: flags.Head = None,
    commit: flags.Commit = None,
    diff: flags.Diff = None,
    pr: flags.Pr = None,
    platform: flags.Platform = None,
    platform_url: flags.PlatformUrl = None,
    repo: flags.RepoName = None,
    post: Annotated[
        bool | None,
        typer.Option(
            "--post/--no-post", show_default=False, help="Post the review (the default in a CI job for a PR)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be posted, and post nothing.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Review all of it again, not only what is new.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only part K of N, for loom publish; nothing is posted.")
    ] = None,
    config: flags.Config = None,
    pipeline: flags.Pipelines = None,
    skip: flags.Skip = None,
    model: flags.Model = None,
    paths: flags.Paths = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="For stdout: text, json, sarif, markdown, html, github, gitlab-codequality, junit, rdjsonl or agent.",
        ),
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
    offline: flags.Offline = False,
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

    given = flags.ReviewFlags(
        local=local,
        staged=staged,
        base=base,
        head=head,
        commit=commit,
        diff=diff,
        pr=pr,
        platform=platform,
        platform_url=platform_url,
        repo=repo,
        post=post,
        dry_run=dry_run,
        full=full,
        shard=shard,
        config=config,
        pipelines=flags.split(pipeline),
        skip=flags.split(skip),
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
    raise typer.Exit(run_review(given))
