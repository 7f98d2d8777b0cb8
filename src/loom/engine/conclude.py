"""From what pipelines said to findings: mask, place, filter, prove, merge. Pure but for reading the changed files.

Every raw finding ends as part of one finding or as one dropped entry with its reason; none is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, decode_text, show_path
from loom.core.finding import Finding, RawFinding, Severity
from loom.core.result import Dropped, DropReason, Notice
from loom.engine.aggregate import merge
from loom.engine.anchor import Place, code_at, locate
from loom.engine.masking import mask_all
from loom.engine.plan import wants
from loom.engine.same_fact import Anchored
from loom.engine.show_diff import one_line
from loom.engine.sides import Sides
from loom.engine.suggest import MOST_PARSED, Effort, prove
from loom.engine.view import FileView
from loom.infra.text import visible

if TYPE_CHECKING:
    from loom.config.schema import Pipeline
    from loom.config.schema_pipelines import Filter
    from loom.infra.secrets import Masker


@dataclass(frozen=True, slots=True)
class Concluded:
    """Everything said, sorted out."""

    findings: tuple[Finding, ...]
    dropped: tuple[Dropped, ...]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A finding that is tied to the change, its suggestion still to be proved."""

    found: Anchored
    place: Place | None = None
    """None, like `file`, for one outside of the change."""
    file: FileChange | None = None


class Places:
    """The files of a change as findings can be tied to them; each is prepared when first asked for."""

    def __init__(self, change: ChangeSet, files: Files, views: Mapping[str, FileView], masker: Masker) -> None:
        self._files = files
        self._views = views
        self._masker = masker
        self._sides: dict[str, Sides] = {}
        self._heads: dict[str, bytes | None] = {}
        self._by_name: dict[str, FileChange] = {}
        self.unsure: dict[str, int] = {}
        """File -> how many findings stand on lines of it that nothing known of it shows."""
        for file in change.files:
            if file.old_path and file.status == "renamed":  # the original of a copy is still there, and another file
                self._by_name.setdefault(show_path(file.old_path), file)
        for file in change.files:
            shown = views[file.path].path
            for name in (one_line(show_path(file.path)), one_line(shown), shown, show_path(file.path), file.path):
                self._by_name[name] = file  # as a model was shown it, and as it is

    def find(self, path: str) -> FileChange | None:
        """The changed file that `path` means; `a/`, `b/`, `./`, a leading `/` and a hunk's `#n` are forgiven."""
        tries = [path, path.removeprefix("./"), path.lstrip("/"), path.replace("\\", "/"), path.rpartition("#")[0]]
        tries += [path[2:] for prefix in ("a/", "b/") if path.startswith(prefix)]
        return next((self._by_name[p] for p in tries if p in self._by_name), None)

    def sides(self, file: FileChange) -> Sides:
        """Its lines: masked, invisible characters shown as models were shown them."""
        if file.path not in self._sides:
            lines = [line for hunk in self._views[file.path].hunks for line in hunk.lines]
            self._sides[file.path] = Sides(
                path=file.path,
                base_path=file.base_path,
                new={line.new: visible(line.text) for line in lines if line.new is not None},
                old={line.old: visible(line.text) for line in lines if line.old is not None},
                changed_new=frozenset(line.new for line in lines if line.kind == "+" and line.new is not None),
                changed_old=frozenset(line.old for line in lines if line.kind == "-" and line.old is not None),
                whole_new=self._whole(self.head(file)),
                whole_old=self._whole(self._files.base(file.base_path)),
            )
        return self._sides[file.path]

    def shown(self, file: FileChange) -> str:
        """Its path as results carry it."""
        return self._views[file.path].path

    def head(self, file: FileChange) -> bytes | None:
        """The whole file after the change."""
        if file.path not in self._heads:
            self._heads[file.path] = self._files.head(file.path)
        return self._heads[file.path]

    def mentions(self, file: FileChange, text: bytes) -> bool:
        """Whether the file after the change, as far as it is known, holds the text."""
        known = self._heads.get(file.path) or self._files.head(file.path)
        return text in known if known is not None else any(text in hunk.body for hunk in file.hunks)

    def _whole(self, blob: bytes | None) -> list[str] | None:
        if blob is None or b"\0" in blob[:8_000]:
            return None
        lines = decode_text(blob).split("\n")
        lines, _ = self._masker.mask_lines(lines)
        return [visible(line) for line in lines]


