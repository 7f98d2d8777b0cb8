"""`loom trust`: accept this checkout's configuration, by content, for scripts and for models on other hosts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.config.load import Loaded
    from loom.store.state import Acceptance


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("trust")(trust_command)


def trust_command(
    show: Annotated[bool, typer.Option("--show", help="Say what is accepted and what accepting would allow.")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take back everything accepted here.")] = False,
) -> None:
    """Accept what .loom/ says now: its scripts may run here, its models may be on other hosts. Any change of the files
    asks again."""
    from loom.cli import wiring
    from loom.core.errors import UsageError

    if show and revoke:
        raise UsageError("--show and --revoke exclude each other", hint="give one of them")
    state = wiring.state()
    if revoke:
        _print(revoked(state.revoke()))
        return
    files = wiring.checkout_files()
    if show:
        _print(shown(files, state.list(), wiring.load_config()))
        return
    _accept(files)


def _accept(files: Mapping[str, bytes]) -> None:
    from datetime import UTC, datetime

    from loom.cli import wiring
    from loom.config.trust import checkout_digest
    from loom.core.errors import UsageError

    if not any(path.startswith(".loom/") for path in files):
        raise UsageError("there is no .loom/ here, so there is nothing to accept", hint="`loom init` writes one")
    loaded = wiring.load_config()  # a configuration that is wrong cannot be accepted: nobody can know what it does
    digest = checkout_digest(files)
    wiring.state().accept(digest, datetime.now(UTC).isoformat(timespec="seconds"))
    _print(accepted(files, digest, loaded))


def accepted(files: Mapping[str, bytes], digest: str, loaded: Loaded) -> str:
    """What was just accepted."""
    lines = [f"accepted: {_files(files)} ({digest[:12]})", *_allows(loaded)]
    return "\n".join([*lines, "any change of these files asks again; `loom trust --revoke` takes it back"]) + "\n"


def shown(files: Mapping[str, bytes], acceptances: tuple[Acceptance, ...], loaded: Loaded) -> str:
    """What is accepted, and what the current content asks for."""
    from loom.config.trust import checkout_digest, watched

    if not any(path.startswith(".loom/") for path in files):
        return "there is no .loom/ here, so there is nothing to accept\n"
    digest = checkout_digest(files)
    since = next((entry.when for entry in acceptances if entry.digest == digest), None)
    state = f"accepted on {since}" if since else "not accepted (`loom trust` accepts it)"
    lines = [f"{_files(files)} ({digest[:12]}): {state}"]
    lines += [f"  {path}" for path in sorted(filter(watched, files))]
    return "\n".join([*lines, *_allows(loaded)]) + "\n"


def revoked(count: int) -> str:
    """What was taken back."""
    return f"revoked: {count} accepted\n" if count else "nothing was accepted here\n"


def _files(files: Mapping[str, bytes]) -> str:
    from loom.config.trust import watched

    count = sum(1 for path in files if watched(path))
    return "1 file" if count == 1 else f"{count} files"


def _allows(loaded: Loaded) -> list[str]:
    """The programs and hosts that an accepted checkout may use."""
    scripts = [f"  {p.name}: {p.run}" for p in loaded.config.pipelines if p.kind == "script" and p.enabled]
    hosts = [f"  {name}: {model.base_url}" for name, model in loaded.config.models.items() if model.base_url]
    lines = ["accepted, these commands run here:", *scripts] if scripts else ["it runs no commands"]
    return lines + (["and code goes to these hosts:", *hosts] if hosts else [])


def _print(text: str) -> None:
    from loom.infra.text import to_terminal

    sys.stdout.write("\n".join(to_terminal(line) for line in text.split("\n")))
