"""What a job says that handled a stranger's change: its findings are added to what a trusted job found, and that is all
they can do (docs/publish.md). Pure but for reading the changed files.

Everything is tied to the change anew: fingerprints and proofs of suggestions are ours, never the file's. Such findings
carry sources of their own kind (`fork/NAME`), so that only claims of that kind are ever withdrawn by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from loom import __version__
from loom.config.schema import Config, Pipeline
from loom.core.finding import Finding, RawFinding, Severity, order
from loom.core.result import Notice, PipelineOutcome, ReviewResult
from loom.engine import gate, standing
from loom.engine.aggregate import compare
from loom.engine.conclude import Places, conclude
from loom.engine.inline_ignores import InlineIgnores
from loom.engine.job import Job, Tools
from loom.engine.masking import mask_all
from loom.engine.plan import Plan, Scope, scope
from loom.engine.report import Report, build
from loom.engine.suppress import suppress
from loom.engine.view import mask_change

FORK = "fork/"
"""Before the name of a pipeline that ran beside a stranger's code. No configured pipeline has a `/` in its name."""
MOST_FINDINGS = 1_000
"""Taken from all such files together."""
_MOST_PIPELINES = 100
_MOST_TEXT = 20_000
"""Characters of one text."""


def adopt(
    own: ReviewResult | None, foreign: Sequence[tuple[str, ReviewResult]], job: Job, tools: Tools
) -> ReviewResult:
    """`own`: what the trusted job itself found; None: it reviewed nothing, and then nothing counts as complete.
    `foreign`: (name of the file, result)."""
    masked = mask_change(job.change, tools.masker, job.files)
    tools = replace(tools, masker=masked.masker, mask=masked.masker.mask)
    in_scope = scope(job.config, job.change, job.selection)
    rules = Scope(job.config, job.selection)
    base = own or _nothing_trusted(job, tools, Report(job.change, masked, job.with_diff, rules.by))
    places = Places(replace(job.change, files=tuple(in_scope)), job.files, masked.views, tools.masker)
    said, left = _said([result for _, result in foreign])
    concluded = conclude(
        said,
        places=places,
        mask=tools.mask,
        keep=lambda f: f.severity.at_least(Severity(job.config.output.min_severity)) or _blocks(f, job.config),
        left_out=lambda path: rules.by(path) is not None,
    )
    ignores = InlineIgnores(places)
    quiet = suppress(
        concluded.findings,
        marks=ignores.about,
        own=ignores.own(in_scope),
        memory=job.memory,
        today=datetime.fromtimestamp(tools.now_s(), UTC).date(),
    )
    added = tuple(f for f in quiet.findings if not _recognised(f, base.findings))
    pipelines = tuple(mask_all(_outcomes([result for _, result in foreign]), tools.mask))
    merged = replace(
        base,
        findings=tuple(sorted((*base.findings, *mask_all(added, tools.mask)), key=order)),
        dropped=(*base.dropped, *mask_all((*concluded.dropped, *quiet.dropped), tools.mask)),
        pipelines=(*base.pipelines, *pipelines),
        warnings=(*base.warnings, *job.notices, *_notices(foreign, len(added), left, mask=tools.mask)),
    )
    return _judged(merged, pipelines, job, tools.mask)


def with_hunks(own: ReviewResult, job: Job, tools: Tools) -> ReviewResult:
    """A result that was written without its hunks (`--no-diff`), with those of the change: comments are placed by
    them."""
    if any(file.hunks for file in own.files):
        return own
    masked = mask_change(job.change, tools.masker, job.files)
    rules = Scope(job.config, job.selection)
    tools = replace(tools, mask=masked.masker.mask)
    here = _nothing_trusted(job, tools, Report(job.change, masked, True, rules.by)).files
    hunks = {file.path: file.hunks for file in here}
    return replace(own, files=tuple(replace(file, hunks=hunks.get(file.path, ())) for file in own.files))


def without_taken_over(result: ReviewResult, earlier: Iterable[Finding]) -> ReviewResult:
    """The result without findings of a stranger's job that would pass for an earlier one of a trusted job, and so take
    over its severity and its source. That earlier finding stands by itself."""
    trusted = [finding for finding in earlier if not is_foreign(finding)]
    kept = tuple(f for f in result.findings if not (is_foreign(f) and _recognised(f, trusted)))
    return replace(result, findings=kept)


def is_foreign(finding: Finding) -> bool:
    """Whether only a stranger's job says so."""
    return all(source.startswith(FORK) for source in finding.sources or (finding.pipeline,))


# -- what is taken of the files ---------------------------------------------------------------------------------------


def _said(results: Sequence[ReviewResult]) -> tuple[list[tuple[Pipeline, list[RawFinding]]], int]:
    """The findings by pipeline, and how many were too many."""
    by_name: dict[tuple[str, bool], list[RawFinding]] = {}
    findings = [finding for result in results for finding in result.findings]
    for finding in findings[:MOST_FINDINGS]:
        by_name.setdefault((_name(finding.pipeline), finding.deterministic), []).append(_raw(finding))
    said = [(_pipeline(name, tool=tool), found) for (name, tool), found in sorted(by_name.items())]
    return said, max(0, len(findings) - MOST_FINDINGS)


