"""What Loom remembers about a repository on this machine: the last local result, which configurations its owner
accepted, and which findings they do not want to see again. It lives in the user's state folder, never in the
repository.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loom.core.errors import LoomError
from loom.core.finding import Severity
from loom.store.memory import Suppression

_VERSION = 1
_MAX_TRUST = 1_000_000  # bytes; a thousand acceptances are some 100 kB
_MAX_LAST = 200_000_000
_MAX_IGNORED = 10_000_000  # bytes; ten thousand entries are some 3 MB
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class StateError(LoomError):
    """The user's state folder cannot be written."""

    default_slug = "state"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One configuration that was accepted."""

    digest: str
    """64 hex digits (config.trust.checkout_digest)."""
    when: str
    """ISO 8601, UTC."""


class RepoState:
    """The state of one repository. Reading never fails: what is damaged, foreign or absent counts as absent."""

    def __init__(self, folder: Path, common_dir: Path) -> None:
        self._root = folder
        self._repository = str(common_dir.resolve())
        key = hashlib.sha256(os.fsencode(self._repository)).hexdigest()[:32]
        self._folder = folder / key

    @property
    def folder(self) -> Path:
        """This repository's own folder; it may not exist yet."""
        return self._folder

    def last(self, of: str | None = None) -> bytes | None:
        """The last local result, as it was saved; or the last whole one `of` that source (local, staged, …)."""
        return self._read(_last_name(of), _MAX_LAST)

    def save_last(self, data: bytes, *, of: str | None = None) -> None:
        """Keep a result as the last one, and with `of` also as the last whole one of that source. Raises OSError."""
        self._write(_last_name(None), data)
        if of is not None:
            self._write(_last_name(of), data)

    def accepted(self, digest: str) -> bool:
        """Whether that content was accepted."""
        return any(entry.digest == digest for entry in self.list())

    def accept(self, digest: str, when: str) -> None:
        """Accept a content. Accepting it again changes nothing. Raises StateError."""
        if not self.accepted(digest):
            self._save((*self.list(), Acceptance(digest, when)))

    def revoke(self) -> int:
        """Take all acceptances back; how many there were. Raises StateError."""
        before = self.list()
        if before:
            self._save(())
        return len(before)

    def list(self) -> tuple[Acceptance, ...]:
        """Every acceptance, oldest first."""
        raw = self._read("trust.json", _MAX_TRUST)
        if raw is None:
            return ()
        try:
            value = json.loads(raw)
            if value["version"] != _VERSION or value["repository"] != self._repository:
                return ()
            entries = tuple(Acceptance(str(entry["digest"]), str(entry["when"])) for entry in value["accepted"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ()  # damaged: nothing is accepted, which is the safe reading
        return tuple(entry for entry in entries if _DIGEST.fullmatch(entry.digest))

    def ignored(self) -> tuple[Suppression, ...]:
        """What this user ignores here, oldest first."""
        raw = self._read("ignored.json", _MAX_IGNORED)
        if raw is None:
            return ()
        try:
            value = json.loads(raw)
            if value["version"] != _VERSION or value["repository"] != self._repository:
                return ()
            return tuple(_suppression(entry) for entry in value["ignored"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ()  # damaged: nothing is ignored, which is the safe reading

    def ignore(self, suppressions: Iterable[Suppression]) -> None:
        """Ignore these findings; an earlier entry of the same fingerprint is replaced. Raises StateError."""
        now = {entry.fingerprint: entry for entry in suppressions}
        kept = (entry for entry in self.ignored() if entry.fingerprint not in now)
        self._save_ignored((*kept, *now.values()))

    def unignore(self, fingerprints: Iterable[str]) -> None:
        """Forget these entries. Raises StateError."""
        gone = frozenset(fingerprints)
        self._save_ignored(entry for entry in self.ignored() if entry.fingerprint not in gone)

    def _save_ignored(self, entries: Iterable[Suppression]) -> None:
        ignored = [
            {
                "fingerprint": entry.fingerprint,
                "reason": entry.reason,
                "added": entry.added.isoformat() if entry.added else None,
                "expires": entry.expires.isoformat() if entry.expires else None,
                "severity": entry.severity.value if entry.severity else None,
                "about": entry.about,
            }
            for entry in entries
        ]
        self._save_json("ignored.json", {"ignored": ignored})

    def _save(self, entries: tuple[Acceptance, ...]) -> None:
        accepted = [{"digest": entry.digest, "when": entry.when} for entry in entries]
        self._save_json("trust.json", {"accepted": accepted})

    def _save_json(self, name: str, content: dict[str, object]) -> None:
        value = {"version": _VERSION, "repository": self._repository, **content}
        try:
            self._write(name, json.dumps(value, indent=1).encode() + b"\n")
        except OSError as error:
            message = f"cannot write {self._folder / name}: {error.strerror or error}"
            raise StateError(message, hint="make the folder writable, or set XDG_STATE_HOME to another one") from error

    def _read(self, name: str, limit: int) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                info = os.fstat(file.fileno())
                if not stat.S_ISREG(info.st_mode) or info.st_size > limit or not _ours(info):
                    return None
                return file.read()
        except OSError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all (a new file is renamed over the old one), readable by its owner only."""
        for folder in (self._root, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)  # mkdir's mode is cut by the umask, and an old folder keeps its own
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{name}-")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def _suppression(entry: dict[str, object]) -> Suppression:
    """One entry of the user's own list. Raises ValueError, KeyError or TypeError for a damaged one."""
    fingerprint, severity = str(entry["fingerprint"]), entry["severity"]
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(fingerprint)
    return Suppression(
        source="personal",
        where="loom ignore",
        fingerprint=fingerprint,
        reason=str(entry["reason"]),
        added=_date(entry["added"]),
        expires=_date(entry["expires"]),
        severity=None if severity is None else Severity(severity),
        about=str(entry["about"]),
    )


def _date(text: object) -> date | None:
    return None if text is None else date.fromisoformat(str(text))


def _last_name(of: str | None) -> str:
    return f"last-{of}.json" if of else "last.json"


def _ours(info: os.stat_result) -> bool:
    """Whether the file belongs to this user: somebody else's acceptances are not ours."""
    return not hasattr(os, "getuid") or info.st_uid in (os.getuid(), 0)
