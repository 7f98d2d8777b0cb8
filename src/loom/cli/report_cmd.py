"""`loom report`: the HTML page of one review, made from its result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.cli.host import Host
    from loom.core.result import ReviewResult

PAGE = "loom-report.html"
"""Where the page goes when nothing else is said. Always a file, also in a pipe: a CI log is no place for a page."""


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("report")(report_command)


def report_command(
    result: Annotated[
        str | None,
        typer.Argument(
            metavar="[RESULT.json|-]", help="A result file, or - for stdin; default: the last local result."
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|-", help="Where the page goes; - is stdout.")
    ] = PAGE,
    open_it: Annotated[bool, typer.Option("--open", help="Show the page in the browser (on a terminal only).")] = False,
) -> None:
    """Write one page of a review: the diff with its findings, filters, what was not reviewed, cost and time. The page
    needs nothing from outside.

    Exit codes: 0 written, whatever was found; 2 no such result; 4 the page could not be written.
    """
    from loom.cli.host import this_host
    from loom.core.errors import UsageError
    from loom.outputs.base import OutputError, check

    host = this_host()
    target = None if output == "-" else host.cwd / output
    if target is None and open_it:
        raise UsageError("--open needs a file", hint="leave --output - out")
    if target is not None:
        check(target)
        if result not in (None, "-") and _same(target, host.cwd / str(result)):
            raise UsageError("the page would replace the result it is made from", hint="name another file for --output")
    try:
        _write(_read(result, host), target)
    except OutputError as error:
        raise typer.Exit(_undelivered(error)) from error
    if target is not None:
        _say(f"loom: the report is in {target}")
        if open_it:
            _open(target, host)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _read(name: str | None, host: Host) -> ReviewResult:
    """The result in the file called `name`, on stdin for `-`; the last local one when there is no name. Raises
    UsageError or ResultFileError."""
    from loom.core.errors import UsageError
    from loom.store import record

    if name is None:
        data = _last(host)
        if data is None:
            raise UsageError(
                "there is no last result for this repository",
                hint="run loom review first, or name a result file (loom review --output json:FILE)",
            )
        return record.loads(data, name="the last result")
    if name == "-":
        return record.loads(sys.stdin.buffer.read(record.MAX_BYTES + 1), name="standard input")
    try:
        with (host.cwd / name).open("rb") as file:
            return record.loads(file.read(record.MAX_BYTES + 1), name=name)
    except OSError as error:
        raise UsageError(
            f"cannot read {name}: {error.strerror or error}",
            hint="name a file that loom review --output json:FILE wrote",
        ) from error


def _last(host: Host) -> bytes | None:
    from loom.cli import wiring

    with wiring.open_checkout(host) as checkout:
        return wiring.repo_state(host, checkout).last()


def _write(result: ReviewResult, target: Path | None) -> None:
    from loom import outputs
    from loom.outputs.base import Look, write

    write(outputs.output("html")(result, Look()), target, sys.stdout)


def _undelivered(error: Exception) -> int:
    """Tell that the page could not be written; the exit code."""
    from loom.cli import exits, wiring
    from loom.engine.gate import Exit

    exits.ending(error, verbose=False, mask=wiring.mask_own, say=_say)
    return int(Exit.UNDELIVERED)


def _open(target: Path, host: Host) -> None:
    """Show the page. That it cannot be shown is no failure: the page is there."""
    import webbrowser

    from loom.outputs.base import look_at

    if not look_at(sys.stderr, host.environ).interactive:
        _say("loom: not opened, since this is no terminal")
    elif not webbrowser.open(target.resolve().as_uri()):
        _say("loom: no browser was found: open the file yourself, or set BROWSER")


def _say(text: str) -> None:
    from loom.infra.text import to_terminal

    sys.stderr.write(to_terminal(text) + "\n")
