"""The sections of a summary comment, each made whole or within so many characters; `outputs.comment` joins them.

Every text of a change, a model, a linter or a person is escaped here, in the place where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loom.core.finding import Finding, Severity
from loom.core.result import Placement, ResultFile
from loom.core.told import Told
from loom.infra.text import code_fence, one_line, to_comment, to_html
from loom.outputs import summary
from loom.outputs.addresses import web_address

GroupBy = Literal["severity", "file", "pipeline", "none"]

_ICON = {Severity.BLOCKER: "🛑", Severity.WARNING: "⚠️", Severity.INFO: "💡"}  # no image: foreign hosts see readers
_TONE = {"clean": "✅", "findings": "⚠️", "blocked": "🛑", "incomplete": "🌓", "nothing": "⭕"}
_STATUS = {"ok": "ok", "partial": "**partial**", "failed": "**failed**", "skipped": "skipped"}
_MOST = 50
"""Rows of a list before the rest is counted."""
_EACH = 3_000
"""Characters of one message."""


@dataclass(frozen=True, slots=True)
class Page:
    """The sections of one summary. Each takes the characters it may have and is empty when it has nothing to say."""

    told: Told
    places: Mapping[str, Placement]
    """Fingerprint -> where the finding stands."""
    group_by: GroupBy

    def section(self, name: str, room: int = 1_000_000) -> str:
        """One of `SECTIONS`."""
        return _MAKERS[name](self, room)

    # ---- untrusted text in its places

    def clean(self, text: str, limit: int = _EACH) -> str:
        """Several lines."""
        return to_comment(text, link_hosts=self.told.link_hosts, gitlab=self.told.gitlab, limit=max(limit, 1_000))

    def line(self, text: str, limit: int = 300) -> str:
        """Within a line, a table's cell or a heading."""
        return _cell(self.clean(one_line(text, limit)).replace("\n", " "))

    def fold(self, heading: str, body: str) -> str:
        """A folded part, or an open one where nothing folds. `heading` is plain text."""
        if self.told.details:
            return f"<details>\n<summary>{_html(heading)}</summary>\n\n{body}\n\n</details>"
        return f"**{self.line(heading)}**\n\n{body}"

    def where(self, finding: Finding) -> str:
        """The place, as a link to its lines where the forge shows them."""
        place = _code(summary.place(finding), 120)
        address = web_address(self.told.link(finding))
        if address is None or not place:
            return place
        for char in "()|":
            address = address.replace(char, f"%{ord(char):02X}")
        return f"[{place}]({address})"