def _pipeline(name: str, *, tool: bool) -> Pipeline:
    """What stands for a pipeline of another job: a tool (facts, by line) or a model (claims, by quote)."""
    made = Pipeline(name="fork", uses="linter/fork" if tool else None, filter="none", outside_change=True)
    return made.model_copy(update={"name": name})


def _name(pipeline: str) -> str:
    return FORK + pipeline.removeprefix(FORK)[:80]


def _raw(finding: Finding) -> RawFinding:
    """A finding as its pipeline may have given it. What the file says it stands on, or proves, is not believed."""
    suggestion = finding.suggestion
    fits = suggestion is not None and (suggestion.line, suggestion.end_line) == (finding.line, finding.end_line)
    return RawFinding(
        path=finding.path[:_MOST_TEXT],
        message=finding.message[:_MOST_TEXT],
        title=finding.title[:_MOST_TEXT],
        line=finding.line,
        end_line=finding.end_line,
        column=finding.column,
        side=finding.side,
        severity=finding.severity,
        category=finding.category,
        quote=finding.quote[:_MOST_TEXT] if finding.quote else None,
        suggestion=suggestion.text[:_MOST_TEXT] if suggestion is not None and fits else None,
        confidence=finding.confidence,
        rule=finding.rule[:_MOST_TEXT] if finding.rule else None,
        rule_url=finding.rule_url[:_MOST_TEXT] if finding.rule_url else None,
    )


def _outcomes(results: Sequence[ReviewResult]) -> Iterator[PipelineOutcome]:
    """How the other job's pipelines went. What it skipped is this job's to run."""
    seen: set[str] = set()
    for one in (p for result in results for p in result.pipelines[:_MOST_PIPELINES]):
        name = _name(one.name)
        if one.status == "skipped" or name in seen:
            continue
        seen.add(name)
        yield PipelineOutcome(
            name=name,
            kind=one.kind,
            status=one.status,
            required=one.required,
            reason=one.reason[:_MOST_TEXT] if one.reason else None,
            hint=one.hint[:_MOST_TEXT],
            not_reviewed=one.not_reviewed,
        )


def _recognised(finding: Finding, known: Sequence[Finding]) -> bool:
    """Whether it is one of these: the same fingerprint, or the same place and words."""
    return compare((replace(finding, state="new"),), known)[0][0].state == "open"


# -- what it comes to -------------------------------------------------------------------------------------------------


def _nothing_trusted(job: Job, tools: Tools, report: Report) -> ReviewResult:
    """The result of a trusted job that reviewed nothing itself."""
    made = build(
        report,
        plan=Plan(policy={}, left_out={}),
        runs=(),
        config_hash=job.config_hash,
        tool_version=__version__,
        outcome=gate.outcome(blocking=False, pipelines=(), unread=True),
        findings=(),
        fixed=(),
        dropped=(),
        notices=(),
        timings_ms=dict(job.timings_ms),
        mask=tools.mask,
    )
    message = "nothing here was reviewed by a trusted job: what a fork's job found is shown, and counts as no success"
    notice = Notice("untrusted-only", message, "review in this job too, and hand its result over with --own FILE")
    return replace(made, errors=(*made.errors, notice))


def _judged(
    result: ReviewResult, foreign: Sequence[PipelineOutcome], job: Job, mask: Callable[[str], str]
) -> ReviewResult:
    """The outcome: findings can make it worse, and so can a pipeline of the fork's job that failed."""
    failed = [p for p in foreign if p.required and p.status != "ok"]
    before = result.outcome
    outcome = standing.concluded(
        replace(before, complete=before.complete and not failed),
        blocking=before.blocking or any(_blocks(f, job.config) for f in result.findings),
        delivered=before.delivered,
        allow_incomplete=job.allow_incomplete,
    )
    errors = (
        Notice(f"pipeline-{p.status}", mask(p.reason or "no reason given"), hint=mask(p.hint), pipeline=p.name)
        for p in foreign
        if p.status in ("failed", "partial")
    )
    return replace(result, outcome=outcome, errors=(*result.errors, *errors))


def _notices(
    foreign: Sequence[tuple[str, ReviewResult]], added: int, left: int, *, mask: Callable[[str], str]
) -> Iterator[Notice]:
    names = ", ".join(mask(name) for name, _ in foreign)
    yield Notice("untrusted-result", f"{added} findings were added from a job that handled a fork ({names})")
    if left:
        yield Notice("untrusted-result", f"{left} more findings were left out: {MOST_FINDINGS:,} are taken at most")


def _blocks(finding: Finding, config: Config) -> bool:
    return gate.reaches_bar(finding, fail_on=config.output.fail_on, fail_on_model=config.output.fail_on_model)
