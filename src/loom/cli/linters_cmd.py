"""`loom linters list|show`: the catalogue of linters."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.analyzers.linter_file import Linter

_linters = typer.Typer(help="List and show the linters that `uses: linter/NAME` knows.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the table."""
    app.add_typer(_linters, name="linters")


@_linters.command("list")
def list_command() -> None:
    """Print every linter: name, whether it is installed here, and for which files."""
    from loom.analyzers.linter_file import catalogue
    from loom.cli.host import this_host

    sys.stdout.write(list_linters(list(catalogue().values()), path=this_host().environ.get("PATH", "")))


@_linters.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A linter's name, as `list` shows it.")],
) -> None:
    """Print one linter: command, files, what configures it, whether that can run code, how to install it."""
    from loom.analyzers.linter_file import catalogue
    from loom.core.errors import UsageError, did_you_mean

    if name not in catalogue():
        hint = "`loom linters list` shows them all; any other runs as a script: run: …"
        raise UsageError(f'there is no linter "{name}".{did_you_mean(name, catalogue())}', hint=hint)
    sys.stdout.write(show_linter(catalogue()[name]))


def list_linters(rows: Sequence[Linter], *, path: str) -> str:
    """A table of the linters, one per line, and their number."""
    from loom.outputs.summary import listed

    width = max(len(row.name) for row in rows)
    here = [row for row in rows if _program(row, path)]
    lines = [f"{row.name:<{width}}  {'yes' if row in here else '-':<3}  {listed(row.files, 6)}" for row in rows]
    return "\n".join([*lines, "", f"{len(rows)} linters, {len(here)} of them installed"]) + "\n"


def show_linter(row: Linter) -> str:
    """Everything a person wants to know about a linter."""
    code = ", ".join(row.runs_code)
    lines = [
        f"{row.title} (linter/{row.name})",
        "",
        f"Runs:          {shlex.join(row.command)}",
        f"For:           {', '.join(row.files)}",
        f"Configured by: {', '.join(row.configured_by)}",
        f"Runs code by:  {code or 'nothing: it may run in any checkout'}",
        f"Install:       {row.install}",
        *([f"Looked for in: {', '.join(row.local)} (accepted checkouts)"] if row.local else []),
        f"Tried with:    {row.checked or 'not run: written from its documentation'}",
        f"See:           {row.docs}",
    ]
    return "\n".join(lines) + "\n"


def _program(row: Linter, path: str) -> str | None:
    from loom.core.errors import ScriptError
    from loom.infra import process

    try:
        return process.resolve(row.program, path=path, outside=None)
    except ScriptError:
        return None
