"""Formats that tools print, read into findings. A member is one file with `parse(data, reading)`."""

from __future__ import annotations

from loom.analyzers.formats.base import Parsed, Reader, Reading
from loom.infra import lookup

FORMATS = {
    "json": "loom.analyzers.formats.json:parse",
    "regex": "loom.analyzers.formats.regex:parse",
    "sarif": "loom.analyzers.formats.sarif:parse",
    "text": "loom.analyzers.formats.text:parse",
}


def parse(name: str, data: bytes, reading: Reading) -> Parsed:
    """Read `data` as the format called `name`. Raises UsageError for an unknown name, ScriptError for bad data."""
    reader: Reader = lookup.load(FORMATS, name, what="output format of a script")
    return reader(data, reading)