def _cell(text: str) -> str:
    """Every `|` after an odd number of backslashes: in a table it else ends the cell, also within code."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", text)


def _code(text: str, limit: int = 300) -> str:
    """As inline code; a back-quote in it needs a longer fence."""
    flat = _cell(one_line(text, limit))
    if not flat:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", flat)), default=0) + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


# In raw HTML a forge still links mentions and references, but reads no Markdown.
_REFERENCE = re.compile(r"[@~](?=\w)|[#!%$](?=\d)|:(?=//)|\bGH-(?=\d)|\bwww(?=\.)")


def _html(text: str, limit: int = 200) -> str:
    return _REFERENCE.sub(lambda found: f"{found[0]}&#8203;", to_html(one_line(text, limit)))


def _rows(head: Sequence[str], rows: Iterable[str], total: int, room: int, more: Callable[[int], str]) -> str:
    """As many rows as fit; the last line counts the others."""
    kept = list(head)
    room -= sum(len(row) + 1 for row in kept) + 120
    for count, row in enumerate(rows):
        room -= len(row) + 1
        if room < 0:
            kept.append(more(total - count))
            break
        kept.append(row)
    return "\n".join(kept)


# ---- sections


def _verdict(page: Page, room: int) -> str:
    verdict = summary.verdict(page.told.result)
    return f"## Loom: {_TONE[verdict.tone]} {page.line(verdict.text, 600)}"


def _counts(page: Page, room: int) -> str:
    told, result = page.told, page.told.result
    parts = []
    if result.findings or told.fixed:
        new = sum(1 for f in result.findings if f.state == "new" and f.fingerprint not in told.carried)
        carried = sum(1 for f in result.findings if f.fingerprint in told.carried)
        still = len(result.findings) - new - carried
        parts.append(f"**{new} new**, {still} still open, {len(told.fixed)} fixed")
        if carried:
            parts.append(f"{carried} of earlier pushes, not looked at again")
    elif summary.verdict(result).tone == "clean":
        parts.append(f"Looked at by {page.line(summary.who(result.pipelines))}")
    if told.silenced:
        parts.append(f"{len(told.silenced)} settled by people")
    head = (result.change.head_sha or "")[:10]
    if head:
        parts.append(f"reviewed `{head}`" + (f", `{told.since[:10]}` before" if told.since else ""))
    return " · ".join(parts)


def _incomplete(page: Page, room: int) -> str:
    """What was to be reviewed and was not, loudly."""
    if page.told.result.outcome.complete:
        return ""
    rows = list(_gap_rows(page, lacking=True)) + [
        f"> - {page.line(n.message)}" for n in page.told.result.errors[:_MOST] if n.slug == "unread"
    ]
    head = "> **🌓 Not everything was reviewed. What is missing here is not clean, it is unknown.**"
    return _rows([head, ">"], rows, len(rows), room, lambda n: f"> - {n:,} more in the result file")


def _gap_rows(page: Page, *, lacking: bool) -> Iterator[str]:
    """What makes the review incomplete, or what was left out as it should be."""
    for gap in [gap for gap in summary.gaps(page.told.result) if gap.lacking == lacking][:_MOST]:
        who = f"{_code(gap.who, 300)} {_STATUS[gap.pipeline.status]}: " if gap.pipeline else ""
        hint = f" ({page.line(gap.hint, 200)})" if gap.hint else ""
        paths = summary.listed([_code(path, 100) for path in gap.paths], 6)
        yield f"> - {who}{page.line(gap.reason)}{hint}" + (f": {paths}" if paths else "")


def _findings(page: Page, room: int) -> str:
    """The table of all that is open, in groups where the team wants them."""
    findings = page.told.result.findings
    if not findings:
        return ""
    blocks: list[str] = []
    for name, members in _groups(findings, page.group_by):
        head = [f"**{_code(name, 120)}**", ""] if name else []
        head += ["| | where | what | state |", "|---|---|---|---|"]
        text = _rows(
            head,
            (_row(page, finding) for finding in members),
            len(members),
            room,
            lambda n: f"| | | *{summary.plural(n, 'more finding')} in the result file* | |",
        )
        room -= len(text) + 2
        blocks.append(text)
        if room < 400:
            break
    told = sum(block.count("\n| ") for block in blocks)
    if len(blocks) < len(_groups(findings, page.group_by)):
        blocks.append(f"*{summary.plural(max(1, len(findings) - told), 'more finding')} in the result file.*")
    return "\n\n".join(blocks)


def _groups(findings: Sequence[Finding], group_by: GroupBy) -> list[tuple[str, list[Finding]]]:
    """(heading, members); findings come sorted by severity, and a group stands where its worst one does."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        name = {"file": finding.path, "pipeline": finding.pipeline}.get(group_by, "")
        groups.setdefault(name, []).append(finding)
    return list(groups.items())


def _row(page: Page, finding: Finding) -> str:
    what = page.line(finding.title or finding.message, 160)
    cells = (f"{_ICON[finding.severity]} {finding.severity.value}", page.where(finding), what, _remark(page, finding))
    return f"| {' | '.join(cells)} |"


_HERE = {"inline": "", "inline_single": "", "file": "on the file", "deduped": "", "annotation": "annotated"}


