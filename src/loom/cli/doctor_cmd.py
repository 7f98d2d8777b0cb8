"""`loom doctor`: the flags, and how the checks are shown. What is checked is in cli.doctor."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from loom.cli import flags

if TYPE_CHECKING:
    from loom.cli.doctor import Check

VERSION = 1
"""Of the JSON."""
_SIGNS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("doctor")(doctor)


def doctor(
    pr: flags.Pr = None,
    platform: flags.Platform = None,
    platform_url: flags.PlatformUrl = None,
    repo: flags.RepoName = None,
    config: flags.Config = None,
    model: flags.Model = None,
    offline: flags.Offline = False,
    format_: Annotated[str, typer.Option("--format", metavar="text|json", help="How it is printed.")] = "text",
) -> None:
    """Look whether all is there for a review: git, configuration, model, platform, token, linters, folders. Costs
    nothing: no model is asked, nothing is posted.

    Exit codes: 0 a review can run; 2 something stands in its way.
    """
    from loom.cli import doctor as checks
    from loom.cli.host import this_host
    from loom.core.errors import UsageError, did_you_mean

    if format_ not in ("text", "json"):
        near = did_you_mean(format_, ("text", "json"))
        raise UsageError(f'--format: "{format_[:40]}" is neither text nor json.{near}', hint="--format text or json")
    given = flags.ReviewFlags(
        pr=pr, platform=platform, platform_url=platform_url, repo=repo, config=config, model=model, offline=offline
    )
    found = checks.examine(given, this_host())
    sys.stdout.write(as_json(found) if format_ == "json" else as_text(found))
    raise typer.Exit(2 if any(check.state == "fail" for check in found) else 0)


def as_text(found: Sequence[Check]) -> str:
    """A line for each check, with how to mend it below."""
    from loom.infra.text import to_terminal

    width = max(len(check.name) for check in found)
    lines = []
    for check in found:
        lines.append(to_terminal(f"{_SIGNS[check.state]}  {check.name:<{width}}  {check.says}"))
        if check.mend:
            lines.append(to_terminal(f"{'':<{width + 8}}{check.mend}"))
    counts = {state: sum(check.state == state for check in found) for state in _SIGNS}
    last = f"{counts['ok']} in order, {counts['warn']} to look at, {counts['fail']} in the way of a review"
    return "\n".join([*lines, "", last]) + "\n"


def as_json(found: Sequence[Check]) -> str:
    """For other programs."""
    rows = [{"name": c.name, "state": c.state, "says": c.says, "mend": c.mend} for c in found]
    return json.dumps({"version": VERSION, "checks": rows}, indent=2) + "\n"
