"""`loom ignore`: not to be told a finding again, by oneself or, through `.loom/memory.yaml`, by anybody."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.cli.host import Host
    from loom.cli.opening import Acceptable
    from loom.cli.wiring import Checkout
    from loom.core.finding import Finding
    from loom.store.memory import Suppression
    from loom.store.state import RepoState

_SPAN = re.compile(r"(\d{1,4})([dw])")
_LONGEST_DAYS = 3650


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("ignore")(ignore_command)


def ignore_command(
    fingerprints: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FINGERPRINT]...", help="Findings of the last review, or the first characters."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; a blocker needs it.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="For everyone: add it to .loom/memory.yaml.")] = False,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DATE", help="The last day it holds: 2026-12-31, 90d or 12w.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show what is ignored here.")] = False,
    undo: Annotated[
        list[str] | None, typer.Option("--undo", metavar="FINGERPRINT", help="Take an own entry back; repeatable.")
    ] = None,
) -> None:
    """Do not tell these findings again: to you on this machine, or with --shared to anybody.

    Ignored findings are still counted. What became worse since, or expired, is told again.
    """
    from datetime import UTC, datetime

    from loom.cli import wiring
    from loom.cli.host import this_host
    from loom.core.errors import UsageError

    host = this_host()
    ways = [name for name, on in (("--list", listed), ("--undo", undo), ("a fingerprint", fingerprints)) if on]
    if len(ways) != 1:
        what = f"{' and '.join(ways)} cannot be used together" if ways else "nothing says which finding to ignore"
        raise UsageError(what, hint="loom ignore FINGERPRINT…, --list, or --undo FINGERPRINT")
    if fingerprints is None and (reason is not None or shared or expires is not None):
        raise UsageError("--reason, --shared and --expires belong to a fingerprint", hint="loom ignore FINGERPRINT …")
    today = datetime.now(UTC).date()
    with wiring.open_checkout(host) as checkout:
        state = wiring.repo_state(host, checkout)
        if listed:
            _say(_shown(state.ignored(), _teams(checkout), today))
        elif undo:
            _say(_undone(undo, state))
        else:
            until = last_day(expires, today) if expires is not None else None
            given = _given(fingerprints or (), reason, until, today, host, state)
            _say(_share(given, host, checkout, state) if shared else _keep(given, state))


def last_day(text: str, today: date) -> date:
    """The day that `--expires` means. Raises UsageError."""
    from loom.core.errors import UsageError

    found = _SPAN.fullmatch(text.strip())
    try:
        days = int(found[1]) * (7 if found[2] == "w" else 1) if found else 0
        day = today + timedelta(days=days) if found else date.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f'--expires: "{text}" is no date', hint="2026-12-31, 90d or 12w") from error
    if not today <= day <= today + timedelta(days=_LONGEST_DAYS):
        hint = "a day to come, at most ten years from now; without --expires it holds for good"
        raise UsageError(f"--expires: {day} is not in the time to come", hint=hint)
    return day


def _given(
    fingerprints: Sequence[str],
    reason: str | None,
    until: date | None,
    today: date,
    host: Host,
    state: RepoState,
) -> list[Suppression]:
    """What is to be ignored, each finding once. Raises UsageError before anything is written."""
    from loom.cli import results
    from loom.core.errors import UsageError
    from loom.engine.suppress import silenced_before

    last = results.kept_result(None, host)
    known = {f.fingerprint: f for f in (*silenced_before(last.dropped), *last.findings)}
    found = {f.fingerprint: f for f in (results.find(list(known.values()), word) for word in fingerprints)}
    why = _reason(reason)
    earlier = {entry.fingerprint: entry.reason for entry in state.ignored()}
    given = [_entry(f, why or earlier.get(f.fingerprint, ""), until, today) for f in found.values()]
    if lacking := [entry for entry in given if not entry.reason and entry.severity is None]:
        names = ", ".join(entry.name for entry in lacking)
        raise UsageError(f"a blocker is only ignored for a reason: {names}", hint='--reason "why it is none"')
    return given


def _reason(text: str | None) -> str:
    """The reason on one line, without secrets: it is shown wherever the entry is."""
    from loom.cli import wiring
    from loom.core.errors import UsageError
    from loom.infra.text import one_line
    from loom.store.memory import MAX_TEXT

    if text is None:
        return ""
    if not text.strip():
        raise UsageError("--reason is empty", hint="say why, or leave it out")
    return one_line(wiring.mask_own(text), MAX_TEXT)


def _entry(finding: Finding, reason: str, until: date | None, today: date) -> Suppression:
    from loom.core.finding import Severity
    from loom.infra.text import one_line
    from loom.store.memory import Suppression

    worst = finding.deterministic_severity or finding.severity
    blocks = Severity.BLOCKER in (worst, finding.severity)
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path
    return Suppression(
        source="personal",
        where="loom ignore",
        fingerprint=finding.fingerprint,
        reason=reason,
        added=today,
        expires=until,
        severity=None if blocks else worst,
        about=one_line(f"{place} {finding.title or finding.message}", 160),
    )


def _keep(given: Sequence[Suppression], state: RepoState) -> str:
    state.ignore(given)
    lines = [f"ignored: {_line(entry)}" for entry in given]
    undo = " ".join(f"--undo {entry.name}" for entry in given[:3])
    more = " …" if len(given) > 3 else ""
    lines += ["this is for you, on this machine; --shared tells everyone", f"to undo it: loom ignore {undo}{more}"]
    return "\n".join(lines)


def _share(given: Sequence[Suppression], host: Host, checkout: Checkout, state: RepoState) -> str:
    """Add the entries to the team's file, and keep a checkout accepted that was."""
    from loom.cli import wiring
    from loom.core.errors import UsageError
    from loom.infra.text import one_line
    from loom.store.memory_edit import added

    if any(not entry.reason for entry in given):
        raise UsageError("what everyone ignores needs a reason", hint='--reason "why it is not worth saying"')
    memory = wiring.load_config().config.memory
    if not memory.enabled:
        raise UsageError(
            "memory.enabled is false, so the file does not count", hint="set it to true in the configuration"
        )
    author = one_line(checkout.git.user_name, 100) if checkout.git is not None else ""
    content = before = _content(checkout, memory.file)
    for entry in given:
        content = added(content, replace(entry, author=author), file=memory.file)
    assert content is not None
    there = wiring.acceptable(whole=False)
    accepted = all(state.accepted(digest) for digest in there.digests) if there.files else True
    _write(checkout, memory.file, content, new=before is None)
    lines = [f"added to {memory.file}: {_line(entry)}" for entry in given]
    lines.append(
        "commit the file: it counts for everyone once it is on the target branch; to undo it, take the entry out"
    )
    if not (accepted and _accepted_again(there, memory.file, state)):
        lines.append("here it counts after `loom trust`: this checkout is not accepted")
    return "\n".join(lines)


