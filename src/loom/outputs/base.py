"""The contract of an output, and the writer that alone opens and closes an output file."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from loom.core.errors import LoomError
from loom.core.result import ReviewResult

NARROW = 60
"""Below this many columns the plain form is easier to read than a squeezed rich one."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a person's screen is. Machine formats ignore it."""

    colour: bool = False
    width: int = 80
    """Columns."""
    unicode: bool = True
    """Whether the stream can show more than ASCII."""
    interactive: bool = False
    """A terminal, not a file or a CI log."""


class Output(Protocol):
    """One format: a function from the result to its text. Pure: same result, same bytes."""

    def __call__(self, result: ReviewResult, look: Look) -> str:
        """The whole output, ending with a line feed; empty where a format has nothing to say."""


class OutputError(LoomError):
    """A result could not be written where it was to go."""

    default_slug = "output"


def look_at(stream: TextIO, environ: Mapping[str, str]) -> Look:
    """How `stream` shows things, honouring NO_COLOR, FORCE_COLOR, TERM, CI and COLUMNS of `environ`.

    NO_COLOR and FORCE_COLOR count when not empty (no-color.org, force-color.org); NO_COLOR wins.
    """
    interactive = stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("CI")
    colour = (interactive or bool(environ.get("FORCE_COLOR"))) and not environ.get("NO_COLOR")
    unicode = (stream.encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")
    return Look(colour=colour, width=_width(stream, environ), unicode=unicode, interactive=interactive)


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    columns = environ.get("COLUMNS", "")[:6]
    if columns.isascii() and columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # not a terminal; a stream without a descriptor
        return 80


def write(text: str, target: Path | None, stdout: TextIO) -> None:
    """Put `text` into the file `target`, or on `stdout` when that is None, always as UTF-8 (an output that must be
    ASCII already is). A file appears whole or not at all; its folder is made. A reader of stdout that has gone away
    (`| head`) is no error. Raises OutputError."""
    data = text.encode("utf-8", "backslashreplace")
    if target is None:
        _print(data, stdout)
        return
    check(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _save(data, target)
    except OSError as error:
        raise _cannot_write(target, error.strerror or str(error)) from error


def check(target: Path) -> None:
    """Raise OutputError when `target` can be told in advance not to be writable: cheap, so that a review's work is
    not lost to a mistyped name. Changes nothing."""
    if target.is_dir():
        raise _cannot_write(target, "it is a folder")
    folder = next((p for p in target.absolute().parents if p.exists()), None)
    if folder is not None and not folder.is_dir():
        raise _cannot_write(target, f"{folder} is not a folder")


def _cannot_write(target: Path, reason: str) -> OutputError:
    return OutputError(f"cannot write {target}: {reason}", hint="name a file in a folder that you may write to")


def _print(data: bytes, stdout: TextIO) -> None:
    try:
        if hasattr(stdout, "buffer"):
            stdout.flush()
            rest = memoryview(data)
            while rest:  # with PYTHONUNBUFFERED, which containers like to set, a write may be a part of it
                rest = rest[stdout.buffer.write(rest) or 0 :]
        else:  # a stream that only takes text, such as a test's StringIO
            stdout.write(data.decode("utf-8"))
        stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end and would complain then; see
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stdout.fileno())
        os.close(devnull)
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror or error}") from error


def _save(data: bytes, target: Path) -> None:
    target = target.resolve()  # a symbolic link keeps pointing where it did
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode):  # /dev/null, a pipe: renaming would replace the device
        target.write_bytes(data)
        return
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                part.chmod(stat.S_IMODE(mode))
        part.replace(target)
    except BaseException:  # Ctrl-C as well: whatever ends the writing, no half a file stays behind
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