def _remark(page: Page, finding: Finding) -> str:
    """New or open, and where it stands when that is not at its line."""
    silence = next((s for s in page.told.silenced if s.fingerprint == finding.fingerprint), None)
    if silence:
        return page.line(f"{silence.text}; counts until fixed, or ignored with a reason", 200)
    state = "not looked at again" if finding.fingerprint in page.told.carried else finding.state
    place = page.places.get(finding.fingerprint)
    if place is None:
        return state
    if place.where in ("summary", "log", "failed"):
        return page.line(f"{state}; only here: {place.reason}" if place.reason else f"{state}; only here", 220)
    return ", ".join(part for part in (state, _HERE[place.where]) if part)


def _details(page: Page, room: int) -> str:
    """The whole text of findings that no comment of their own tells."""
    alone = [f for f in page.told.result.findings if _only_here(page, f)]
    kept: list[str] = []
    left = room - 100
    for finding in alone:
        block = _detail(page, finding)
        if not block:
            continue
        left -= len(block) + 2
        if left < 0:
            kept.append(f"*{summary.plural(len(alone) - len(kept), 'more detail')} in the result file.*")
            break
        kept.append(block)
    return "\n\n".join(kept)


def _only_here(page: Page, finding: Finding) -> bool:
    place = page.places.get(finding.fingerprint)
    return place is None or place.where in ("summary", "log", "failed", "annotation")


def _detail(page: Page, finding: Finding) -> str:
    said = finding.message.strip()
    blocks = [page.clean(said)] if said and said != finding.title.strip() else []
    if finding.suggestion and finding.suggestion.text:
        blocks += [f"Suggested for {summary.lines(finding.suggestion)}:", code_fence(finding.suggestion.text[:_EACH])]
    if not blocks:
        return ""
    sources = ", ".join(page.line(source, 40) for source in (finding.sources or (finding.pipeline,))[:4])
    blocks.append(f"*{finding.category} · found by {sources} · {_code(finding.fingerprint, 40)}*")
    heading = f"{_ICON[finding.severity]} {one_line(finding.title or finding.message, 120)} ({summary.place(finding)})"
    return page.fold(heading, "\n\n".join(blocks))


def _fixed(page: Page, room: int) -> str:
    if not page.told.fixed:
        return ""
    rows = [f"- {_code(summary.place(f), 120)} {page.line(f.title, 120)}".rstrip() for f in page.told.fixed[:_MOST]]
    more = len(page.told.fixed) - len(rows)
    rows += [f"- {more:,} more"] if more else []
    since = f" since `{page.told.since[:10]}`" if page.told.since else ""
    return _rows([f"**✅ Fixed{since}**", ""], rows, len(rows), room, lambda n: f"- {n:,} more in the result file")


def _settled(page: Page, room: int) -> str:
    """What people decided, and what the change or the team's memory ignores."""
    rows = [f"- `{s.fingerprint}` {page.line(s.text, 200)}" for s in page.told.silenced[:_MOST]]
    if len(page.told.silenced) > _MOST:
        rows.append(f"- {len(page.told.silenced) - _MOST:,} more")
    if page.told.unheard:
        word = "finding was" if page.told.unheard == 1 else "findings were"
        rows.append(f"- {page.told.unheard} {word} settled by people without write permission; that counts for nothing")
    if not rows:
        return ""
    return page.fold(f"Settled by people: {len(page.told.silenced)}", _rows([], rows, len(rows), room, _more))


def _more(n: int) -> str:
    return f"- {n:,} more in the result file"


def _in_short(page: Page, room: int) -> str:
    texts = [(p.name, p.summary.strip()) for p in page.told.result.pipelines if p.summary.strip()]
    return "\n\n".join(f"**In short, says {_code(name, 60)}**\n\n{page.clean(text, _EACH)}" for name, text in texts[:6])


def _walkthrough(page: Page, room: int) -> str:
    files = page.told.result.files
    if not files:
        return ""
    found: dict[str, int] = {}
    for finding in page.told.result.findings:
        found[finding.path] = found.get(finding.path, 0) + 1
    head = ["| file | change | lines | findings |", "|---|---|--:|--:|"]
    rows = [_file(page, file, found.get(file.path, 0)) for file in files[:_MOST]]
    rows += [f"| {len(files) - _MOST:,} more files | | | |"] if len(files) > _MOST else []
    text = _rows(head, rows, len(rows), room - 300, lambda n: f"| {n:,} more rows in the result file | | | |")
    added, deleted = sum(f.added for f in files), sum(f.deleted for f in files)
    return page.fold(f"Changed files: {len(files):,} (+{added:,} -{deleted:,})", text)


