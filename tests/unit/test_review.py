"""The flow of a review: what counts as reviewed, what a failure costs, what is asked again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.engine import Line, Scripted, answer, config, run_engine, shown_files

from loom.analyzers.base import Report
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.errors import ConfigError, ScriptError, UsageError
from loom.core.finding import RawFinding, Severity
from loom.engine.plan import Selection
from loom.infra.parse_diff import parse


def diff_of(path: str, *added: str, start: int = 1) -> str:
    body = "".join(f"+{line}\n" for line in added)
    head = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
    return f"{head}@@ -{start},1 +{start},{len(added) + 1} @@\n keep\n{body}"


def change(*diffs: str) -> ChangeSet:
    parsed = parse("".join(diffs).encode())
    return ChangeSet(ChangeRef("diff"), parsed.files, parsed.unread)


ONE = change(diff_of("src/cart.py", "rate = DISCOUNTS[code]", "total = rate * 2"))
BUG = {
    "path": "src/cart.py",
    "line": 2,
    "severity": "blocker",
    "title": "KeyError",
    "message": "An unknown code raises KeyError.",
    "quote": "rate = DISCOUNTS[code]",
}
FULL = ["src/cart.py#1"]


def review(reply: Any, changed: ChangeSet = ONE, **kwargs: Any):
    model = reply if isinstance(reply, Scripted) else Scripted(reply if callable(reply) else [Line(reply=reply)])
    return run_engine(changed, NoFiles(), models=model, **kwargs)


def test_a_whole_answer_is_a_complete_review() -> None:
    result = review(answer([BUG], FULL))
    (finding,) = result.findings
    assert (finding.path, finding.line, finding.severity, finding.anchor) == (
        "src/cart.py",
        2,
        Severity.BLOCKER,
        "exact",
    )
    assert (result.outcome.complete, result.outcome.blocking, result.outcome.exit_code) == (True, False, 0)
    assert (result.usage.requests, result.usage.cost_usd) == (1, 0.0)


def test_a_models_blocker_fails_the_job_only_when_the_team_says_so() -> None:
    strict = config(output={"fail_on_model": "blocker"})
    assert review(answer([BUG], FULL), settings=strict).outcome.exit_code == 1


NOT_REVIEWED = {
    "prose": "Looks good to me!",
    "garbage": "{{{{",
    "nothing": "",
    "another object": json.dumps({"hello": 1}),
}


@pytest.mark.parametrize("reply", NOT_REVIEWED.values(), ids=NOT_REVIEWED)
def test_an_answer_without_findings_is_asked_for_once_more_and_then_counts_as_not_reviewed(reply: str) -> None:
    model = Scripted([Line(reply=reply)])
    result = review(model)
    assert len(model.requests) == 2
    assert (result.outcome.complete, result.outcome.exit_code) == (False, 3)
    assert result.pipelines[0].status == "failed"
    assert result.pipelines[0].not_reviewed == ("src/cart.py#1",)
    assert [f.reviewed for f in result.files] == [False]


def test_a_repaired_answer_is_a_review() -> None:
    replies = iter(["I found one bug.", answer([BUG], FULL)])
    result = review(lambda _: next(replies))
    assert result.outcome.complete
    assert len(result.findings) == 1
    assert result.usage.requests == 2


@pytest.mark.parametrize("finish", ["refusal", "blocked", "context", "length"])
def test_a_refused_blocked_or_cut_answer_is_not_clean(finish: Any) -> None:
    result = review(Scripted([Line(reply=answer([], FULL), finish=finish, detail="cyber")]))
    assert (result.outcome.complete, result.outcome.exit_code) == (False, 3)
    assert result.errors[0].slug == "pipeline-failed"


def test_findings_of_a_cut_answer_are_kept_and_the_rest_is_named() -> None:
    cut = answer([BUG], FULL)[:-25]
    result = review(Scripted([Line(reply=cut, finish="length")]))
    assert len(result.findings) == 1
    assert result.pipelines[0].status == "partial"
    assert result.pipelines[0].not_reviewed == ("src/cart.py#1",)


def test_a_request_that_does_not_fit_is_asked_in_halves() -> None:
    two = change(diff_of("a.py", "x = 1"), diff_of("b.py", "y = 2"))

    def reply(request):
        shown = shown_files(request)
        return Line(reply="", finish="context") if len(shown) > 1 else answer([], [f"{next(iter(shown))}#1"])

    model = Scripted(reply)
    result = review(model, two)
    assert result.outcome.complete
    assert [sorted(shown_files(r)) for r in model.requests] == [["a.py", "b.py"], ["a.py"], ["b.py"]]


def test_hunks_the_model_did_not_look_at_are_not_reviewed() -> None:
    two = change(diff_of("a.py", "x = 1"), diff_of("b.py", "y = 2"))
    result = review(answer([], ["a.py#1"]), two)
    assert result.pipelines[0].not_reviewed == ("b.py#1",)
    assert result.pipelines[0].status == "partial"
    assert {f.path: f.reviewed for f in result.files} == {"a.py": True, "b.py": False}


def test_an_answer_without_coverage_is_taken_as_full_and_noted() -> None:
    result = review(answer([BUG]))
    assert result.outcome.complete
    assert [n.slug for n in result.warnings] == ["model-note"]


def test_the_fallback_answers_when_the_model_refuses() -> None:
    refusing = Scripted([Line(reply="no", finish="refusal")], name="first")
    second = Scripted([Line(reply=answer([BUG], FULL))], name="second")
    result = run_engine(ONE, NoFiles(), models={"default": [refusing, second]})
    assert result.outcome.complete
    assert result.pipelines[0].requests == 2
    assert len(result.findings) == 1


def test_when_both_fail_both_reasons_are_told() -> None:
    first = Scripted([Line(reply="overloaded", error="model-server")], name="first")
    second = Scripted([Line(reply="no", finish="refusal", detail="policy")], name="second")
    result = run_engine(ONE, NoFiles(), models={"default": [first, second]})
    assert result.pipelines[0].reason == "overloaded; the model refused: policy"
    assert result.pipelines[0].not_reviewed == ("src/cart.py#1",)


def test_a_wrong_key_is_tried_once_not_for_every_chunk() -> None:
    many = change(*(diff_of(f"m{n}.py", *[f"value_{k} = compute({k}, {n})" for k in range(400)]) for n in range(12)))
    model = Scripted([Line(reply="the key is wrong", error="model-auth")])
    settings = config(advanced={"parallel_pipelines": True}, triggers={"max_changes": 100_000})
    result = review(model, many, settings=settings)
    assert result.pipelines[0].status == "failed"
    assert len(result.pipelines[0].not_reviewed) == 12
    assert len(result.errors) == 1


def test_one_pipelines_failure_does_not_lose_what_the_others_found() -> None:
    class Broken:
        def run(self, change, files):
            raise ScriptError("the linter crashed", hint="run it by hand")

    class Buggy:
        def run(self, change, files):
            raise RuntimeError("oops")

    class Fine:
        def run(self, change, files):
            return Report(
                (RawFinding(path="src/cart.py", line=2, message="found", rule="R1", severity=Severity.BLOCKER),)
            )

    pipelines = [
        {"name": "broken", "run": "x"},
        {"name": "buggy", "run": "x"},
        {"name": "fine", "run": "x"},
        {"name": "review"},
    ]
    result = review(
        answer([BUG], FULL),
        settings=config(pipelines=pipelines),
        analyzers={"broken": Broken(), "buggy": Buggy(), "fine": Fine()},
    )
    assert {p.name: p.status for p in result.pipelines} == {
        "broken": "failed", "buggy": "failed", "fine": "ok", "review": "ok",
    }  # fmt: skip
    assert sorted(s for f in result.findings for s in f.sources) == ["fine", "review"]
    assert result.outcome.exit_code == 1  # a deterministic blocker, whatever else
    assert not result.outcome.complete


def test_a_tools_findings_count_only_on_changed_lines() -> None:
    class Linter:
        def run(self, change, files):
            return Report(
                (
                    RawFinding(path="src/cart.py", line=1, message="old", rule="R"),
                    RawFinding(path="src/cart.py", line=3, message="new", rule="R"),
                    RawFinding(path="elsewhere.py", line=3, message="far", rule="R"),
                )
            )

    def run(**pipeline: str):
        settings = config(pipelines=[{"name": "lint", "run": "x", **pipeline}])
        return run_engine(ONE, NoFiles(), models={}, settings=settings, analyzers={"lint": Linter()})

    added, everything = run(), run(filter="none")
    assert [f.message for f in added.findings] == ["new"]
    assert sorted(d.reason for d in added.dropped) == ["filter", "outside_change"]
    assert [f.message for f in everything.findings] == ["far", "old", "new"]


def test_the_same_question_is_not_asked_twice(tmp_path: Path, open_cache) -> None:
    model = Scripted([Line(reply=answer([BUG], FULL))])
    first = review(model, cache=open_cache(tmp_path))
    second = review(model, cache=open_cache(tmp_path))
    assert len(model.requests) == 1
    assert (second.usage.requests, second.usage.cache_hits) == (0, 1)
    assert second.findings == first.findings


@pytest.mark.parametrize(
    "line",
    [
        Line(reply=answer([BUG], FULL), finish="length"),
        Line(reply=answer([BUG], ["other#1"])),
        Line(reply="no findings, I promise"),
        Line(reply=answer([BUG], FULL)[:-30]),
    ],
    ids=["cut", "not covered", "prose", "half"],
)
def test_only_whole_answers_are_kept(line: Line, tmp_path: Path, open_cache) -> None:
    review(Scripted([line]), cache=open_cache(tmp_path))
    fine = Scripted([Line(reply=answer([], FULL))])
    assert review(fine, cache=open_cache(tmp_path)).outcome.complete
    assert len(fine.requests) == 1


def test_editing_one_file_asks_only_about_its_chunk_again(tmp_path: Path, open_cache) -> None:
    def files(edited: str) -> ChangeSet:
        lines = [f"value_{k} = compute({k})" for k in range(400)]
        return change(*(diff_of(f"m{n}.py", *lines, edited if n == 5 else "end") for n in range(20)))

    def all_covered(request):
        return answer([], [f"{path}#1" for path in shown_files(request)])

    settings = config(triggers={"max_changes": 100_000})
    before = Scripted(all_covered)
    review(before, files("one"), cache=open_cache(tmp_path), settings=settings)
    after = Scripted(all_covered)
    result = review(after, files("two"), cache=open_cache(tmp_path), settings=settings)
    assert len(before.requests) > 2
    assert len(after.requests) == 1
    assert result.usage.cache_hits == len(before.requests) - 1


def test_a_used_up_budget_keeps_what_is_there_and_is_incomplete() -> None:
    many = change(*(diff_of(f"m{n}.py", *[f"value_{k} = compute({k})" for k in range(400)]) for n in range(20)))
    model = Scripted(lambda request: answer([], [f"{path}#1" for path in shown_files(request)]))
    settings = config(budget={"max_requests": 1}, triggers={"max_changes": 100_000})
    result = review(model, many, settings=settings)
    assert len(model.requests) == 1
    assert result.outcome.exit_code == 3
    assert "budget.max_requests" in (result.pipelines[0].reason or "")


def test_a_cost_limit_without_a_price_is_refused_before_anything_is_asked() -> None:
    class Unpriced(Scripted):
        def cost_usd(self, usage):
            return None

    model = Unpriced([Line(reply=answer())])
    with pytest.raises(UsageError, match="price of scripted script is not known"):
        review(model, settings=config(budget={"max_cost": 1.0}))
    assert model.requests == []


def test_an_unknown_price_is_an_unknown_cost_not_none() -> None:
    class Unpriced(Scripted):
        def cost_usd(self, usage):
            return None

    assert review(Unpriced([Line(reply=answer([], FULL))])).usage.cost_usd is None


def test_no_secret_reaches_a_model_a_finding_or_the_result() -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    leaking = change(diff_of("src/cart.py", f'token = "{secret}"', "total = 1"))
    said = {
        "path": "src/cart.py",
        "line": 2,
        "title": f"leak {secret}",
        "message": secret,
        "quote": f'token = "{secret}"',
    }
    model = Scripted([Line(reply=answer([{**said, "suggestion": f"token = {secret}"}], FULL))])
    result = review(model, leaking)
    assert secret not in model.requests[0].prompt + model.requests[0].system
    assert secret not in repr(result)
    (finding,) = result.findings
    assert (finding.line, finding.anchor) == (2, "exact")
    assert finding.suggestion is not None
    assert not finding.suggestion.committable
    assert [(r.path, r.line) for r in result.redactions] == [("src/cart.py", 2)]


def test_redaction_can_be_switched_off_for_models_but_never_for_outputs() -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    leaking = change(diff_of("src/cart.py", f'token = "{secret}"'))
    model = Scripted([Line(reply=answer([{**BUG, "quote": f'token = "{secret}"'}], FULL))])
    result = review(model, leaking, settings=config(privacy={"redact": False}))
    assert secret in model.requests[0].prompt
    assert secret not in repr(result)
    assert len(result.findings) == 1


def test_too_large_a_change_is_reviewed_in_part_the_riskiest_files_first() -> None:
    files = change(
        diff_of("docs/guide.md", *["text"] * 50),
        diff_of("src/auth.py", *["x = 1"] * 50),
        diff_of("tests/test_auth.py", *["y = 1"] * 50),
    )
    model = Scripted(lambda request: answer([], [f"{path}#1" for path in shown_files(request)]))
    result = review(model, files, settings=config(triggers={"max_changes": 60}))
    assert shown_files(model.requests[0]) == {"src/auth.py"}
    assert result.outcome.exit_code == 3
    assert {f.path: f.reason for f in result.files if not f.reviewed} == {
        "docs/guide.md": "150 changed lines are more than triggers.max_changes (60)",
        "tests/test_auth.py": "150 changed lines are more than triggers.max_changes (60)",
    }


def test_too_large_a_change_can_be_skipped_with_the_reason() -> None:
    settings = config(triggers={"max_changes": 1, "on_too_large": "skip"})
    result = review(Scripted([]), settings=settings)
    assert not result.outcome.ran
    assert "triggers.max_changes" in (result.outcome.skipped or "")
    assert result.outcome.exit_code == 0


def test_lock_files_and_binaries_are_named_but_do_not_make_a_review_incomplete() -> None:
    locked = change(diff_of("src/cart.py", "x = 1"), diff_of("uv.lock", "y"))
    model = Scripted([Line(reply=answer([], FULL))])
    result = review(model, locked)
    assert shown_files(model.requests[0]) == {"src/cart.py"}
    assert result.outcome.complete
    assert {f.path: f.reason for f in result.files} == {
        "src/cart.py": None,
        "uv.lock": "lock file: models are not asked about it",
    }


def test_an_unreadable_part_of_the_diff_makes_the_review_incomplete() -> None:
    cut = diff_of("b.py", "y = 1").replace("+1,2", "+1,9")
    result = review(answer([], FULL), change(diff_of("src/cart.py", "x = 1"), cut))
    assert result.outcome.exit_code == 3
    assert [f.path for f in result.files if not f.reviewed] == ["b.py"]


def test_a_pipeline_that_does_not_exist_is_a_usage_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError, match='Did you mean "review"'):
        review(answer(), selection=Selection(pipelines=("reviw",)))


def test_a_finding_outside_the_change_is_dropped_unless_asked_for() -> None:
    far = {**BUG, "path": "src/other.py", "quote": None}
    assert [d.reason for d in review(answer([far], FULL)).dropped] == ["outside_change"]
    kept = review(answer([far], FULL), settings=config(pipelines=[{"name": "review", "outside_change": True}]))
    assert [(f.path, f.anchor) for f in kept.findings] == [("src/other.py", "none")]


def test_severity_confidence_and_level_limits_say_why_they_drop() -> None:
    pipeline = {"name": "review", "min_confidence": 0.5, "max_severity": "warning"}
    sure, unsure = (
        {**BUG, "confidence": 0.9},
        {**BUG, "confidence": 0.1, "message": "total is doubled", "quote": "total = rate * 2"},
    )
    result = review(answer([sure, unsure], FULL), settings=config(pipelines=[pipeline]))
    assert [f.severity for f in result.findings] == [Severity.WARNING]
    assert [d.reason for d in result.dropped] == ["below_confidence"]
    hidden = review(answer([{**BUG, "severity": "info"}], FULL), settings=config(output={"min_severity": "warning"}))
    assert [d.reason for d in hidden.dropped] == ["below_severity"]


def test_nothing_that_reaches_the_bar_is_hidden_by_min_severity() -> None:
    settings = config(output={"min_severity": "blocker", "fail_on_model": "info"})
    result = review(answer([{**BUG, "severity": "info"}], FULL), settings=settings)
    assert len(result.findings) == 1
    assert result.outcome.exit_code == 1


def test_an_earlier_finding_is_open_and_a_gone_one_fixed() -> None:
    first = review(answer([BUG], FULL))
    again = review(answer([{**BUG, "message": "An unknown code raises a KeyError!"}], FULL), previous=first)
    gone = review(answer([], FULL), previous=first)
    assert [(f.state, f.fingerprint) for f in again.findings] == [("open", first.findings[0].fingerprint)]
    assert gone.fixed == (first.findings[0].fingerprint,)


def test_nothing_counts_as_fixed_because_the_model_was_down() -> None:
    first = review(answer([BUG], FULL))
    down = review(Scripted([Line(reply="down", error="model-server")]), previous=first)
    assert down.fixed == ()


def test_an_interrupt_keeps_what_was_paid_for() -> None:
    many = change(*(diff_of(f"m{n}.py", *[f"value_{k} = compute({k})" for k in range(400)]) for n in range(6)))
    bug = {"line": 2, "severity": "blocker", "title": "t", "message": "m", "quote": "value_0 = compute(0)"}
    running: list[asyncio.Task[Any]] = []

    class Slow(Scripted):
        async def complete(self, request, *, deadline, on_tokens=None):
            if self.requests:
                running[0].cancel()
                await asyncio.sleep(60)
            return await super().complete(request, deadline=deadline, on_tokens=on_tokens)

    def reply(request):
        shown = sorted(shown_files(request))
        return answer([{**bug, "path": shown[0]}], [f"{path}#1" for path in shown])

    settings = config(triggers={"max_changes": 100_000})
    result = review(Slow(reply), many, settings=settings, on_start=running.append)
    assert result.outcome.exit_code == 130
    assert not result.outcome.complete
    assert len(result.findings) == 1
    assert "interrupted" in (result.pipelines[0].reason or "")


# -- what a change must not be able to do, and what must not be said of it ---------------------------------------------


class Contents:
    """Files by path: (before, after)."""

    def __init__(self, **sides: tuple[bytes | None, bytes | None]) -> None:
        self._sides = sides

    def base(self, path: str) -> bytes | None:
        return self._sides.get(path.replace(".", "_").replace("/", "_"), (None, None))[0]

    def head(self, path: str) -> bytes | None:
        return self._sides.get(path.replace(".", "_").replace("/", "_"), (None, None))[1]


def covering(request):
    return answer([], [f"{path}#1" for path in shown_files(request)])


def new_file(path: str, *lines: str) -> str:
    body = "".join(f"+{line}\n" for line in lines)
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
    return f"{head}@@ -0,0 +1,{len(lines)} @@\n{body}"


def test_a_change_cannot_hide_code_from_models_by_a_name_or_a_long_line() -> None:
    sneaky = change(new_file("evil_pb2.py", "import os"), diff_of("app.js", "x" * 2_500))
    model = Scripted(covering)
    review(model, sneaky)
    assert shown_files(model.requests[0]) == {"evil_pb2.py", "app.js"}


def test_text_turned_binary_is_not_reviewed_and_the_review_incomplete() -> None:
    patch = "diff --git a/app.py b/app.py\nindex 1111111..2222222 100644\nBinary files a/app.py and b/app.py differ\n"
    result = run_engine(change(patch), Contents(app_py=(b"x = 1\n", b"x\0")), models=Scripted(covering))
    assert result.outcome.exit_code == 3
    assert [f.reason for f in result.files] == ["was text and is binary now: nothing can look into it"]


def test_one_file_over_the_limit_makes_the_review_incomplete() -> None:
    huge = change(diff_of("a.py", *["x = 1"] * 50))
    result = review(Scripted(covering), huge, settings=config(triggers={"max_changes": 10}))
    assert result.outcome.exit_code == 3
    assert [f.reviewed for f in result.files] == [False]


def test_a_file_that_no_pipeline_looks_at_is_not_called_reviewed() -> None:
    two = change(diff_of("a.py", "x = 1"), diff_of("b.js", "y = 2"))
    settings = config(pipelines=[{"name": "review", "include_paths": ["*.py"]}])
    result = review(Scripted(covering), two, settings=settings)
    assert {f.path: f.reason for f in result.files} == {"a.py": None, "b.js": "no pipeline looked at it"}


class Linter:
    """Reports what it is told to."""

    def __init__(self, *findings: RawFinding) -> None:
        self.findings = findings

    def run(self, change, files):
        return Report(self.findings)


def lint(changed: ChangeSet, *findings: RawFinding, triggers: Any = None, **pipeline: Any):
    settings = config(pipelines=[{"name": "lint", "run": "x", **pipeline}], triggers=triggers or {})
    return run_engine(changed, NoFiles(), models={}, settings=settings, analyzers={"lint": Linter(*findings)})


def test_a_tools_findings_on_files_it_was_not_asked_about_do_not_count() -> None:
    two = change(diff_of("a.py", "x = 1"), diff_of("gen/b.py", "y = 2"))
    said = RawFinding(path="gen/b.py", line=2, message="m", rule="R", severity=Severity.BLOCKER)
    left_out, ignored = (
        lint(two, said, exclude_paths=["gen/**"]),
        lint(two, said, triggers={"ignore_paths": ["gen/**"]}),
    )
    assert [d.reason for d in left_out.dropped] == ["filter"]
    assert [d.reason for d in ignored.dropped] == ["outside_change"]
    assert left_out.outcome.exit_code == ignored.outcome.exit_code == 0


def test_a_finding_on_the_original_of_a_copy_is_not_put_on_the_copy() -> None:
    copy = (
        "diff --git a/a.py b/b.py\nsimilarity index 90%\ncopy from a.py\ncopy to b.py\n"
        "--- a/a.py\n+++ b/b.py\n@@ -1,1 +1,2 @@\n keep\n+x = 1\n"
    )
    result = lint(change(copy), RawFinding(path="a.py", line=2, message="m", rule="R"))
    assert [d.reason for d in result.dropped] == ["outside_change"]


def test_a_tools_line_wins_over_the_code_it_shows() -> None:
    result = lint(ONE, RawFinding(path="src/cart.py", line=3, message="m", rule="R", quote="its own rendering"))
    assert [(f.line, f.anchor) for f in result.findings] == [(3, "exact")]


def test_a_teams_severity_map_is_for_built_in_analyzers_too() -> None:
    pipeline = {
        "name": "rules",
        "uses": "builtin/rules",
        "severity_map": {"sql-injection": "blocker", "warning": "info"},
    }
    settings = config(pipelines=[pipeline])
    said = [
        RawFinding(path="src/cart.py", line=2, message="a", rule="sql-injection", severity=Severity.WARNING),
        RawFinding(path="src/cart.py", line=3, message="b", rule="other", severity=Severity.WARNING),
    ]
    result = run_engine(ONE, NoFiles(), models={}, settings=settings, analyzers={"rules": Linter(*said)})
    assert [(f.rule, f.severity.value) for f in result.findings] == [("sql-injection", "blocker"), ("other", "info")]


def test_nothing_counts_as_fixed_that_was_not_looked_at() -> None:
    two = change(diff_of("src/cart.py", "rate = DISCOUNTS[code]"), diff_of("b.py", "y = 2"))
    first = review(answer([BUG], ["src/cart.py#1", "b.py#1"]), two)
    narrow = review(answer([], ["b.py#1"]), two, previous=first, selection=Selection(paths=("b.py",)))
    reverted = review(answer([], ["b.py#1"]), change(diff_of("b.py", "y = 2")), previous=first)
    assert narrow.fixed == ()
    assert reverted.fixed == (first.findings[0].fingerprint,)


def test_paths_that_match_nothing_are_named() -> None:
    result = review(answer(), selection=Selection(paths=("nope/**",)))
    assert result.outcome.skipped == "no changed file matches --paths nope/**"


def test_a_prompt_that_names_what_does_not_exist_is_refused_before_any_work() -> None:
    model = Scripted([Line(reply=answer())])
    with pytest.raises(ConfigError, match="difff"):
        review(model, settings=config(pipelines=[{"name": "review", "prompt": "Look at {{difff}}"}]))
    assert model.requests == []


def test_a_name_with_a_line_feed_is_covered_and_found() -> None:
    odd = change(
        'diff --git "a/a\\nb.py" "b/a\\nb.py"\n--- "a/a\\nb.py"\n+++ "b/a\\nb.py"\n@@ -1,1 +1,2 @@\n keep\n+x = 1\n'
    )
    shown = "a<U+000A>b.py"
    result = review(answer([{**BUG, "path": shown, "quote": "x = 1"}], [f"{shown}#1"]), odd)
    assert [(f.path, f.line) for f in result.findings] == [("a\nb.py", 2)]
    assert [f.reviewed for f in result.files] == [True]