def _accepted_again(before: Acceptable, file: str, state: RepoState) -> bool:
    """Accept the checkout as it is now, if nothing but our own entry changed since it was accepted."""
    from datetime import UTC, datetime

    from loom.cli import wiring
    from loom.core.errors import LoomError

    try:
        now = wiring.acceptable(whole=True)
    except LoomError:
        return False  # an `extends` that cannot be fetched here: `loom trust` will say so
    others = [{path: mark for path, mark in there.files.items() if path != file} for there in (before, now)]
    if others[0] != others[1]:
        return False
    for digest in now.digests:
        state.accept(digest, datetime.now(UTC).isoformat(timespec="seconds"))
    return True


def _content(checkout: Checkout, file: str) -> bytes | None:
    from loom.core.errors import UsageError
    from loom.infra.checkout import kind

    if not checkout.has_files:
        raise UsageError("a bare repository has no files to write to", hint="run it in a working tree")
    content = checkout.read(file)
    if content is None and kind(checkout.root, file) is not None:
        raise UsageError(f"{file} is there and cannot be read", hint="make it a regular file")
    return content


def _write(checkout: Checkout, file: str, content: bytes, *, new: bool) -> None:
    from loom.core.errors import LoomError
    from loom.infra.checkout import kind, write_regular

    place = checkout.root / file
    try:
        if not new:
            write_regular(checkout.root, file, content)
            return
        folders = file.split("/")[:-1]
        for n in range(1, len(folders) + 1):
            if kind(checkout.root, folder := "/".join(folders[:n])) is None:
                (checkout.root / folder).mkdir()
            elif kind(checkout.root, folder) != "directory":
                raise NotADirectoryError(20, "not a folder of its own", folder)
        with place.open("xb") as out:
            out.write(content)
    except OSError as error:
        raise LoomError(
            f"cannot write {file}: {error.strerror or error}", hint="nothing was ignored", slug="memory"
        ) from error


def _undone(given: Sequence[str], state: RepoState) -> str:
    from loom.cli.results import SHORTEST
    from loom.core.errors import UsageError, did_you_mean

    kept = {entry.name: entry for entry in state.ignored()}
    gone: dict[str, Suppression] = {}
    for word in given:
        found = [name for name in kept if len(word) >= SHORTEST and name.startswith(word.strip().lower())]
        if len(found) != 1:
            what = f"fits {len(found)} of your entries" if found else "is none of your entries"
            hint = "`loom ignore --list` shows them; an entry of .loom/memory.yaml is taken out by hand"
            raise UsageError(f'"{word}" {what}.{"" if found else did_you_mean(word, kept)}', hint=hint)
        gone[found[0]] = kept[found[0]]
    state.unignore(gone)
    return "\n".join(f"no longer ignored: {_line(entry)}" for entry in gone.values())


def _teams(checkout: Checkout) -> tuple[Suppression, ...]:
    """What the file of this working tree says, whether it counts here or not."""
    from loom.cli import wiring
    from loom.store.memory import read

    file = wiring.load_config().config.memory.file
    content = checkout.read(file)
    return read(content, file=file) if content is not None else ()


def _shown(own: Sequence[Suppression], teams: Sequence[Suppression], today: date) -> str:
    if not own and not teams:
        return "nothing is ignored here"
    lines = [f"you, on this machine ({len(own)}):"] if own else []
    lines += [f"  {_line(entry, today)}" for entry in own]
    lines += [f"everyone, by this checkout ({len(teams)}):"] if teams else []
    lines += [f"  {_line(entry, today)} ({entry.where})" for entry in teams]
    return "\n".join(lines)


def _line(entry: Suppression, today: date | None = None) -> str:
    """One entry on one line."""
    from loom.infra.text import one_line

    parts = [entry.name, entry.about or " ".join(entry.paths)]
    parts += [f"({one_line(entry.reason, 200)})"] if entry.reason else []
    if entry.expires is not None:
        over = today is not None and entry.expired(today)
        parts.append(f"expired on {entry.expires}" if over else f"until {entry.expires}")
    return "  ".join(part for part in parts if part)


def _say(text: str) -> None:
    from loom.infra.text import to_terminal

    sys.stdout.write(to_terminal(text) + "\n")