def conclude(
    said: Iterable[tuple[Pipeline, Iterable[RawFinding]]],
    *,
    places: Places,
    mask: Callable[[str], str],
    keep: Callable[[Finding], bool],
    left_out: Callable[[str], bool] = lambda _: False,
) -> Concluded:
    """Sort out what all pipelines said. `keep(finding)`: whether its severity is to be reported; `left_out(path)`:
    whether the review is not about that file, be it in the change or not."""
    placed: list[_Placed] = []
    dropped: list[Dropped] = []
    for pipeline, findings in said:
        for raw in findings:
            masked = _masked(raw, mask)
            outcome = _anchor(masked, pipeline, places, left_out)
            if isinstance(outcome, _Placed):
                placed.append(outcome)
            else:
                dropped.append(Dropped(outcome, _as_json(masked, pipeline.name)))
    effort = Effort()
    merged = merge(_proved(placed, places, effort))
    shown = tuple(f for f in merged if keep(f))
    dropped += [Dropped("below_severity", finding_as_json(f)) for f in merged if not keep(f)]
    return Concluded(shown, tuple(sorted(dropped, key=_dropped_order)), (*_unsure(places.unsure), *_unproved(effort)))


def _proved(placed: Iterable[_Placed], places: Places, effort: Effort) -> Iterator[Anchored]:
    """The findings with their suggestions. Those of the worst are proved first, in an order that does not depend on
    which pipeline was done first."""
    for one in sorted(placed, key=_proving_order):
        found = one.found
        if one.file is None or one.place is None or found.raw.suggestion is None:
            yield found
            continue
        head = places.head(one.file)
        by_model = not found.deterministic
        proved = prove(found.raw, one.place, path=one.file.path, head=head, by_model=by_model, effort=effort)
        yield replace(found, suggestion=proved)


def _proving_order(placed: _Placed) -> tuple[int, str, int, str, str, str, str]:
    found, raw = placed.found, placed.found.raw
    return (
        found.severity.rank,
        raw.path,
        found.line or 0,
        found.pipeline,
        raw.title,
        raw.message,
        raw.suggestion or "",
    )


def _unproved(effort: Effort) -> Iterator[Notice]:
    if effort.unproved:
        yield Notice(
            "suggestions-unproved",
            f"{effort.unproved:,} suggestion(s) are shown but cannot be committed: proving that the files still parse "
            f"ends at {MOST_PARSED // 1_000_000} MB a review",
            "review a smaller change to have all of them proved",
        )


def _anchor(
    raw: RawFinding, pipeline: Pipeline, places: Places, left_out: Callable[[str], bool]
) -> _Placed | DropReason:
    deterministic = pipeline.kind != "llm"
    if raw.confidence is not None and raw.confidence < pipeline.min_confidence:
        return "below_confidence"
    if not pipeline.suggestions and raw.suggestion is not None:
        raw = replace(raw, suggestion=None)
    file = places.find(raw.path)
    if file is None:
        if left_out(raw.path):
            return "outside_change"
        if deterministic and not wants(pipeline, raw.path):
            return "filter"
        if pipeline.outside_change or (deterministic and pipeline.filter == "none"):
            return _outside(raw, pipeline, deterministic=deterministic)
        return "outside_change"
    if deterministic and not wants(pipeline, file.path):
        return "filter"
    sides = places.sides(file)
    # A tool knows its line; the code it shows may be its own rendering.
    by_number = deterministic and raw.line is not None
    place = locate(replace(raw, quote=None) if by_number else raw, sides)
    if place is None:
        return "invented_quote"
    if deterministic and not _counts(raw, place, sides, pipeline.filter):
        return "filter"
    code = code_at(place, sides)
    if deterministic and place.line is not None and place.line not in sides.whole(place.side):
        places.unsure[places.shown(file)] = places.unsure.get(places.shown(file), 0) + 1
        code = raw.quote or ""
    found = Anchored(
        raw=replace(raw, path=places.shown(file)),
        pipeline=pipeline.name,
        severity=_severity(raw, pipeline),
        deterministic=deterministic,
        builtin=pipeline.kind == "builtin",
        base_path=file.base_path,
        anchor=place.anchor,
        side=place.side,
        line=place.line,
        end_line=place.end_line,
        code=code,
        nth=sides.occurrence(code, place.line, place.side),
    )
    return _Placed(found, place, file)


