"""A review in parts: whatever the number of parts, the same findings and the same posts as in one piece."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.engine import Line, Scripted, answer, config
from support.memory_platform import HEAD, REF, MemoryPlatform
from support.posting import Desk

from loom.analyzers.base import Report
from loom.core.change import ChangeSet, NoFiles
from loom.core.errors import ScriptError, UsageError
from loom.core.finding import RawFinding, Severity
from loom.core.result import ReviewResult
from loom.engine.job import Job, Tools
from loom.engine.review import put_together, review
from loom.engine.shards import MissingPartsError, Shard, gather
from loom.infra import progress
from loom.infra.parse_diff import parse
from loom.infra.secrets import Masker
from loom.llm.base import Request
from loom.store import record

SECRET = "sk-live-4f9a8b7c6d5e4f3a2b1c"
PATHS = [f"src/part{n}.py" for n in range(12)]


def diff_of(path: str, n: int) -> str:
    lines = [f"value_{n}_{k} = compute({n}, {k})" for k in range(400)]
    body = "".join(f"+{line}\n" for line in lines)
    return f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,400 @@\n{body}"


def change(paths: Sequence[str] = PATHS) -> ChangeSet:
    parsed = parse("".join(diff_of(path, n) for n, path in enumerate(paths)).encode())
    return ChangeSet(replace(REF, merge_base="b" * 40), parsed.files, parsed.unread)


class Lines:
    """An analyzer that finds the same in every file, and shows a secret."""

    def __init__(self, rule: str, line: int, severity: Severity = Severity.WARNING) -> None:
        self.rule, self.line, self.severity = rule, line, severity

    def run(self, changed: ChangeSet, files: Any) -> Report:
        found = (
            RawFinding(
                path=file.path, line=self.line, rule=self.rule, title=f"{self.rule} is wrong", severity=self.severity,
                message=f"{self.rule}: the value is wrong, see {SECRET}",
            )
            for file in changed.files
        )  # fmt: skip
        return Report(tuple(found))


class Broken:
    """An analyzer that fails."""

    def run(self, changed: ChangeSet, files: Any) -> Report:
        raise ScriptError("it broke", hint="mend it")


ANALYZERS = {"rules": Lines("bad-value", 3), "hygiene": Lines("worse", 5, Severity.BLOCKER), "secrets": Broken()}


def reply(request: Request) -> Line:
    """A model that sees something in every file, part of it what the rules saw too; one chunk gets prose only."""
    shown = sorted(set(re.findall(r"^=== (\S+) \(", request.prompt, re.MULTILINE)))
    if any(path.endswith("part7.py") for path in shown):
        return Line(reply="Looks good to me!")
    found = []
    for path in shown:
        n = int(re.findall(r"\d+", path)[0])
        found.append(
            {
                "path": path, "line": 9, "title": f"Problem {n}", "message": f"alpha{n} beta{n} of compute",
                "quote": f"value_{n}_8 = compute({n}, 8)", "severity": "warning",
            }
        )  # fmt: skip
        found.append(
            {
                "path": path, "line": 3, "title": "bad-value is wrong", "message": "bad-value: the value is wrong",
                "quote": f"value_{n}_2 = compute({n}, 2)", "severity": "blocker",
            }
        )  # fmt: skip
    return Line(reply=answer(found))


def settings_of(**given: Any) -> Any:
    tools = [{"name": name, "uses": f"builtin/{name}"} for name in ANALYZERS]
    return config(pipelines=[*tools, {"name": "review"}, {"name": "second", "model": "default"}], **given)


def run(shard: Shard | None = None, *, parts: Sequence[ReviewResult] = (), **given: Any) -> ReviewResult:
    """The review, a part of it, or (with `parts`) what they come to."""
    masker = Masker([SECRET])
    ticks = itertools.count()
    tools = Tools(
        masker=masker, own_masker=Masker([SECRET], rules=False), mask=masker.mask,
        analyzer=lambda p: ANALYZERS[p.name], models=lambda name: [Scripted(reply)], refuse=lambda _: None,
        prompt=lambda p: p.prompt, cache=None, progress=progress.Silent(), clock=lambda: next(ticks) * 0.001,
        now_s=lambda: 1_000_000.0, tag="tag", stop=lambda: None,
    )  # fmt: skip
    job = Job(
        change=given.pop("changed", None) or change(), files=NoFiles(), config=settings_of(**given),
        config_hash="0" * 16, shard=shard,
    )  # fmt: skip
    if parts:
        return put_together(job, tools, gather((f"part-{p.shard}", p) for p in parts))
    return asyncio.run(review(job, tools))


def in_parts(count: int, **given: Any) -> list[ReviewResult]:
    """All parts, each written to a file and read again, as jobs hand them over."""
    made = [run(Shard(number, count), **given) for number in range(1, count + 1)]
    return [record.loads(record.dumps(part).encode()) for part in made]


def told(result: ReviewResult) -> Any:
    """Everything that does not depend on when and how fast."""
    pipelines = tuple(replace(p, duration_ms=0) for p in result.pipelines)
    return replace(result, timings_ms={}, pipelines=pipelines)


@pytest.fixture(scope="module")
def whole() -> ReviewResult:
    return run()


def test_the_test_is_about_something(whole: ReviewResult) -> None:
    parts = in_parts(3)
    assert len(whole.findings) > 30
    assert {p.status for p in whole.pipelines} == {"ok", "partial", "failed"}
    assert len(parts[0].raw) + len(parts[1].raw) + len(parts[2].raw) > 6
    assert any({"rules", "review"} <= set(f.sources) for f in whole.findings)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 40])
def test_parts_put_together_are_the_whole_review(whole: ReviewResult, count: int) -> None:
    together = run(parts=in_parts(count))
    assert told(together).findings == told(whole).findings
    assert told(together).pipelines == told(whole).pipelines
    assert told(together) == told(whole)


def test_the_order_of_the_files_does_not_matter(whole: ReviewResult) -> None:
    assert told(run(parts=in_parts(4)[::-1])) == told(whole)


def test_the_same_is_posted(whole: ReviewResult) -> None:
    def posted(result: ReviewResult) -> list[str]:
        platform = MemoryPlatform(files=result.files)
        Desk(platform=platform).post(told(result))
        return [thread.comments[0].body for thread in platform.stored]

    assert len(posted(whole)) > 10
    assert posted(run(parts=in_parts(3))) == posted(whole)
    assert whole.change.head_sha == HEAD


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PATHS), min_size=1, max_size=8, unique=True), st.integers(1, 7))
def test_any_change_in_any_number_of_parts_is_the_same_review(paths: list[str], count: int) -> None:
    changed = change(paths)
    assert told(run(parts=in_parts(count, changed=changed), changed=changed)) == told(run(changed=changed))


def test_every_unit_is_in_exactly_one_part() -> None:
    for count in (1, 2, 7, 30):
        units = [(unit.pipeline, unit.number) for part in in_parts(count) for unit in part.raw]
        assert len(units) == len(set(units))
        assert {pipeline for pipeline, _ in units} == {"rules", "hygiene", "secrets", "review", "second"}


def test_a_part_carries_no_secret_and_never_blocks() -> None:
    for part in in_parts(3, output={"fail_on": "warning"}):
        assert SECRET not in record.dumps(part)
        assert part.outcome.blocking is False
        assert part.outcome.exit_code in (0, 3)
    assert run(parts=in_parts(3), output={"fail_on": "warning"}).outcome.exit_code == 1


def test_a_missing_part_is_incomplete_and_named() -> None:
    parts = in_parts(4)
    with pytest.raises(MissingPartsError, match="part 2/4, 4/4 of the review is missing") as caught:
        run(parts=[parts[0], parts[2]])
    assert caught.value.exit_code == 3


def test_parts_that_do_not_belong_together_are_refused() -> None:
    parts = in_parts(2)
    moved = replace(parts[1], change=replace(parts[1].change, head_sha="1" * 40))
    for wrong, words in (
        ([parts[0], parts[0]], "are both part 1/2"),
        ([parts[0], replace(parts[1], shard="2/3")], "is part 2/3, and others are parts of 2"),
        ([parts[0], moved], "another head"),
        ([parts[0], replace(parts[1], config_hash="1" * 16)], "another configuration"),
        ([parts[0], replace(parts[1], tool_version="9")], "another version"),
        ([parts[0], replace(parts[1], raw=(*parts[1].raw, parts[0].raw[0]))], "was not cut alike"),
    ):
        with pytest.raises(UsageError, match=words):
            run(parts=wrong)


def test_the_budget_is_shared_by_the_work() -> None:
    parts = in_parts(3, budget={"max_requests": 4})
    asked = sum(outcome.requests for part in parts for outcome in part.pipelines)
    assert asked <= 4 + 3  # each part rounds up


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "1/0", "a/b", "1/257", "-1/4", "1/4/2", "1.5/4"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_a_part_is_written_as_it_is_read() -> None:
    assert str(Shard.parse(" 2/4 ")) == "2/4"
