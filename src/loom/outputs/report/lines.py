"""Lines of code as HTML: one element a line, its numbers and sign in attributes, so that copied code is only code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.core.diff import Kind
from loom.core.finding import Severity
from loom.infra.text import to_html

LONGEST = 2_000
"""Characters of one line. A longer one is minified code or data, and slows the browser down."""
BLOCK = 100
"""Lines of a block that the browser lays out only when it comes near (`content-visibility` in page.css)."""

_TAG: dict[Kind, str] = {"+": "ins", "-": "del", " ": "span"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line as the page shows it."""

    kind: Kind
    old: int | None
    new: int | None
    text: str
    mark: Severity | None = None
    """The worst finding about this line."""


def code_lines(lines: Sequence[Line], digits: int) -> str:
    """Lines of a diff, as `<pre>` blocks. `digits` is the width of the file's largest line number."""
    return "".join(_block(lines[at : at + BLOCK], digits) for at in range(0, len(lines), BLOCK))


def bare_lines(lines: Sequence[Line], digits: int = 1) -> str:
    """Lines without the block around them."""
    return "".join(_line(line, text, digits) for line, text in zip(lines, _texts(lines), strict=True))


def _block(lines: Sequence[Line], digits: int) -> str:
    return f'<pre class="lines{" full" if len(lines) == BLOCK else ""}">{bare_lines(lines, digits)}</pre>'


def _line(line: Line, text: str, digits: int) -> str:
    tag = _TAG[line.kind]
    old = f' data-o="{line.old}"' if line.old is not None else ""
    # Both columns are set by one right-aligned text: the second number is as wide as the widest.
    new = f' data-n="{line.new:>{digits if old else 1}}"' if line.new is not None else ""
    mark = f' class="on {line.mark.value}"' if line.mark else ""
    return f"<{tag}{mark}{old}{new}>{text}\n</{tag}>"


def _texts(lines: Sequence[Line]) -> Sequence[str]:
    """The lines' texts as HTML, escaped together: four times as fast as one by one."""
    raw = [line.text if len(line.text) <= LONGEST else _cut(line.text) for line in lines]
    together = to_html("\n".join(raw)).split("\n")
    return together if len(together) == len(raw) else [to_html(text.replace("\n", " ")) for text in raw]


def _cut(text: str) -> str:
    return f"{text[:LONGEST]} … ({len(text) - LONGEST:,} characters more)"


def plain_lines(texts: Sequence[str], kind: Kind) -> Iterator[Line]:
    """Lines without numbers, such as those of a suggestion."""
    return (Line(kind, None, None, text) for text in texts)
