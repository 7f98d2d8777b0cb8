"""Private keys over several lines: PEM, OpenSSH, PGP and PuTTY blocks, whole, cut off by the edge of a hunk, or a part
from the middle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from loom.infra.secret_context import random_looking

_EDGE = re.compile(r"-----(BEGIN|END) (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PUTTY = re.compile(r"Private-Lines: [0-9]{1,4}")
_RUN = r"=?[A-Za-z0-9][A-Za-z0-9+/]*+={0,2}+"
_LINE = re.compile(
    rf"""(?:\\[nrt]|[\s"'`+#*/>|,;:(){{}}-])*+({_RUN}(?:(?:\\[nr])++{_RUN})*+)(?:\\[nrt]|[\s"'`+,;:\\().-])*+"""
)
"""A line of a key, with what may stand around it: marks of a diff, comments, quotes, written line ends."""
_HEADER = re.compile(r"[+\- ]?[ \t]*[A-Z][A-Za-z-]{2,30}: ")  # Proc-Type: 4,ENCRYPTED
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+")
_FULL_LINE = 40
"""Characters. Key lines have 64, 70 or 76; only the last one is shorter."""
_BARE_LINE = range(60, 81)
_BARE_LINES = 3
"""Fewer full lines with neither begin nor end could be anything in base64."""
_TELLING = 16
"""Characters. A shorter piece of a key's line could be anything."""
_BREAKS = re.compile(r"(?:\\[nr])+")
_PUBLIC_EDGE = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{0,40}(?:CERTIFICATE|PUBLIC KEY|MESSAGE|SIGNATURE|CRL|REQUEST)")


def key_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Where private keys stand, as offsets, in order. A block without its begin or end is followed as far as its
    lines look like a key's. Begin and end with nothing like a key between them are talk about keys."""
    if "PRIVATE KEY-" in text or "PRIVATE KEY BLOCK-" in text:
        yield from _pem(text)
    if "Private-Lines: " in text:
        yield from _putty(text)


def runs_of(key: str) -> Iterator[str]:
    """The lines of a key without what stands around them, those that are unmistakable."""
    for line in _EDGE.sub("\n", key).split("\n"):
        if found := _LINE.fullmatch(line):
            yield from (run for run in _BREAKS.split(found[1]) if len(run) >= _TELLING and random_looking(run))


def may_be_inside(lines: Iterable[str]) -> bool:
    """Whether some of the lines could be a key's whose begin and end are elsewhere."""
    return any(len(line) >= _FULL_LINE and _key_length(line) >= _FULL_LINE for line in lines)


def bare_runs(lines: Sequence[str]) -> Iterator[str]:
    """What looks like the middle of a key where nothing else is known: several full lines of the same length of pure
    base64 (hexadecimal is not), unless an edge of something public stands beside them."""
    numbered = list(enumerate(_key_length(line) for line in lines))
    for length, group in groupby(numbered, key=lambda pair: pair[1]):
        places = [index for index, _ in group]
        if length not in _BARE_LINE or len(places) < _BARE_LINES:
            continue
        first, last = places[0], places[-1] + 1
        if last < len(lines) and 0 < numbered[last][1] < length:
            last += 1
        beside = (*lines[max(0, first - 1) : first], *lines[last : last + 1])
        runs = list(runs_of("\n".join(lines[first:last])))
        if not any(map(_PUBLIC_EDGE.search, beside)) and any(map(_mixed_case, runs)):
            yield from runs


def _mixed_case(run: str) -> bool:
    return not (run.islower() or run.isupper())


def _pem(text: str) -> Iterator[tuple[int, int]]:
    edges = list(_EDGE.finditer(text))
    before = 0
    skip = False
    for nth, edge in enumerate(edges):
        following = edges[nth + 1] if nth + 1 < len(edges) else None
        if skip:
            skip = False
        elif edge[1] == "BEGIN" and following is not None and following[1] == "END":
            skip = True
            if _has_key(text[edge.end() : following.start()]):
                yield edge.start(), following.end()
        elif edge[1] == "BEGIN":
            end = _forward(text, edge.end(), following.start() if following else len(text))
            if end > edge.end():
                yield edge.start(), end
        else:
            start = _backward(text, before, edge.start())
            if start < edge.start():
                yield start, edge.end()
        before = edge.end()


def _putty(text: str) -> Iterator[tuple[int, int]]:
    starts = [found.end() for found in _PUTTY.finditer(text)]
    for start, limit in zip(starts, (*starts[1:], len(text)), strict=False):  # no start: nothing, but one limit
        end = _forward(text, start, limit)
        if end > start:
            stop = _line_end(text, start, limit)
            yield start if _key_length(text[start:stop]) else stop + 1, end


def _has_key(body: str) -> bool:
    return any(len(run) >= 20 and random_looking(run) for run in _BASE64.findall(body))


def _forward(text: str, start: int, limit: int) -> int:
    """The end of the key that begins here; `start` when none does."""
    end = start
    at = _line_end(text, start, limit)
    if _key_length(text[start:at]):  # the whole key on the line of its BEGIN, line ends written as \\n
        end = at
    while at < limit:
        stop = _line_end(text, at + 1, limit)
        line = text[at + 1 : stop]
        length = _key_length(line)
        if length:
            end = stop - line.endswith("\r")
        elif line.strip("+- \t\r") and not _HEADER.match(line):
            break
        at = stop
        if 0 < length < _FULL_LINE:
            break
    return end if _has_key(text[start:end]) else start


def _backward(text: str, limit: int, end: int) -> int:
    """The start of the key that ends here; `end` when none does."""
    at = text.rfind("\n", limit, end) + 1 or limit
    first = at if _key_length(text[at:end]) else end
    is_last = first == end
    while at > limit:
        stop = at - 1
        at = text.rfind("\n", limit, stop) + 1 or limit
        length = _key_length(text[at:stop])
        if not length or (length < _FULL_LINE and not is_last):
            break
        first, is_last = at, False
    return first if _has_key(text[first:end]) else end


def _line_end(text: str, at: int, limit: int) -> int:
    stop = text.find("\n", at, limit)
    return limit if stop < 0 else stop


def _key_length(line: str) -> int:
    """How many characters of a key a line holds; 0 when it is something else."""
    found = _LINE.fullmatch(line)
    return len(found[1]) if found else 0
