"""Running a plan: nothing takes anything else down, time ends for everybody, and an interrupt is told as what it is."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from support.engine import Line, Scripted, answer, config, run_engine, shown_files

from loom.analyzers.base import Report
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity
from loom.infra.parse_diff import parse


def change(**files: list[str]) -> ChangeSet:
    """Files NAME.py that are added with these lines."""
    diffs = []
    for name, lines in files.items():
        body = "".join(f"+{line}\n" for line in lines)
        head = f"diff --git a/{name}.py b/{name}.py\nnew file mode 100644\n--- /dev/null\n+++ b/{name}.py\n"
        diffs.append(f"{head}@@ -0,0 +1,{len(lines)} @@\n{body}")
    parsed = parse("".join(diffs).encode())
    return ChangeSet(ChangeRef("diff"), parsed.files, parsed.unread)


ONE = change(a=["x = 1"])
FOUND = Report((RawFinding(path="a.py", line=1, message="bad", severity=Severity.BLOCKER, rule="R"),))


class Fixed:
    """An analyzer that always reports the same."""

    def __init__(self, report: Report = FOUND) -> None:
        self.report = report

    def run(self, changed: ChangeSet, files: Any) -> Report:
        return self.report


def scripts(*names: str, **more: Any):
    return config(pipelines=[{"name": name, "run": "x"} for name in names], **more)


def test_a_fault_in_one_model_keeps_what_the_others_found() -> None:
    class Faulty(Scripted):
        async def complete(self, request, *, deadline, on_tokens=None):
            raise KeyError("choices")

    settings = config(pipelines=[{"name": "review"}, {"name": "lint", "run": "x"}])
    result = run_engine(ONE, NoFiles(), models=Faulty([]), settings=settings, analyzers={"lint": Fixed()})
    assert {p.name: p.status for p in result.pipelines} == {"review": "failed", "lint": "ok"}
    assert [f.message for f in result.findings] == ["bad"]
    assert (result.outcome.complete, result.outcome.exit_code) == (False, 1)


def test_a_model_that_cannot_be_prepared_is_asked_all_the_same() -> None:
    class Unprepared(Scripted):
        async def prepare(self, *, deadline):
            raise KeyError("context_length")

    assert run_engine(ONE, NoFiles(), models=Unprepared([Line(reply=answer([], ["a.py#1"]))])).outcome.complete


def test_the_result_does_not_depend_on_which_request_ends_first() -> None:
    many = change(**{f"m{n}": [f"value_{k} = compute({k})" for k in range(900)] for n in range(6)})

    def reply(request: Any) -> dict[str, Any]:
        shown = sorted(shown_files(request))
        bugs = [{"path": path, "line": 1, "quote": "value_0 = compute(0)", "message": f"in {path}"} for path in shown]
        return {"summary": f"Saw {', '.join(shown)}.", "findings": bugs}

    def review(order: list[int]):
        turns = iter(order)

        class Shuffled(Scripted):
            context_window = 24_000

            async def complete(self, request, **more):
                for _ in range(next(turns)):
                    await asyncio.sleep(0)
                return await super().complete(request, **more)

        settings = config(triggers={"max_changes": 100_000})
        return run_engine(many, NoFiles(), models=Shuffled(reply), settings=settings)

    forwards, backwards = review([1, 5, 9, 13, 17, 21]), review([21, 17, 13, 9, 5, 1])
    assert forwards.pipelines[0].summary.count("Saw") > 1
    assert forwards.pipelines[0].summary == backwards.pipelines[0].summary
    assert forwards.findings == backwards.findings


# -- time -------------------------------------------------------------------------------------------------------------


def test_an_analyzer_that_outlasts_the_review_is_left_behind() -> None:
    never = threading.Event()

    class Endless:
        def run(self, changed, files):
            never.wait(60)
            return FOUND

    settings = scripts("endless", "quick", budget={"max_seconds": 0.1})
    analyzers = {"endless": Endless(), "quick": Fixed()}
    result = run_engine(ONE, NoFiles(), models={}, settings=settings, analyzers=analyzers, clock=time.monotonic)
    never.set()
    assert [(p.name, p.status, p.reason, p.not_reviewed) for p in result.pipelines] == [
        ("endless", "failed", "the time budget (budget.max_seconds) is used up", ("a.py",)),
        ("quick", "ok", None, ()),
    ]


def test_a_command_is_given_no_more_time_than_the_review_has_left() -> None:
    class Slow:
        def __init__(self, name: str, timeout: float) -> None:
            assert timeout < 120
            self.late = ScriptError(f"{name} did not end within {timeout:g} s", slug="script-timeout")

        def run(self, changed, files):
            raise self.late

    settings = scripts("lint", budget={"max_seconds": 30})
    result = run_engine(
        ONE, NoFiles(), models={}, settings=settings, analyzer=lambda p: Slow(p.name, p.timeout), clock=time.monotonic
    )
    assert result.pipelines[0].reason == "the time budget (budget.max_seconds) is used up"
    assert "max_seconds" in result.pipelines[0].hint


def test_a_commands_own_limit_is_told_as_its_own() -> None:
    class Slow:
        def run(self, changed, files):
            raise ScriptError("x did not end within 5 s", slug="script-timeout")

    settings = config(pipelines=[{"name": "lint", "run": "x", "timeout": 5}])
    result = run_engine(ONE, NoFiles(), models={}, settings=settings, analyzers={"lint": Slow()})
    assert result.pipelines[0].reason == "x did not end within 5 s"


# -- interrupts -------------------------------------------------------------------------------------------------------


class Interrupted:
    """Analyzers, the first of which interrupts the review it runs in and ends when it is told to stop."""

    def __init__(self, *, found: Report) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stopped = threading.Event()
        self.found = found

    def begin(self, task: asyncio.Task[Any] | None) -> None:
        self.task, self.loop = task, asyncio.get_running_loop()

    def run(self, changed: ChangeSet, files: Any) -> Report:
        assert self.loop is not None
        assert self.task is not None
        self.loop.call_soon_threadsafe(self.task.cancel)
        assert self.stopped.wait(60)
        return self.found

    def review(self, settings: Any, **more: Any):
        return run_engine(
            ONE, NoFiles(), models={}, settings=settings, on_start=self.begin, stop=self.stopped.set,
            clock=time.monotonic, analyzers={"first": self, "second": Fixed()}, **more,
        )  # fmt: skip


def test_an_interrupted_analyzer_failed_whatever_it_still_reports() -> None:
    result = Interrupted(found=Report()).review(scripts("first"))
    (first,) = result.pipelines
    assert (first.kind, first.status, first.reason, first.not_reviewed) == (
        "script",
        "failed",
        "interrupted",
        ("a.py",),
    )
    assert result.outcome.exit_code == 130
    assert [f.reviewed for f in result.files] == [False]


def test_what_an_interrupted_analyzer_found_is_kept() -> None:
    result = Interrupted(found=FOUND).review(scripts("first"))
    assert (result.pipelines[0].status, result.pipelines[0].not_reviewed) == ("partial", ("a.py",))
    assert [f.message for f in result.findings] == ["bad"]


def test_nothing_counts_as_fixed_because_the_review_was_interrupted() -> None:
    before = run_engine(ONE, NoFiles(), models={}, settings=scripts("first"), analyzers={"first": Fixed()})
    assert Interrupted(found=Report()).review(scripts("first"), previous=before).fixed == ()


def test_one_after_the_other_what_had_not_begun_is_told_as_interrupted() -> None:
    settings = scripts("first", "second", advanced={"parallel_pipelines": False})
    result = Interrupted(found=Report()).review(settings)
    assert [(p.name, p.kind, p.status, p.reason) for p in result.pipelines] == [
        ("first", "script", "failed", "interrupted"),
        ("second", "script", "failed", "interrupted"),
    ]


# -- who is not asked -------------------------------------------------------------------------------------------------


def test_a_model_that_no_pipeline_will_ask_is_not_prepared() -> None:
    prepared: list[str] = []

    class Model(Scripted):
        async def prepare(self, *, deadline):
            prepared.append(self.identity)

    quiet = [
        {"name": "when", "when": {"paths": ["docs/**"]}},
        {"name": "paths", "include_paths": ["*.js"]},
    ]
    result = run_engine(ONE, NoFiles(), models=Model([], name="idle"), settings=config(pipelines=quiet))
    assert prepared == []
    assert {p.name: p.status for p in result.pipelines} == {"when": "skipped", "paths": "skipped"}
    run_engine(ONE, NoFiles(), models=Model([Line(reply=answer())], name="asked"))
    assert prepared == ["scripted asked"]
