"""Files of a checkout, read and written as they stand there, never through a link and never outside it."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

MAX_FILE = 5_000_000
"""Bytes; a larger file counts as not known."""

_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# O_NONBLOCK: opening a named pipe must not wait for a writer.


def read_regular(root: Path, path: str) -> bytes | None:
    """The content of a regular file at a repository-relative path; None for anything else, anything reached over a link
    or outside `root`, and more than MAX_FILE bytes."""
    parts = _parts(path)
    if parts is None:
        return None
    try:
        handle = _open_below(root, parts)
    except (OSError, ValueError):  # ValueError: a name the file system cannot hold
        return None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE:
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_FILE)


def write_regular(root: Path, path: str, data: bytes) -> None:
    """Put `data` in the place of a regular file's content, whole or not at all; the file keeps its mode. Raises OSError
    for anything that is no regular file, is reached over a link, or lies outside `root` or in a `.git` folder."""
    parts = _parts(path)
    if parts is None or any(part.casefold().rstrip(". ") == ".git" for part in parts):
        raise PermissionError(errno.EPERM, "not a file of the working tree", path)
    handle = _open_below(root, parts)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise PermissionError(errno.EPERM, "not a regular file", path)
    place = root.joinpath(*parts)
    temporary = place.with_name(f".{parts[-1][:200]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            temporary.chmod(stat.S_IMODE(found.st_mode))
        temporary.replace(place)
    except BaseException:  # Ctrl-C as well: no half a file stays behind
        temporary.unlink(missing_ok=True)
        raise


def fingerprint(root: Path, path: str) -> bytes | None:
    """What identifies that which a program finds at a repository-relative path: the SHA-256 of a regular file of any
    size, links followed; of what is neither that nor a folder, a mark and a link's text. None for all else."""
    parts = _parts(path)
    if parts is None:
        return None
    place = root.joinpath(*parts)
    try:
        with os.fdopen(os.open(place, _OPEN & ~getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return hashlib.file_digest(file, "sha256").digest()
    except (OSError, ValueError):  # ValueError: a name the file system cannot hold
        pass
    if place.is_dir() or not os.path.lexists(place):
        return None
    return b"link: " + os.fsencode(place.readlink()) if place.is_symlink() else b"no readable file"


def kind(root: Path, path: str) -> str | None:
    """What stands at a path: "file", "link", "directory" or "other"; None when nothing does, or only over a link."""
    parts = _parts(path)
    if parts is None:
        return None
    place = root
    for part in parts[:-1]:
        place = place / part
        if not _mode_is(place, stat.S_ISDIR):
            return None
    place = place / parts[-1]
    for name, test in (("file", stat.S_ISREG), ("link", stat.S_ISLNK), ("directory", stat.S_ISDIR)):
        if _mode_is(place, test):
            return name
    return "other" if os.path.lexists(place) else None


def _parts(path: str) -> list[str] | None:
    """The names on the way; None for a path that may lead elsewhere."""
    parts = path.split("/")
    hostile = any(part in ("", ".", "..") or "\0" in part for part in parts)
    windows = os.name == "nt" and any(char in path for char in "\\:")
    return None if hostile or windows else parts


def _open_below(root: Path, parts: list[str]) -> int:
    if os.open not in os.supports_dir_fd:  # Windows: links need a right that few have
        for count in range(1, len(parts)):
            if not _mode_is(root.joinpath(*parts[:count]), stat.S_ISDIR):
                raise NotADirectoryError(root.joinpath(*parts[:count]))
        return os.open(root.joinpath(*parts), _OPEN)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1], _OPEN, dir_fd=folder)
    finally:
        os.close(folder)


def _mode_is(place: Path, test: Callable[[int], bool]) -> bool:
    try:
        return test(place.lstat().st_mode)
    except (OSError, ValueError):
        return False