def _file(page: Page, file: ResultFile, findings: int) -> str:
    moved = f" from {_code(file.old_path, 100)}" if file.old_path and file.old_path != file.path else ""
    note = f", {page.line(file.reason, 120)}" if file.reason else "" if file.reviewed else ", not reviewed"
    lines = "binary" if file.binary else f"+{file.added:,} -{file.deleted:,}"
    return f"| {_code(file.path, 120)} | {file.status}{moved}{note} | {lines} | {findings or ''} |"


def _left_out(page: Page, room: int) -> str:
    """What was left out by choice: nothing that makes the review incomplete."""
    rows = [row.removeprefix("> ") for row in _gap_rows(page, lacking=False)]
    return page.fold(f"Left out: {len(rows)}", _rows([], rows, len(rows), room, _more)) if rows else ""


def _notes(page: Page, room: int) -> str:
    result = page.told.result
    told = {p.name for gap in summary.gaps(result) if gap.pipeline for p in (gap.pipeline, *gap.others)}
    notices = [n for n in (*result.errors, *result.warnings) if n.slug != "unread" and n.pipeline not in told]
    rows = []
    for notice in notices[:_MOST]:
        who = f"{_code(notice.pipeline, 60)}: " if notice.pipeline else ""
        hint = f" ({page.line(notice.hint, 200)})" if notice.hint else ""
        rows.append(f"- {who}{page.line(notice.message)}{hint}")
    rows += [f"- {page.line(text, 400)}" for text in (summary.dropped(result), summary.masked(result)) if text]
    if not rows:
        return ""
    return page.fold(f"Notes: {len(rows)}", _rows([], rows, len(rows), room, _more))


def _commands(page: Page, room: int) -> str:
    if not page.told.commands:
        return ""
    rows = ["| comment | what it does |", "|---|---|"]
    rows += [f"| {_code(command, 80)} | {page.line(does, 200)} |" for command, does in page.told.commands]
    return page.fold("Commands", "\n".join(rows))


def _figures(page: Page, room: int) -> str:
    """Time, cost and models: what differs from run to run, and so is no reason to write the comment again."""
    result = page.told.result
    if not result.pipelines:
        return ""
    head = ["| pipeline | status | model | requests | tokens in | out | cost | time |", "|---|---|---|" + "--:|" * 5]
    rows = []
    for p in result.pipelines[:_MOST]:
        asked = p.requests > 0
        cost = ("unknown" if p.cost_usd is None else summary.money(p.cost_usd)) if asked else ""
        cells = (
            _code(p.name, 60), _STATUS[p.status], _code(p.model or "", 60), str(p.requests) if asked else "",
            summary.tokens(p.input_tokens) if asked else "", summary.tokens(p.output_tokens) if asked else "", cost,
            summary.duration(p.duration_ms) if p.duration_ms else "",
        )  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    spent = summary.spent(result)
    text = _rows(head, rows, len(rows), room - 300, lambda n: f"| {n:,} more" + " |" * 8)
    version = f"\n\nLoom {result.tool_version}" if result.tool_version else ""
    return page.fold(f"Time and cost: {spent}" if spent else "Time and cost", text + version)


_MAKERS: Mapping[str, Callable[[Page, int], str]] = {
    "verdict": _verdict,
    "counts": _counts,
    "incomplete": _incomplete,
    "findings": _findings,
    "in_short": _in_short,
    "details": _details,
    "fixed": _fixed,
    "settled": _settled,
    "walkthrough": _walkthrough,
    "left_out": _left_out,
    "notes": _notes,
    "commands": _commands,
    "figures": _figures,
}
SECTIONS = tuple(_MAKERS)
"""What a `summary_template` may insert, in the order of the built-in comment."""
