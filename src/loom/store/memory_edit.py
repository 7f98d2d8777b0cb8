"""Add an entry to the text of `.loom/memory.yaml` and leave every byte that was there as it is: it is a file that
people write, with comments and an order of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from loom.core.errors import LoomError
from loom.infra import yaml
from loom.infra.text import one_line
from loom.infra.yaml import Document
from loom.store import memory
from loom.store.memory import Suppression

_NEW = "# What reviews of this repository do not say again (`loom ignore --shared`).\nversion: 1\n\nsuppressions:\n"
_EMPTY_LIST = re.compile(r"\[[ \t]*\]")


class MemoryEditError(LoomError):
    """The file is written in a way that nothing can be added to by a program."""

    default_slug = "memory"


def entry(suppression: Suppression) -> str:
    """The entry as YAML, from `- ` on, ending with a line feed."""
    fields: list[tuple[str, str]] = []
    if suppression.fingerprint is not None:
        fields.append(("fingerprint", _quoted(suppression.fingerprint)))
    if suppression.rule is not None:
        fields.append(("rule", _quoted(suppression.rule)))
    if suppression.paths:
        fields.append(("paths", f"[{', '.join(map(_quoted, suppression.paths))}]"))
    if suppression.severity is not None:
        fields.append(("severity", suppression.severity.value))
    fields.append(("reason", _quoted(suppression.reason)))
    if suppression.author.strip():
        fields.append(("author", _quoted(suppression.author)))
    fields += [(k, d.isoformat()) for k, d in (("added", suppression.added), ("expires", suppression.expires)) if d]
    about = one_line(suppression.about, 120)
    (key, value), *rest = fields
    first = f"- {key}: {value}" + (f"  # {about}" if about else "") + "\n"
    return first + "".join(f"  {key}: {value}\n" for key, value in rest)


def added(data: bytes | None, suppression: Suppression, *, file: str) -> bytes:
    """The file with one entry more, at the end of its list. `data` None: a new file. Raises ConfigError for a file that
    is not a memory file, MemoryEditError where the entry has to be written by hand."""
    if data is None or not data.strip():
        return (data or b"") + (_NEW + _indented(entry(suppression), 2)).encode()
    before = memory.read(data, file=file)
    for text in _candidates(data, yaml.load(data, file=file), entry(suppression)):
        if _is_added(text, before, file=file):
            return text
    raise MemoryEditError(
        f"{file} is written in a way that nothing could be added to it",
        hint=f"put this at the end of its `suppressions`:\n{entry(suppression)}",
    )


def _is_added(text: bytes, before: tuple[Suppression, ...], *, file: str) -> bool:
    """Whether the text reads as the same entries and one more."""
    try:
        now = memory.read(text, file=file)
    except LoomError:
        return False
    return len(now) == len(before) + 1 and [_told(s) for s in now[:-1]] == [_told(s) for s in before]


def _told(suppression: Suppression) -> tuple[object, ...]:
    """An entry without its place."""
    it = suppression
    return (it.fingerprint, it.rule, it.paths, it.reason, it.author, it.added, it.expires, it.severity)


def _candidates(data: bytes, document: Document, new: str) -> Iterator[bytes]:
    """Ways to put the entry at the end of the list, the prettiest first."""
    text = data.decode("utf-8")
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    new = new.replace("\n", end)
    if not isinstance(document.value, dict):  # nothing but comments
        yield _joined(lines, len(lines), f"version: 1{end}suppressions:{end}{_indented(new, 2)}", end)
        return
    if "suppressions" not in document.value:
        yield _joined(lines, len(lines), f"suppressions:{end}{_indented(new, 2)}", end)
        return
    items, key_line = document.value["suppressions"], document.key_place(("suppressions",))[0]
    if not items:
        bare = _EMPTY_LIST.sub("", lines[key_line - 1], count=1).rstrip() + end
        yield _joined([*lines[: key_line - 1], bare, *lines[key_line:]], key_line, _indented(new, 2), end)
        return
    line, column = document.place(("suppressions", 0))
    dash = lines[line - 1][: column - 1].rstrip()
    indent = len(dash) - 1 if dash.strip() == "-" else 2
    keys = (document.key_place((key,))[0] for key in document.value)
    stop = min((n for n in keys if n > key_line), default=len(lines) + 1) - 1
    last = max((n for n, text in enumerate(lines[:stop], 1) if _says_something(text)), default=stop)
    for at in dict.fromkeys((last, stop)):
        yield _joined(lines, at, _indented(new, indent), end)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _joined(lines: list[str], at: int, new: str, end: str) -> bytes:
    """The lines with `new` after the first `at`."""
    head = "".join(lines[:at])
    if head and not head.endswith(("\n", "\r")):
        head += end
    return (head + new + "".join(lines[at:])).encode()


def _indented(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


def _quoted(text: str) -> str:
    """A double-quoted scalar on one line. Every JSON string is one, once nothing is in it that YAML forbids."""
    return json.dumps(one_line(text, memory.MAX_TEXT), ensure_ascii=False)