def _outside(raw: RawFinding, pipeline: Pipeline, *, deterministic: bool) -> _Placed:
    """A finding on a file that is not in the change: kept for the summary."""
    found = Anchored(
        raw=raw,
        pipeline=pipeline.name,
        severity=_severity(raw, pipeline),
        deterministic=deterministic,
        builtin=pipeline.kind == "builtin",
        base_path=raw.path,
        anchor="none",
        side=raw.side,
        line=raw.line,
        end_line=raw.end_line or raw.line,
        code=raw.quote or "",
        nth=0,
    )
    return _Placed(found)


def _counts(raw: RawFinding, place: Place, sides: Sides, which: Filter) -> bool:
    """Whether a finding stands where the pipeline's filter wants it. One about the file as a whole always does."""
    if which in ("file", "none"):
        return True
    if place.line is None:
        return raw.line is None
    lines = sides.changed(place.side) if which == "added" else sides.lines(place.side)
    return any(n in lines for n in range(place.line, (place.end_line or place.line) + 1))


def _unsure(files: Mapping[str, int]) -> Iterator[Notice]:
    if files:
        count, names = sum(files.values()), sorted(files)
        more = f" and {len(names) - 3} more files" if len(names) > 3 else ""
        yield Notice(
            "lines-unknown",
            f"{count} finding(s) outside the diff could not be compared with the code: {', '.join(names[:3])}{more} "
            "is known as hunks only",
            "review from a repository (--base, --commit) instead of a bare diff",
        )


def _severity(raw: RawFinding, pipeline: Pipeline) -> Severity:
    severity = raw.severity or Severity(pipeline.severity)
    if pipeline.kind == "builtin":  # a script's levels were mapped where its output was read
        mapped = pipeline.severity_map.get(raw.rule or "") or pipeline.severity_map.get(severity.value)
        severity = Severity(mapped) if mapped else severity
    if pipeline.max_severity is not None:
        ceiling = Severity(pipeline.max_severity)
        return ceiling if severity.rank < ceiling.rank else severity
    return severity


def _masked(raw: RawFinding, mask: Callable[[str], str]) -> RawFinding:
    """Masked but for the path, which is still to be found: the quote has to look as the masked lines do."""
    return replace(mask_all(raw, mask), path=raw.path)


def _as_json(raw: RawFinding, pipeline: str) -> dict[str, object]:
    entry = asdict(raw)
    entry["severity"] = raw.severity.value if raw.severity else None
    entry["path"] = show_path(raw.path)
    entry["pipeline"] = pipeline
    return entry


def finding_as_json(finding: Finding) -> dict[str, object]:
    """A finding as `dropped` carries it: the way its pipeline gave it."""
    raw = RawFinding(
        path=finding.path,
        message=finding.message,
        title=finding.title,
        line=finding.line,
        end_line=finding.end_line,
        column=finding.column,
        side=finding.side,
        severity=finding.severity,
        category=finding.category,
        quote=finding.quote,
        suggestion=finding.suggestion.text if finding.suggestion else None,
        confidence=finding.confidence,
        rule=finding.rule,
        rule_url=finding.rule_url,
    )
    return _as_json(raw, finding.pipeline)


def _dropped_order(dropped: Dropped) -> tuple[str, ...]:
    finding = dropped.finding
    return (dropped.reason, *(str(finding.get(key)) for key in ("path", "line", "pipeline", "title", "message")))
