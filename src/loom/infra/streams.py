"""Readers of streamed answers: server-sent events and newline-delimited JSON, from byte chunks, with limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from loom.infra.net import NetError

MAX_EVENT = 1 << 20
"""Bytes of one line or event. The longest honest ones are whole answers sent as one event, some 100 kB."""
MAX_STREAM = 64 << 20
"""Bytes of one answer: 128k tokens at 300 bytes of JSON around each come to 40 MB."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `name` is "message" when the server gave none."""

    name: str
    data: str


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends (LF, CRLF or CR). The last one counts even when its end is missing."""
    rest = bytearray()
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > MAX_STREAM:
            raise NetError(f"the answer is larger than {MAX_STREAM >> 20} MiB", kind="too-large")
        rest += chunk
        *whole, tail = _split(rest)
        for line in whole:
            yield line
        rest = bytearray(tail)
        if len(rest) > MAX_EVENT:
            raise NetError(f"one line of the answer is longer than {MAX_EVENT >> 20} MiB", kind="too-large")
    if rest:
        yield bytes(rest).rstrip(b"\r")


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Server-sent events. Comments (`: keep-alive`) and blank lines are skipped; an event that the stream breaks off
    before its blank line is still given, because several servers forget the last one."""
    name, data, size = "", list[str](), 0
    async for raw in lines(chunks):
        if not raw:
            if data:
                yield Event(name or "message", "\n".join(data))
            name, data, size = "", [], 0
            continue
        field, _, value = raw.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            size += len(value)
            if size > MAX_EVENT:
                raise NetError(f"one event of the answer is longer than {MAX_EVENT >> 20} MiB", kind="too-large")
            data.append(value)
        elif field == "event":
            name = value
    if data:
        yield Event(name or "message", "\n".join(data))


async def ndjson(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Each non-empty line as an event named "message"."""
    async for raw in lines(chunks):
        if raw.strip():
            yield Event("message", raw.decode("utf-8", "replace"))


def _split(data: bytearray) -> list[bytes]:
    # A CR at the very end may be the first half of a CRLF: it stays with the tail.
    held = data.endswith(b"\r")
    body = bytes(data[:-1] if held else data)
    parts = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if held:
        parts[-1] += b"\r"
    return parts
