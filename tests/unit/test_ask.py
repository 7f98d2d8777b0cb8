"""Asking a model: what counts as reviewed, who is asked next, and that no limit is overrun."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.engine import Line, Scripted, answer, config, run_engine, shown_files

from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.infra.parse_diff import parse
from loom.llm.base import NoReplyError


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
TWO = change(a=["x = 1"], b=["y = 2"])
MANY = change(**{f"m{n:02}": [f"value_{k} = compute({k})" for k in range(400)] for n in range(12)})
"""Several requests' worth."""
WIDE = {"max_changes": 100_000}
BUG_A = {"path": "a.py", "line": 1, "quote": "x = 1", "message": "x is never one."}
BUG_B = {"path": "b.py", "line": 1, "quote": "y = 2", "message": "Two is too many for y."}


def all_covered(request: Any) -> str:
    return answer([], [f"{path}#1" for path in shown_files(request)])


def ask(*models: Scripted, about: ChangeSet = ONE, **more: Any):
    return run_engine(about, NoFiles(), models={"default": list(models)}, **more)


# -- limits -----------------------------------------------------------------------------------------------------------


class Paid(Scripted):
    """Every request costs one dollar, whatever it says, and lets the others go ahead meanwhile."""

    def cost_usd(self, usage):
        return 1.0

    async def complete(self, request, *, deadline, on_tokens=None):
        await asyncio.sleep(0)
        return await super().complete(request, deadline=deadline, on_tokens=on_tokens)


def test_requests_under_way_count_against_the_cost_limit() -> None:
    model = Paid(all_covered, max_concurrency=4)
    result = ask(model, about=MANY, settings=config(budget={"max_cost": 2.0}, triggers=WIDE))
    assert len(model.requests) == 2
    assert result.usage.cost_usd == 2.0
    assert result.outcome.exit_code == 3
    assert "budget.max_cost: 2 USD" in (result.pipelines[0].reason or "")


def test_what_a_request_may_cost_is_held_only_until_its_price_is_known() -> None:
    class Cheaper(Paid):
        def cost_usd(self, usage):
            return usage.output_tokens / 8_000  # at most a dollar; the answers are a fraction of that

    model = Cheaper(all_covered, max_concurrency=4)
    result = ask(model, about=MANY, settings=config(budget={"max_cost": 1.5}, triggers=WIDE))
    assert len(model.requests) > 2
    assert result.outcome.complete


def test_a_free_fallback_goes_on_where_the_cost_limit_ends() -> None:
    paid, free = Paid(all_covered, name="paid"), Scripted(all_covered, name="free")
    result = ask(paid, free, about=MANY, settings=config(budget={"max_cost": 1.0}, triggers=WIDE))
    assert len(paid.requests) == 1
    assert len(free.requests) > 1
    assert result.outcome.complete
    assert "budget.max_cost" in result.warnings[0].message


def test_a_request_that_was_never_sent_uses_up_no_budget() -> None:
    class NoKey(Scripted):
        async def complete(self, request, *, deadline, on_tokens=None):
            raise NoReplyError("no key", slug="model-no-key", requests=0)

    fallback = Scripted(all_covered, name="fallback")
    result = ask(NoKey([], name="first"), fallback, settings=config(budget={"max_requests": 1}))
    assert len(fallback.requests) == 1
    assert result.outcome.complete


def test_as_many_requests_are_under_way_as_the_model_allows() -> None:
    under_way: list[int] = [0, 0]

    class Counting(Scripted):
        async def complete(self, request, *, deadline, on_tokens=None):
            under_way[0] += 1
            under_way[1] = max(under_way)
            await asyncio.sleep(0)
            under_way[0] -= 1
            return await super().complete(request, deadline=deadline, on_tokens=on_tokens)

    assert ask(Counting(all_covered, max_concurrency=2), about=MANY, settings=config(triggers=WIDE)).outcome.complete
    assert under_way == [0, 2]


def test_a_wrong_key_is_not_tried_by_the_chunks_that_wait() -> None:
    model = Scripted([Line(reply="the key is wrong", error="model-auth")], max_concurrency=1)
    result = ask(model, about=MANY, settings=config(triggers=WIDE))
    assert len(model.requests) == 1
    assert len(result.pipelines[0].not_reviewed) == 12


# -- who is asked next ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [[BUG_A], []], ids=["with a finding", "without"])
def test_the_fallback_is_asked_about_the_hunks_that_are_left_and_what_was_found_stays(found: list[Any]) -> None:
    def first(request: Any) -> Line:
        shown = shown_files(request)
        if shown == {"a.py"}:
            return Line(reply=answer(found, ["a.py#1"]))
        return Line(reply="", finish="length" if len(shown) > 1 else "refusal")

    fallback = Scripted([Line(reply=answer([BUG_B], ["b.py#1"]))], name="fallback")
    result = ask(Scripted(first, name="first"), fallback, about=TWO)
    assert [shown_files(r) for r in fallback.requests] == [{"b.py"}]
    assert result.outcome.complete
    assert [f.path for f in result.findings] == [f["path"] for f in (*found, BUG_B)]
    assert [n.message for n in result.warnings] == ["the model refused; a fallback model was asked"]


