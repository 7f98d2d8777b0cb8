"""`loom hook`: review what is pushed, before it is. What a hook does is in cli.hook_run, the file in cli.hook_file."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

_MaxSeconds = Annotated[
    float | None, typer.Option(metavar="S", min=1, help="Time for all of it; models are not waited for longer (60).")
]
_Offline = Annotated[bool, typer.Option("--offline", help="No network but loopback: analyzers, cached answers.")]


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    group = typer.Typer(
        help="Review what is pushed, before it is: install, uninstall or run the git hook.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("install")(install)
    group.command("uninstall")(uninstall)
    group.command("run")(run)
    app.add_typer(group, name="hook")


def install(max_seconds: _MaxSeconds = None, offline: _Offline = False) -> None:
    """Write the pre-push hook of this repository. A hook that is not Loom's stays as it is: that is an error which
    says how to have both."""
    from loom.cli import hook_file, wiring
    from loom.cli.host import this_host

    flags = [*(["--max-seconds", f"{max_seconds:g}"] if max_seconds is not None else [])]
    flags += ["--offline"] if offline else []
    host = this_host()
    with wiring.open_checkout(host) as checkout:
        _print(hook_file.install(host, checkout, flags))


def uninstall() -> None:
    """Remove the pre-push hook, if it is Loom's."""
    from loom.cli import hook_file, wiring
    from loom.cli.host import this_host

    host = this_host()
    with wiring.open_checkout(host) as checkout:
        _print(hook_file.uninstall(host, checkout))


def run(
    hook: Annotated[str, typer.Argument(metavar="pre-push|pre-commit", help="What git calls.")],
    args: Annotated[
        list[str] | None, typer.Argument(metavar="[REMOTE [URL]]", help="What git says to a pre-push hook.")
    ] = None,
    max_seconds: _MaxSeconds = None,
    offline: _Offline = False,
) -> None:
    """Review what a push (its lines on standard input) or a commit (what is staged) brings. What a tool finds at the
    bar stops it, what a model finds does not.

    Exit codes: 0 it goes on; 1 a finding stops it; 2 wrong usage or configuration; 130 interrupted.
    """
    from loom.cli import hook_run
    from loom.cli.host import this_host
    from loom.core.errors import UsageError, did_you_mean

    seconds = hook_run.MAX_SECONDS if max_seconds is None else max_seconds
    match hook:
        case "pre-push":
            remote = (args or ["origin"])[0]
            code = hook_run.pre_push(this_host(), remote, _stdin(), max_seconds=seconds, offline=offline)
        case "pre-commit":
            code = hook_run.pre_commit(this_host(), max_seconds=seconds, offline=offline)
        case _:
            known = ("pre-push", "pre-commit")
            raise UsageError(f'unknown hook "{hook}".{did_you_mean(hook, known)}', hint=" or ".join(known))
    raise typer.Exit(code)


def _stdin() -> str:
    """What git says; nothing when a person calls it, or when there is no standard input at all."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def _print(text: str) -> None:
    from loom.infra.text import to_terminal

    sys.stdout.write(to_terminal(text))
