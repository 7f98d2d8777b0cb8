"""Names in the headers of a diff: git's C-quoting, prefixes, time stamps. Bytes in, bytes out; None where a header does
not say for certain which name it means."""

from __future__ import annotations

import re

NO_FILE = b"/dev/null"

_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-3][0-7]{2})')
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_SIMPLE = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_TIME = re.compile(rb"\t(?:\d{4}-\d\d-\d\d[ T]|[A-Z][a-z]{2} [A-Z][a-z]{2} |\(|$)")
"""What follows a name after a TAB: an ISO or a C time stamp, svn's `(revision 3)`, or nothing (git, after a name with
a space in it)."""
_EPOCH = re.compile(rb"\t(?:1970-01-01 |1969-12-31 |Thu Jan +1 00:00:00 1970)")
"""`diff -N` dates a file that is not there to the epoch, in local time."""


def unquote(name: bytes) -> bytes:
    """A whole header field as the bytes it means: `"caf\\303\\251"` or plain."""
    found = _QUOTED.fullmatch(name)
    return _unescape(found[1]) if found else name


def _unescape(inner: bytes) -> bytes:
    return _ESCAPE.sub(lambda m: _SIMPLE.get(m[1]) or (bytes([int(m[1], 8)]) if len(m[1]) == 3 else m[1]), inner)


def git_line(rest: bytes) -> tuple[bytes, bytes] | None:
    """The two names on a `diff --git` line, without prefixes, when they are the same name; else None.

    For all but renames and copies (whose `from` and `to` lines say it better) git prints one name twice under prefixes
    of one length, so a line cut in its middle is certain even for a name such as `x b/y.py`.
    """
    pair = _quoted_pair(rest) if rest.startswith(b'"') else _halves(rest)
    return None if pair is None else without_prefixes(*pair)


def _quoted_pair(rest: bytes) -> tuple[bytes, bytes] | None:
    first = _QUOTED.match(rest)
    if first is None or rest[first.end() : first.end() + 1] != b" ":
        return None
    return _unescape(first[1]), unquote(rest[first.end() + 1 :])


def _halves(rest: bytes) -> tuple[bytes, bytes] | None:
    middle, odd = divmod(len(rest), 2)
    return (rest[:middle], rest[middle + 1 :]) if odd and rest[middle] == 0x20 else None


def without_prefixes(old: bytes, new: bytes) -> tuple[bytes, bytes] | None:
    """The names with `a/` and `b/` (or `i/` and `w/`, or what `--src-prefix` said) taken off; None when what is left
    differs. Equal names have no prefixes (`diff.noprefix`): then a first folder called `b/` is a folder."""
    if old == new:
        return old, new
    bare_old, bare_new = old.partition(b"/")[2], new.partition(b"/")[2]
    return (bare_old, bare_new) if bare_old and bare_old == bare_new else None


def file_line(rest: bytes) -> bytes:
    """The name on a `---` or `+++` line, without time stamp, with its prefix."""
    stamp = _TIME.search(rest)
    return unquote(rest[: stamp.start()] if stamp else rest)


def dated_nowhere(rest: bytes) -> bool:
    """Whether a `---` or `+++` line says that the file is not there."""
    return file_line(rest) == NO_FILE or _EPOCH.search(rest) is not None


def plain_pair(old_rest: bytes, new_rest: bytes) -> tuple[bytes, bytes]:
    """Old and new name of a diff without git's header, from its `---` and `+++` lines.

    One file under two roots loses the roots (`a/x`, `b/x`); `x.orig` and `x` are two names of one file, of which the
    new one counts; a lone name loses `a/` or `b/`.
    """
    old, new = file_line(old_rest), file_line(new_rest)
    if NO_FILE in (old, new):
        lone = _without_default(new if old == NO_FILE else old)
        return lone, lone
    pair = without_prefixes(old, new)
    if pair is not None:
        return pair
    name = _without_default(new)
    return name, name


def _without_default(name: bytes) -> bytes:
    return name[2:] if name[:2] in (b"a/", b"b/") else name


def binary_line(rest: bytes) -> tuple[bytes, bytes] | None:
    """Old and new name of `Binary files X and Y differ` (given without its first two words); None when unclear."""
    inner = rest.removesuffix(b" differ")
    middle = (len(inner) - 5) // 2
    if len(inner) % 2 and inner[middle : middle + 5] == b" and ":
        return without_prefixes(file_line(inner[:middle]), file_line(inner[middle + 5 :]))
    old, found, new = inner.partition(b" and ")
    return plain_pair(old, new) if found and b" and " not in new else None
