"""The command table. Command modules have thin signatures; what they need is imported when they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from loom import __version__
from loom.cli import (
    cache_cmd,
    comment_cmd,
    config_cmd,
    doctor_cmd,
    fix_cmd,
    hook_cmd,
    ignore_cmd,
    init_cmd,
    linters_cmd,
    plan_cmd,
    publish_cmd,
    report_cmd,
    review_cmd,
    rules_cmd,
    trust_cmd,
)

# Plain help: rich's costs a second time what all of typer costs, and a pager or CI log shows it no better.
app = typer.Typer(
    name="loom",
    help="Review a change: findings on the right lines, from analyzers, your own scripts and any model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        sys.stdout.write(f"loom {__version__}\n")
        raise typer.Exit


for _module in (
    review_cmd,
    plan_cmd,
    publish_cmd,
    comment_cmd,
    fix_cmd,
    ignore_cmd,
    hook_cmd,
    config_cmd,
    init_cmd,
    doctor_cmd,
    trust_cmd,
    report_cmd,
    rules_cmd,
    linters_cmd,
    cache_cmd,
):
    _module.register(app)


_UNDELIVERED = 4  # engine.gate.Exit, which is not loaded for --help


def run(argv: Sequence[str]) -> int:
    """Run a command line; the exit code. Every ending of every command passes through here."""
    # No stranger's plug-in takes part in validating a configuration, and pydantic need not read the entry points of
    # everything installed to look for one (5 to 15 ms). https://pydantic.dev/docs/validation/latest/concepts/plugins/
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        app(args=list(argv), prog_name="loom", standalone_mode=True)
    except SystemExit as ended:
        return _flushed(ended.code if isinstance(ended.code, int) else 1)
    except BaseException as error:  # noqa: BLE001 - the one place where failures become exit codes
        from loom.cli import wiring
        from loom.cli.exits import ending

        loud = sum(arg.count("v") for arg in argv if arg.strip("v") == "-" or arg == "--verbose") > 1
        return _flushed(ending(error, verbose=loud, mask=wiring.mask_own, say=_say))
    return _flushed(0)


def _flushed(code: int) -> int:
    """The exit code, once what was printed is really out: a full disk must not look like success."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        if code != _UNDELIVERED:  # else it was said by whoever noticed first
            _say(f"loom: error: cannot write to standard output: {error.strerror or error}")
        return code or _UNDELIVERED
    return code


def _say(text: str) -> None:
    """One message on stderr, with nothing in it that a terminal or CI log would obey."""
    from loom.infra.text import to_terminal

    sys.stderr.write(to_terminal(text) + "\n")