def test_the_fallback_is_asked_when_an_answer_with_findings_was_cut() -> None:
    cut = Scripted([Line(reply=answer([BUG_A, BUG_B])[:-20])], name="cut")
    fallback = Scripted(all_covered, name="fallback")
    result = ask(cut, fallback)
    assert len(fallback.requests) == 1
    assert result.outcome.complete
    assert [f.message for f in result.findings] == ["x is never one."]


def test_a_fault_in_a_model_member_leaves_the_question_to_the_fallback() -> None:
    class Faulty(Scripted):
        async def complete(self, request, *, deadline, on_tokens=None):
            raise KeyError("choices")

    assert ask(Faulty([], name="faulty"), Scripted(all_covered, name="fallback")).outcome.complete
    alone = ask(Faulty([]))
    assert alone.pipelines[0].reason == "internal error: KeyError: 'choices'"
    assert (alone.pipelines[0].status, alone.outcome.exit_code) == ("failed", 3)


# -- answers that lose something --------------------------------------------------------------------------------------

LOST = {"line": 1, "message": "A terrible hole.", "severity": "critical"}
COVERED = ["a.py#1", "b.py#1"]


def test_findings_that_name_no_file_are_asked_for_once_more() -> None:
    replies = iter([answer([BUG_A, LOST], COVERED), answer([BUG_A, {**LOST, "path": "b.py"}], COVERED)])
    result = ask(Scripted(lambda _: next(replies)), about=TWO)
    assert result.outcome.complete
    assert sorted(f.message for f in result.findings) == ["A terrible hole.", "x is never one."]


def test_findings_that_still_name_no_file_make_the_review_incomplete() -> None:
    model = Scripted([Line(reply=answer([BUG_A, LOST], COVERED))])
    result = ask(model, about=TWO)
    assert len(model.requests) == 2
    assert result.outcome.exit_code == 3
    assert [f.message for f in result.findings] == ["x is never one."]
    assert result.pipelines[0].reason == "1 of the model's findings names no file or says nothing"


def test_findings_of_a_repair_that_was_cut_are_kept() -> None:
    replies = iter([Line(reply="I think it is fine"), Line(reply=answer([BUG_A, BUG_B])[:-20], finish="length")])
    result = ask(Scripted(lambda _: next(replies)))
    assert [f.message for f in result.findings] == ["x is never one."]
    assert (result.pipelines[0].status, result.pipelines[0].not_reviewed) == ("partial", ("a.py#1",))


def test_a_repair_that_came_to_nothing_does_not_lose_the_first_answers_findings() -> None:
    replies = iter([answer([BUG_A, LOST], COVERED), "Sorry, I cannot say it better."])
    result = ask(Scripted(lambda _: next(replies)), about=TWO)
    assert [f.message for f in result.findings] == ["x is never one."]
    assert result.outcome.exit_code == 3


# -- splitting --------------------------------------------------------------------------------------------------------

SIXTY_FOUR = change(**{f"f{n:02}": [f"x{n} = 1"] for n in range(64)})


@pytest.mark.parametrize(("finish", "most"), [("length", 7), ("context", 63)])
def test_splitting_ends_also_when_nothing_is_ever_small_enough(finish: Any, most: int) -> None:
    model = Scripted([Line(reply="", finish=finish)])
    result = ask(model, about=SIXTY_FOUR)
    assert len(model.requests) == most
    assert len(result.pipelines[0].not_reviewed) == 64


def test_findings_of_a_cut_answer_stay_when_its_halves_fail() -> None:
    cut = Line(reply=answer([BUG_A, BUG_B])[:-20], finish="length")
    model = Scripted(lambda request: cut if len(shown_files(request)) > 1 else Line(reply="", finish="refusal"))
    assert [f.message for f in ask(model, about=TWO).findings] == ["x is never one."]


@pytest.mark.parametrize("finish", ["length", "context"])
def test_a_chunk_that_had_to_be_split_is_not_asked_whole_again(finish: Any, tmp_path: Path, open_cache) -> None:
    def reply(request: Any) -> Line:
        shown = shown_files(request)
        return Line(reply="", finish=finish) if len(shown) > 1 else Line(reply=all_covered(request))

    first, second = Scripted(reply), Scripted(reply)
    ask(first, about=TWO, cache=open_cache(tmp_path))
    again = ask(second, about=TWO, cache=open_cache(tmp_path))
    assert [len(shown_files(r)) for r in first.requests] == [2, 1, 1]
    assert (second.requests, again.usage.cache_hits, again.outcome.complete) == ([], 2, True)


def test_an_answer_with_unusable_findings_is_not_kept(tmp_path: Path, open_cache) -> None:
    lossy = Scripted([Line(reply=json.dumps({"findings": [BUG_A, LOST], "coverage": COVERED}))])
    ask(lossy, about=TWO, cache=open_cache(tmp_path))
    fine = Scripted(all_covered)
    assert ask(fine, about=TWO, cache=open_cache(tmp_path)).outcome.complete
    assert len(fine.requests) == 1
