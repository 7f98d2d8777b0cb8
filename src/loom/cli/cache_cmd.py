"""`loom cache`: how large the answer cache is, and how to empty it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cache")(cache)


def cache(
    action: Annotated[str, typer.Argument(metavar="[show|prune|clear]", help="What to do.")] = "show",
) -> None:
    """Show, prune or clear the cache of model answers."""
    from loom.cli import wiring
    from loom.core.errors import UsageError, did_you_mean

    known = ("show", "prune", "clear")
    if action not in known:
        raise UsageError(f'unknown action "{action}".{did_you_mean(action, known)}', hint="show, prune or clear")
    sys.stdout.write(wiring.cache_action(action) + "\n")
