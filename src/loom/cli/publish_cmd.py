"""`loom publish`: the flags. The flow is in cli.publishing."""

from __future__ import annotations

from typing import Annotated

import typer

from loom.cli import flags


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("publish")(publish_command)


def publish_command(
    results: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RESULT.json…", help="Result files: one review, all its parts, or a fork's first stage."
        ),
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="A result that this very workflow made, where a fork is handled; repeatable."
        ),
    ] = None,
    pr: flags.Pr = None,
    platform: flags.Platform = None,
    platform_url: flags.PlatformUrl = None,
    repo: flags.RepoName = None,
    post: Annotated[
        bool, typer.Option("--post/--no-post", show_default=False, help="Post (the default), or only put together.")
    ] = True,
    config: flags.Config = None,
    paths: flags.Paths = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="For stdout: as loom review.")
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT:FILE", help="Write a file too; repeatable.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="Exit 1 from this severity on: blocker, warning, info or never."),
    ] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Exit 0 also when not all was reviewed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the result and errors.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; -vv also tracebacks.")
    ] = 0,
) -> None:
    """Post what `loom review --output json:FILE` found earlier: one result, all parts of a sharded review, or what the
    first stage of a fork's review found, on the pull request that the job or --pr names.

    Exit codes: 0 nothing at the bar and all reviewed; 1 a finding at the bar; 2 wrong usage, or a file that belongs to
    another pull request or head; 3 incomplete, or a part is missing; 4 not everything could be posted.
    """
    from loom.cli.publishing import run_publish

    given = flags.ReviewFlags(
        pr=pr,
        platform=platform,
        platform_url=platform_url,
        repo=repo,
        post=post,
        config=config,
        paths=tuple(paths or ()),
        format=format_,
        outputs=tuple(output or ()),
        fail_on=fail_on,
        allow_incomplete=allow_incomplete,
        quiet=quiet,
        verbose=verbose,
    )
    raise typer.Exit(run_publish(given, tuple(results or ()), tuple(own or ())))
