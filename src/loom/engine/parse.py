"""From the text of a model's answer to raw findings, whatever the model put around them.

An answer that cannot be understood is *not recognised*; it is never taken for "nothing found".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from loom.core.finding import RawFinding
from loom.engine.answer_walk import KEYS, Walk
from loom.engine.json_strings import unescape
from loom.engine.tolerant_json import MAX_CHARS, Found, Reading, read, strict


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says."""

    recognised: bool
    """It is an answer in some form of ours, if only an empty one."""
    truncated: bool
    """It ends in the middle; a finding that was half written is not among `findings`."""
    findings: tuple[RawFinding, ...] = ()
    coverage: tuple[str, ...] | None = None
    """Ids of the hunks it says it read; None when it does not say."""
    summary: str = ""
    unusable: int = 0
    """Findings without a path or without text, left out."""


def parse(text: str, *, only_path: str | None = None) -> Answer:
    """The answer in `text`. Never raises, ends in linear time. `only_path`: the file, when the request showed only
    one, for findings that name none."""
    answer, thinking = _without_thinking(_cleaned(text[:MAX_CHARS]))
    walk, truncated = _interpreted(answer, 0, only_path)
    if not walk.recognised:
        # Prose with an unbalanced brace or quote can swallow what follows: begin again where an answer seems to.
        for start in islice(_START.finditer(answer, 1), _RETRIES):
            again, cut = _interpreted(answer, start.start(), only_path)
            if again.recognised:
                walk, truncated = again, cut
                break
    return Answer(
        recognised=walk.recognised,
        truncated=thinking or truncated or len(text) > MAX_CHARS,
        findings=tuple(walk.findings.values()),
        coverage=None if walk.coverage is None else tuple(walk.coverage),
        summary=walk.summary,
        unusable=walk.unusable,
    )


_RETRIES: Final = 3
_START = re.compile(r"""[\[{]\s*(?:\{\s*)?["'“`]?(?:findings|issues|comments|results|path|file|filename)["'”`]?\s*:""")


# Tokens of chat templates that leak into the text: <|im_end|>, <｜end▁of▁sentence｜>, </s>
_SPECIAL = re.compile(r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</s>|<eos>|<end_of_turn>")
_HARMONY_FINAL = re.compile(r"final\s*<\|message\|>")
_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060"


def _cleaned(text: str) -> str:
    """Without the tokens and invisible characters that servers leave around an answer."""
    text = text.strip().strip(_INVISIBLE).strip()
    if text.startswith(("{", "[")) and text.endswith(("}", "]")):
        return text
    finals = list(_HARMONY_FINAL.finditer(text))
    return _SPECIAL.sub("", text[finals[-1].end() :] if finals else text).strip()


_THINK: Final = r"(?:think|thinking|thought|thoughts|reasoning|reason|analysis|reflection|scratchpad|seed:think)"
_OPENED = re.compile(rf"(?:\A|\n|(?<=>))[ \t]*(?:<{_THINK}>|\[THINK\]|◁think▷)", re.IGNORECASE)
_CLOSED = re.compile(rf"</{_THINK}>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_ANSWER_BEHIND = re.compile(r"[ \t]*(?:\r?\n|[\[{]|`{3}|\Z)")


def _without_thinking(text: str) -> tuple[str, bool]:
    """The text without its thinking, and whether it ends while still thinking. Tags in the strings of an answer do not
    stand at a line's start, and stay."""
    if strict(text):
        return text, False
    pos = 0
    opened, closed = _OPENED.search(text), _CLOSED.search(text)
    if closed and (opened is None or closed.start() < opened.start()) and _ANSWER_BEHIND.match(text, closed.end()):
        pos = closed.end()  # the server swallowed the opening tag
        opened = _OPENED.search(text, pos)
    kept: list[str] = []
    while opened:
        kept.append(text[pos : opened.start()])
        closed = _CLOSED.search(text, opened.end())
        if closed is None:
            return "".join(kept), True
        pos = closed.end()
        opened = _OPENED.search(text, pos)
    return "".join([*kept, text[pos:]]).strip(), False


def _interpreted(text: str, start: int, only_path: str | None) -> tuple[Walk, bool]:
    """What the JSON from `start` on says, and whether it ends in the middle."""
    reading, source = _values(text[start:])
    walk = Walk(only_path or "")
    first_alone = not start or _line_is(_LEAD, text[max(0, start - _REACH) : start].rpartition("\n")[2])
    for found in reading.values:
        fills_lines = partial(_fills_lines, source, found) if found.start or first_alone else _no
        walk.root(found.value, alone=fills_lines)
    return walk, reading.truncated or walk.truncated


def _no() -> bool:
    return False


def _values(text: str) -> tuple[Reading, str]:
    """Every JSON value of the text, as it stands or else as it was meant, and the text their places refer to."""
    if found := strict(text):
        if not isinstance(found.value, str):
            return Reading((found,), truncated=False), text
        text = found.value  # the answer as a JSON string
    if _DOUBLED.match(text):  # braces doubled as in a format string
        text = text.replace("{{", "{").replace("}}", "}")
    escaped = _ESCAPED.search(text)
    if escaped and '"' not in text[: escaped.end() - 1]:
        text = unescape(text)
    return read(text, keys=KEYS), text


_ESCAPED = re.compile(r'[\[{](?:\s|\\[nrt])*(?:[\[{](?:\s|\\[nrt])*)?\\"')
_DOUBLED = re.compile(r"""[^{\[]*\{\{\s*["']""")

_REACH: Final = 80
# Fences, tags and labels may share the line with an answer.
_LEAD = re.compile(r"\s*(?:[`~]{3,}\s*)?(?:json[c5]?\s*)?(?:<[\w-]{1,30}>\s*)?", re.IGNORECASE)
_TRAIL = re.compile(r"[\s,;.]*(?:[`~]{3,})?\s*(?:</?[\w-]{1,30}>\s*)?")


def _fills_lines(text: str, found: Found) -> bool:
    """Whether a value fills its lines. An empty answer counts only then: a sentence that mentions `{"findings": []}`,
    perhaps because the change contains it, is none."""
    before = text[max(0, found.start - _REACH) : found.start].rpartition("\n")[2]
    behind = text[found.end : found.end + _REACH].partition("\n")[0]
    return _line_is(_LEAD, before) and _line_is(_TRAIL, behind)


def _line_is(pattern: re.Pattern[str], part: str) -> bool:
    return len(part) < _REACH and pattern.fullmatch(part) is not None
