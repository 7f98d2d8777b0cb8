"""`loom trust`: accept what decides which programs run in this checkout and which models are asked, by its content."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.cli.opening import Acceptable
    from loom.config.load import Loaded
    from loom.store.state import Acceptance, RepoState

_NOTHING = "there is no .loom/ here and nothing by which linters run code, so there is nothing to accept"


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("trust")(trust_command)


def trust_command(
    show: Annotated[bool, typer.Option("--show", help="Say what is accepted and what accepting would allow.")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take back everything accepted here.")] = False,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Another file than .loom/config.yaml.")
    ] = None,
) -> None:
    """Accept this checkout as it is: scripts may run in it, and its models be asked, also on other hosts. Any change
    of the files that decide this asks again."""
    from loom.cli import wiring
    from loom.core.errors import UsageError

    if show and revoke:
        raise UsageError("--show and --revoke exclude each other", hint="give one of them")
    state = wiring.state()
    if revoke:
        _print(revoked(state.revoke()))
    elif show:
        there = wiring.acceptable(config=config, whole=False)
        _print(shown(there.files, state.list(), there.loaded))
    else:
        _accept(wiring.acceptable(config=config, whole=True), state)


def _accept(there: Acceptable, state: RepoState) -> None:
    from datetime import UTC, datetime

    from loom.core.errors import UsageError

    if not there.files:
        raise UsageError(_NOTHING, hint="scripts and models come from .loom/config.yaml")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for digest in there.digests:
        state.accept(digest, now)
    _print(accepted(there.files, there.digests[-1], there.loaded))


def accepted(files: Mapping[str, bytes], digest: str, loaded: Loaded) -> str:
    """What was just accepted."""
    lines = [f"accepted: {_files(files)} ({digest[:12]})", *_allows(loaded)]
    return "\n".join([*lines, "any change of these files asks again; `loom trust --revoke` takes it back"]) + "\n"


def shown(files: Mapping[str, bytes], acceptances: tuple[Acceptance, ...], loaded: Loaded) -> str:
    """What is accepted, and what the current content asks for."""
    from loom.config.trust import checkout_digest

    if not files:
        return f"{_NOTHING}\n"
    digest = checkout_digest(files)
    since = next((entry.when for entry in acceptances if entry.digest == digest), None)
    state = f"accepted on {since}" if since else "not accepted (`loom trust` accepts it)"
    lines = [f"{_files(files)} ({digest[:12]}): {state}"]
    lines += [f"  {path}" for path in sorted(files)]
    return "\n".join([*lines, *_allows(loaded)]) + "\n"


def revoked(count: int) -> str:
    """What was taken back."""
    return "revoked: nothing is accepted here any more\n" if count else "nothing was accepted here\n"


def _files(files: Mapping[str, bytes]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def _allows(loaded: Loaded) -> list[str]:
    """The programs and hosts that an accepted checkout may use."""
    scripts = [f"  {p.name}: {p.run}" for p in loaded.config.pipelines if p.kind == "script" and p.enabled]
    hosts = [f"  {name}: {model.base_url}" for name, model in loaded.config.models.items() if model.base_url]
    lines = ["accepted, these commands run here:", *scripts] if scripts else ["it runs no commands"]
    lines.append("linters may load the code that their configuration names")
    return lines + (["and code goes to these hosts:", *hosts] if hosts else [])


def _print(text: str) -> None:
    from loom.infra.text import to_terminal

    sys.stdout.write("\n".join(to_terminal(line) for line in text.split("\n")))
