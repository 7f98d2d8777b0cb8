"""The format `junit`: the review as test results, for CI servers that show those. There is no standard; this is what
Jenkins, GitLab, Azure Pipelines, CircleCI and junitparser read (https://github.com/testmoapp/junitxml).

The first suite is the review itself, with a case a file, then one a pipeline, with a case that it ran and a case a
finding. So a clean review has cases that pass, and one in which something failed has an error, never only passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.core.finding import Finding
from loom.core.result import Notice, PipelineOutcome, ResultFile, ReviewResult
from loom.infra.text import one_line, to_xml
from loom.outputs import summary
from loom.outputs.addresses import also, relative_path, rule_id, web_address
from loom.outputs.base import Look

_TEXT_LIMIT = 10_000
_MOST_PATHS = 50
_NAMELESS = {"name": "(no name)", "classname": "(no name)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One test case. `verdict`: the element in it; None means that it passed."""

    classname: str
    name: str
    verdict: str | None = None
    kind: str = ""
    message: str = ""
    text: str = ""
    file: str = ""
    line: int | None = None
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Suite:
    name: str
    cases: Sequence[_Case]

    def count(self, verdict: str) -> int:
        """How many cases ended so."""
        return sum(1 for case in self.cases if case.verdict == verdict)

    @property
    def time_ms(self) -> int:
        """Of all cases."""
        return sum(case.time_ms for case in self.cases)


def render(result: ReviewResult, look: Look) -> str:
    """The review as one `testsuites` element. Nothing depends on `look`."""
    suites = [_review(result), *_pipelines(result)]
    everything = _Suite("loom", [case for suite in suites for case in suite.cases])
    time_ms = result.timings_ms.get("total", 0)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {_totals(everything, time_ms)}>"]
    for suite in suites:
        lines.append(f"  <testsuite {_totals(suite, suite.time_ms)}>")
        lines += [line for case in suite.cases for line in _case(case)]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


# ---- what there is to say


def _review(result: ReviewResult) -> _Suite:
    verdict = summary.verdict(result)
    outcome = result.outcome
    whole = _Case(classname="loom", name="the review is complete")
    if outcome.skipped is not None:
        whole = _Case(classname="loom", name=whole.name, verdict="skipped", message=verdict.text)
    elif not (outcome.ran and outcome.complete) or outcome.delivered is False:
        text = "\n".join([verdict.text, *(_said(notice) for notice in result.errors)])
        whole = _Case(
            classname="loom", name=whole.name, verdict="error", kind="incomplete", message=verdict.text, text=text
        )
    return _Suite("loom", [whole, *map(_file, result.files)])


def _file(file: ResultFile) -> _Case:
    path = relative_path(file.path)
    if file.reviewed and not file.reason:
        return _Case(classname="loom", name=file.path, file=path)
    left_out = "reviewed in part: " if file.reviewed else "not reviewed: "
    return _Case(
        classname="loom", name=file.path, file=path, verdict="skipped", message=left_out + (file.reason or "no reason")
    )


def _pipelines(result: ReviewResult) -> Iterator[_Suite]:
    """A suite a pipeline. A finding of several is a case of the first, which its text names."""
    mine: dict[str, list[_Case]] = {pipeline.name: [] for pipeline in result.pipelines}
    for finding in result.findings:
        mine.setdefault(finding.pipeline, []).append(_finding(finding))
    ran = {pipeline.name: _ran(pipeline) for pipeline in result.pipelines}
    for name, cases in mine.items():
        yield _Suite(name, [*([ran[name]] if name in ran else []), *cases])


