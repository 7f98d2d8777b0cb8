"""`loom comment`: the flags. The flow is in cli.commenting."""

from __future__ import annotations

from typing import Annotated

import typer

from loom.cli import flags


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("comment")(comment_command)


def comment_command(
    config: flags.Config = None,
    model: flags.Model = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT:FILE", help="For /loom review: write a file too; repeatable.")
    ] = None,
    max_cost: Annotated[float | None, typer.Option(metavar="USD", help="Stop asking models at this cost.")] = None,
    max_seconds: Annotated[float | None, typer.Option(metavar="S", help="Stop after this time.")] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Exit 0 also when not all was reviewed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the result and errors.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; -vv also tracebacks.")
    ] = 0,
) -> None:
    """Carry out the command in the comment that started this CI job: /loom review, /loom ignore, /loom resolve or
    /loom help, if its author may.

    Exit codes: 0 done, denied, or no command for Loom; 2 wrong usage or configuration; 4 the platform did not answer;
    after /loom review those of loom review.
    """
    from loom.cli.commenting import run_comment

    given = flags.ReviewFlags(
        config=config,
        model=model,
        outputs=tuple(output or ()),
        max_cost=max_cost,
        max_seconds=max_seconds,
        allow_incomplete=allow_incomplete,
        quiet=quiet,
        verbose=verbose,
    )
    raise typer.Exit(run_comment(given))
