"""How a change is shown to a model: hunks with the line numbers of the new file, removed lines apart, and nothing in
them that could pass for our own headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from loom.core.diff import Line
from loom.engine.view import FileView, HunkView
from loom.infra.text import visible

MAX_LINE = 4_000
"""Characters of one line that are shown: a minified bundle would push everything else out of the window."""

FENCE = "\x00fence\x00"
"""Stands in a request for the random tag of the run (`prompts.with_tag`). Untrusted text cannot hold it: it is made of
characters that `visible` spells out."""


def hunk_ids(files: Iterable[FileView]) -> tuple[str, ...]:
    """The ids of all hunks, in the order they are shown: what `coverage` has to name."""
    return tuple(one_line(hunk.id) for file in files for hunk in file.hunks)


def render_files(files: Sequence[FileView]) -> str:
    """The files as the model sees them, without a last line feed."""
    return "\n".join(line for file in files for line in _file(file))


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Untrusted text that must stay on its line: control and invisible characters spelled out, cut at `limit`."""
    return _cut(visible(text[: limit + 1]).replace("\n", "<U+000A>").replace("\r", "<U+000D>"), len(text), limit)


def block(text: str, limit: int) -> str:
    """Untrusted text of several lines, cut at `limit` characters."""
    unix = text[: limit + 1].replace("\r\n", "\n")
    return _cut(visible(unix), len(text), limit)


def _cut(shown: str, length: int, limit: int) -> str:
    if length <= limit and len(shown) <= limit:
        return shown
    kept = shown[:limit]
    return f"{kept} [cut: {max(length - limit, len(shown) - limit)} more characters]"


def _file(file: FileView) -> Iterator[str]:
    yield f"=== {one_line(file.path)} ({_what(file)})"
    for hunk in file.hunks:
        yield from _hunk(hunk)


def _what(file: FileView) -> str:
    if file.old_path and file.old_path != file.path:
        return f"{file.status} from {one_line(file.old_path)}"
    return file.status


def _hunk(hunk: HunkView) -> Iterator[str]:
    section = one_line(hunk.section.strip(), 200)
    yield f"@@ {one_line(hunk.id)} @@ {section}".rstrip()
    width = max(4, *(len(str(line.new or 0)) for line in hunk.lines)) if hunk.lines else 4
    crlf = all(line.text.endswith("\r") for line in hunk.lines)
    for line in _new_side_first(hunk.lines):
        # Where every line ends in CR it says nothing; where some do, that is the change and stays visible.
        text = one_line(line.text[:-1] if crlf else line.text)
        number = "" if line.new is None else line.new
        yield f"{number:>{width}} {line.kind} |{' ' if text else ''}{text}"


def _new_side_first(lines: Iterable[Line]) -> Iterator[Line]:
    """Within each run of changed lines the added ones, then the removed ones: models that see them interleaved
    miscount (facts: line-number drift is the main cause of lost comments)."""
    removed: list[Line] = []
    for line in lines:
        if line.kind == "-":
            removed.append(line)
            continue
        if line.kind == " ":
            yield from removed
            removed.clear()
        yield line
    yield from removed
