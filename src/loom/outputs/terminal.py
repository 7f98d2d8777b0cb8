"""The format `text`: what a person reads in a terminal. A CI log, a pipe or a narrow screen gets the plain form
(terminal_plain.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

from loom.core.finding import Finding
from loom.core.result import Notice, PipelineOutcome, PipelineStatus, ResultFile, ReviewResult
from loom.infra.text import one_line, to_terminal
from loom.outputs import summary
from loom.outputs.addresses import also
from loom.outputs.base import NARROW, Look
from loom.outputs.excerpt import Row, by_path, excerpt, replaced
from loom.outputs.terminal_style import ASCII, SEVERITY_STYLE, STATUS_STYLE, TONE_STYLE, UNICODE

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

READABLE = 100
"""Columns: prose in longer lines is hard to read."""
MOST_SHOWN = 12
"""Lines of a suggestion, and names in a list, before it is cut."""

_COLUMNS = (
    ("", False), ("status", False), ("model", False), ("found", True), ("calls", True), ("cached", True), ("in", True),
    ("out", True), ("cost", True), ("time", True),
)  # fmt: skip
"""Of the table of pipelines: heading, whether it holds numbers. in, out: tokens."""
_MODEL = 2


def render(result: ReviewResult, look: Look) -> str:
    """The review for people: rich on a terminal that is wide enough, else plain."""
    if look.interactive and look.width >= NARROW:
        return _Page(result, look).render()
    from loom.outputs.terminal_plain import render as plain

    return plain(result, look)


class _Page:
    """One review drawn with rich, which is imported here because it costs 50 ms that other formats need not pay."""

    def __init__(self, result: ReviewResult, look: Look) -> None:
        from rich.console import Console

        self.result = result
        self.look = look
        self.glyphs = UNICODE if look.unicode else ASCII
        self.files = by_path(result)
        self.out = StringIO()
        self.said_more = False  # than the verdict, which then stands at the end, where a terminal shows it
        # _environ: rich would read COLUMNS, NO_COLOR and TERM by itself; `look` has been decided by then.
        self.console: Console = Console(
            file=self.out,
            width=look.width,
            color_system="standard" if look.colour else None,
            force_terminal=look.colour,
            no_color=not look.colour,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            soft_wrap=False,
            _environ={},
        )

    def render(self) -> str:
        """Draw everything, in the order of reading."""
        self._title()
        self._findings()
        self._summaries()
        self._gaps()
        self._notices()
        self._figures()
        if self.said_more or not self._bad():
            self._verdict()
        return "".join(f"{_inert(line)}\n" for line in self.out.getvalue().rstrip().split("\n"))

    # ---- pieces

    def _text(self, *parts: str | tuple[str, str]) -> Text:
        from rich.text import Text

        return Text.assemble(*parts)

    def _safe(self, text: str) -> str:
        """Untrusted text, several lines."""
        shown = to_terminal(text).expandtabs(4)
        return shown if self.look.unicode else shown.encode("ascii", "backslashreplace").decode("ascii")

    def _line(self, text: str, limit: int = 300) -> str:
        """Untrusted text as one line."""
        return self._safe(one_line(text, limit))

    def _print(self, item: RenderableType = "", *, indent: int = 0, width: int | None = None) -> None:
        from rich.padding import Padding

        self.console.print(Padding(item, (0, 0, 0, indent)) if indent else item, width=width)

    def _rule(self, left: str, right: str = "", style: str = "bold") -> None:
        self.said_more = True
        line = self._text((f"{self.glyphs.rule * 2} ", "dim"), (left, style), " ")
        tail = self._text((f" {right} {self.glyphs.rule * 2}" if right else "", "dim"))
        line.append(self.glyphs.rule * max(0, self.look.width - line.cell_len - tail.cell_len), "dim")
        line.append_text(tail)
        line.truncate(self.look.width, overflow="ellipsis" if self.look.unicode else "crop")
        self.console.print(line)

    def _prose(self, text: str, indent: int, style: str = "") -> None:
        for line in self._safe(text).strip("\n").split("\n"):
            hang = len(line) - len(line.lstrip(" "))
            self._print(
                self._text((line.strip(), style)), indent=indent + min(hang, 20), width=min(READABLE, self.look.width)
            )

    # ---- sections

    def _title(self) -> None:
        head = f"loom {self._line(self.result.tool_version)}"
        dot = f" {self.glyphs.dot} "
        line = self._text((head, "bold"), (dot + self._line(summary.about(self.result), 100), "dim"))
        self.console.print(line)
        if self._bad():  # the first lines of a failure say whether anything was reviewed
            self._verdict()
        self._print()

    def _bad(self) -> bool:
        return summary.verdict(self.result).tone in ("incomplete", "nothing")

    def _findings(self) -> None:
        for path, findings in _grouped(self.result.findings).items():
            file = self.files.get(path)
            self._rule(self._line(path), self._changed(file))
            self._print()
            for finding in findings:
                self._finding(finding, file)

    def _changed(self, file: ResultFile | None) -> str:
        if file is None:
            return "not in this change"
        moved = f" from {self._line(file.old_path, 60)}" if file.old_path else ""
        return f"{file.status}{moved} +{file.added} -{file.deleted}"

    def _finding(self, finding: Finding, file: ResultFile | None) -> None:
        style = SEVERITY_STYLE[finding.severity]
        label = f"{self.glyphs.severity[finding.severity]} {finding.severity.value}"
        title = self._line(finding.title or finding.message)
        self._print(self._hanging((label, style), (title, "bold")), indent=1)
        about = self._about(finding)
        identity = self._text((f"{about} {self.glyphs.dot} {self._line(finding.fingerprint)}", "dim"))
        fits = identity.cell_len + 3 <= self.look.width
        self._print(identity if fits else self._text((about, "dim")), indent=3)
        self._excerpt(finding, file, style)
        if finding.message.strip() and self._line(finding.message) != title:
            self._print()
            self._prose(finding.message, indent=3)
        self._suggestion(finding, file)
        footer = ("" if fits else finding.fingerprint, finding.rule, finding.rule_url)
        parts = [self._line(part) for part in footer if part]
        rows = [*(["  ".join(parts)] if parts else []), *(self._line(f"also {other}") for other in also(finding))]
        for row in ["", *rows] if rows else []:
            self._print(self._text((row, "dim")), indent=3)
        self._print()

    def _hanging(self, label: tuple[str, str], text: tuple[str, str]) -> Table:
        """A label with text whose further lines align with its first."""
        grid = self._grid()
        grid.add_row(self._text(label), self._text(text))
        return grid

    def _grid(self) -> Table:
        """Two columns; the second one wraps within itself."""
        from rich.table import Table

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(overflow="fold", max_width=self.look.width // 2)
        grid.add_column(overflow="fold")
        return grid

    def _about(self, finding: Finding) -> str:
        parts = [summary.place(finding), finding.category, ", ".join(finding.sources or (finding.pipeline,))]
        if finding.side == "old":
            parts[0] += " (removed)"
        if finding.anchor == "moved":
            parts.append("line corrected")
        if finding.confidence is not None and not finding.deterministic:
            parts.append(f"{round(finding.confidence * 100)} % sure")
        if finding.state == "open":
            parts.append("still open")
        return f" {self.glyphs.dot} ".join(self._line(part) for part in parts)

    def _excerpt(self, finding: Finding, file: ResultFile | None, style: str) -> None:
        rows = excerpt(finding, file)
        if not rows:
            return
        self._print()
        digits = max(len(str(row.number)) for row in rows if row and row.number is not None)
        for row in rows:
            if row is None:
                self.console.print(self._text((" " * (digits + 4) + self.glyphs.more, "dim")))
            else:
                self._code(self._gutter(row, digits, style), row.text, "bold" if row.marked else "", dim=not row.marked)

    def _gutter(self, row: Row, digits: int, style: str) -> Text:
        number = "" if row.number is None else str(row.number)
        point = self.glyphs.point if row.marked else " "
        sign = {"+": "green", "-": "red"}.get(row.kind, "dim")
        return self._text(
            (f" {point} ", style),
            (f"{number:>{digits}} ", style if row.marked else "dim"),
            (f"{row.kind} ", sign),
            (f"{self.glyphs.bar} ", "dim"),
        )

    def _code(self, line: Text, code: str, style: str, *, dim: bool = False) -> None:
        """A line of code after its gutter, cut at the edge: wrapped code is harder to read than cut code."""
        line.append(self._safe(code).replace("\n", " "), "dim" if dim and not style else style)
        if line.cell_len > self.look.width:
            line.truncate(self.look.width - len(self.glyphs.more))
            line.append(self.glyphs.more, "dim")
        self.console.print(line, no_wrap=True)

    def _suggestion(self, finding: Finding, file: ResultFile | None) -> None:
        suggestion = finding.suggestion
        if suggestion is None:
            return
        self._print()
        proof = "" if suggestion.committable else f" {self.glyphs.dash} not proved to apply, read it first"
        self._print(self._text(("suggestion", "bold"), (f" for {summary.lines(suggestion)}{proof}", "dim")), indent=3)
        new = suggestion.text.split("\n") if suggestion.text else []
        for sign, style, texts in (("-", "red", replaced(suggestion, file) or ()), ("+", "green", new)):
            for text in texts[:MOST_SHOWN]:
                self._code(self._text((f"   {sign} ", style)), text, style)
            if len(texts) > MOST_SHOWN:
                self.console.print(
                    self._text((f"   {sign} {self.glyphs.more} {len(texts) - MOST_SHOWN} more lines", "dim"))
                )

    def _summaries(self) -> None:
        told = [p for p in self.result.pipelines if p.summary.strip()]
        for pipeline in told:
            self._rule(f"{self._line(pipeline.name)}: in short")
            self._prose(pipeline.summary, indent=3)
            self._print()

    def _gaps(self) -> None:
        gaps = summary.gaps(self.result)
        self._section("not reviewed", "bold magenta", [gap for gap in gaps if gap.lacking])
        self._section("left out", "bold", [gap for gap in gaps if not gap.lacking])

    def _section(self, heading: str, style: str, gaps: Sequence[summary.Gap]) -> None:
        if not gaps:
            return
        self._rule(heading, style=style)
        for gap in gaps:
            if gap.pipeline is not None:
                self._pipeline_gap(gap, gap.pipeline.status)
        files = [gap for gap in gaps if gap.pipeline is None]
        if files:
            if len(files) < len(gaps):
                self._print()
            grid = self._grid()
            for gap in files:
                count = f"{len(gap.paths):,} files: " if len(gap.paths) > 1 else ""
                grid.add_row(
                    self._text(self._line(gap.reason, 60)), self._text((count + self._names(gap.paths), "dim"))
                )
            self._print(grid, indent=3)
        self._print()

    def _pipeline_gap(self, gap: summary.Gap, status: PipelineStatus) -> None:
        said = (status, STATUS_STYLE[status])
        self._print(self._hanging((self._line(gap.who, 400), "bold"), said), indent=3)
        for text, style in ((gap.reason, ""), (gap.hint, "dim"), (self._names(gap.paths), "dim")):
            if text:
                self._prose(text, indent=5, style=style)

    def _names(self, paths: Sequence[str]) -> str:
        return summary.listed([self._line(path) for path in paths], MOST_SHOWN)

    def _notices(self) -> None:
        asides = [text for text in (summary.dropped(self.result), summary.masked(self.result)) if text]
        if not (self.result.errors or self.result.warnings or asides):
            return
        self._rule("notes")
        for notice in self.result.errors:
            self._notice("error", "bold red", notice)
        for notice in self.result.warnings:
            self._notice("note", "yellow", notice)
        for text in asides:
            self._prose(text, indent=3, style="dim")
        self._print()

    def _notice(self, word: str, style: str, notice: Notice) -> None:
        who = f"{notice.pipeline}: " if notice.pipeline else ""
        self._print(self._hanging((word, style), (self._line(who + notice.message, 600), "")), indent=3)
        if notice.hint:
            self._prose(notice.hint, indent=5 + len(word), style="dim")

    def _figures(self) -> None:
        if self.result.findings or self.result.fixed:
            self._rule("findings")
            self._print(self._counts(), indent=3)
            self._print()
        if self.result.pipelines:
            self._rule("pipelines")
            self._print(self._pipelines(), indent=3)
            self._prose(summary.spent(self.result), indent=3, style="dim")
            self._print()

    def _table(self, *columns: tuple[str, bool]) -> Table:
        """A table without lines; (heading, whether it holds numbers)."""
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for name, number in columns:
            table.add_column(
                name,
                justify="right" if number else "left",
                no_wrap=True,
                overflow="ellipsis" if self.look.unicode else "crop",
            )
        return table

    def _counts(self) -> Table:
        table = self._table(("", False), ("new", True), ("open", True), ("fixed", True))
        for count in summary.counts(self.result):
            style = SEVERITY_STYLE[count.severity] if count.new + count.open else "dim"
            name = f"{self.glyphs.severity[count.severity]} {count.severity.value}"
            table.add_row(self._text((name, style)), self._number(count.new), self._number(count.open), "")
        total = [sum(c.new for c in summary.counts(self.result)), sum(c.open for c in summary.counts(self.result))]
        table.add_row(self._text(("  all", "bold")), *map(self._number, (*total, len(self.result.fixed))))
        return table

    def _number(self, n: int) -> Text:
        return self._text((str(n), "bold") if n else (self.glyphs.dash, "dim"))

    def _pipelines(self) -> Table:
        rows = [self._pipeline(pipeline) for pipeline in summary.at_work(self.result)]
        # What no pipeline has (a model, tokens, when only built-in ones ran) needs no column, and a model's name no
        # place on a narrow screen.
        shown = [n for n, _ in enumerate(_COLUMNS) if any(len(row[n]) for row in rows)]
        if self.look.width < 100:
            shown = [n for n in shown if n != _MODEL]
        table = self._table(*(_COLUMNS[n] for n in shown))
        for row in rows:
            table.add_row(*(row[n] for n in shown))
        return table

    def _pipeline(self, pipeline: PipelineOutcome) -> tuple[Text, ...]:
        """One row: a cell for each of _COLUMNS."""
        found = sum(1 for f in self.result.findings if pipeline.name in (f.sources or (f.pipeline,)))
        asked = pipeline.requests > 0
        unknown = pipeline.cost_usd is None
        return (
            self._text(self._line(pipeline.name, 24)),
            self._text((pipeline.status, STATUS_STYLE[pipeline.status])),
            self._text(self._line(pipeline.model or "", 34)),
            self._number(found) if found or pipeline.status in ("ok", "partial") else self._text(""),
            self._text(str(pipeline.requests) if asked else ""),
            self._text(str(pipeline.cache_hits) if pipeline.cache_hits else ""),
            self._text(summary.tokens(pipeline.input_tokens) if asked else ""),
            self._text(summary.tokens(pipeline.output_tokens) if asked else ""),
            self._text(("unknown" if unknown else summary.money(pipeline.cost_usd)) if asked else ""),
            self._text(summary.duration(pipeline.duration_ms) if pipeline.duration_ms else ""),
        )

    def _verdict(self) -> None:
        verdict = summary.verdict(self.result)
        label = (self.glyphs.tone[verdict.tone], TONE_STYLE[verdict.tone])
        self._print(self._hanging(label, (self._line(verdict.text, 600), TONE_STYLE[verdict.tone])))
        if verdict.tone == "clean":
            looked = f"looked at by {summary.who(self.result.pipelines)}"
            self._print(self._text((self._line(looked, 400), "dim")), indent=3)


_COMMAND = re.compile(r"^((?:\s|\x1b\[[0-9;]*m)*?)\s?((?:\x1b\[[0-9;]*m)*):(?=:)")


def _inert(line: str) -> str:
    """A line of the screen without blanks at its end. Wrapping can bring `::` to its start, where a CI runner that
    pretends to be a terminal takes it for a command; the blank between the colons is taken from the margin."""
    return _COMMAND.sub(r"\1\2: ", line.rstrip())


def _grouped(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings by file, the file with the worst finding first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.path, []).append(finding)
    return groups