def _ran(pipeline: PipelineOutcome) -> _Case:
    reason = pipeline.reason or "no reason given"
    paths = summary.listed(pipeline.not_reviewed[:_MOST_PATHS], _MOST_PATHS)
    more = f" and {len(pipeline.not_reviewed) - _MOST_PATHS:,} more" if len(pipeline.not_reviewed) > _MOST_PATHS else ""
    told = "\n".join(filter(None, (reason, pipeline.hint, f"not reviewed: {paths}{more}" if paths else "")))
    name = "the pipeline saw everything it had to"
    match pipeline.status:
        case "ok":
            return _Case(classname=pipeline.name, name=name, time_ms=pipeline.duration_ms)
        case "skipped":
            return _Case(classname=pipeline.name, name=name, verdict="skipped", message=reason, text=told)
        case "failed" | "partial":
            return _Case(
                classname=pipeline.name, name=name, verdict="error", kind=pipeline.status, message=reason, text=told,
                time_ms=pipeline.duration_ms,
            )  # fmt: skip


def _finding(finding: Finding) -> _Case:
    """Named by what stays the same across pushes, so that a server can tell new ones from old ones."""
    title = finding.title or finding.message
    return _Case(
        classname=finding.pipeline,
        name=f"{one_line(finding.path, 200)}: {one_line(title, 200)} [{finding.fingerprint}]",
        verdict="failure",
        kind=finding.severity.value,
        message=f"{_place(finding)}: {title}",
        text=_about(finding),
        file=relative_path(finding.path),
        line=finding.line if finding.side == "new" else None,
    )


def _place(finding: Finding) -> str:
    """A removed line is not written as `path:2`: readers that look for places in the text would take it for a line of
    the file as it is now."""
    return f"{finding.path} (removed line {finding.line})" if finding.side == "old" else summary.place(finding)


def _about(finding: Finding) -> str:
    said = [f"{_place(finding)}: {finding.severity.value}: {finding.category}", finding.message.strip()]
    if suggestion := finding.suggestion:
        proof = "" if suggestion.committable else " (not proved to apply)"
        said.append(f"Suggestion for {summary.lines(suggestion)}{proof}:\n{suggestion.text or '(delete)'}")
    sources = ", ".join(one_line(source, 60) for source in finding.sources or (finding.pipeline,))
    tail = [f"{rule_id(finding)}, found by {sources}", web_address(finding.rule_url) or ""]
    tail += [f"also {other}" for other in also(finding)]
    return "\n\n".join(filter(None, [*said, "\n".join(filter(None, tail))]))


def _said(notice: Notice) -> str:
    who = f"{notice.pipeline}: " if notice.pipeline else ""
    return f"{who}{notice.message}" + (f" ({notice.hint})" if notice.hint else "")


# ---- XML


def _totals(suite: _Suite, time_ms: int) -> str:
    counts = {"tests": len(suite.cases), "failures": suite.count("failure"), "errors": suite.count("error")}
    named = {"name": suite.name, **{key: str(n) for key, n in counts.items()}, "skipped": str(suite.count("skipped"))}
    return _attributes(named | {"time": _seconds(time_ms)})


def _case(case: _Case) -> Iterator[str]:
    named = {"classname": case.classname, "name": case.name, "time": _seconds(case.time_ms)}
    named |= {"file": case.file} if case.file else {}
    named |= {"line": str(case.line)} if case.line else {}
    if case.verdict is None:
        yield f"    <testcase {_attributes(named)}/>"
        return
    yield f"    <testcase {_attributes(named)}>"
    about = _attributes({"message": case.message} | ({"type": case.kind} if case.kind else {}))
    text = case.text if len(case.text) <= _TEXT_LIMIT else f"{case.text[:_TEXT_LIMIT]}…"
    yield f"      <{case.verdict} {about}>{to_xml(text)}</{case.verdict}>"
    yield "    </testcase>"


def _attributes(values: dict[str, str]) -> str:
    """`key="value" …`. A line feed in an attribute is read as a blank, so it is one from the start."""
    shown = {key: one_line(value, 1_000) for key, value in values.items()}
    return " ".join(f'{key}="{to_xml(value or _NAMELESS.get(key, ""))}"' for key, value in shown.items())


def _seconds(ms: int) -> str:
    return f"{ms // 1_000}.{ms % 1_000:03}"
