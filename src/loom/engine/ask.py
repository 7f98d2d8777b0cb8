"""Ask a model about one chunk and account for the answer: cache, budget, repair, fallback, splitting, coverage.

A chunk is reviewed only when a whole, readable answer came back that covers it. Everything else is asked of the next
model, or named as not reviewed, with the reason; complete findings of a cut answer are kept all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from loom.core.errors import LoomError
from loom.core.finding import RawFinding
from loom.core.tokens import SAFETY, estimate
from loom.engine import prompts
from loom.engine.budget import Budget
from loom.engine.chunks import halve
from loom.engine.show_diff import one_line
from loom.engine.view import FileView
from loom.llm.base import Model, NoReplyError, Reply, Request, TokenUsage
from loom.store.cache import Cache

if TYPE_CHECKING:
    from loom.engine.parse import Answer

T = TypeVar("T")

_CACHE_VERSION = 1  # raise when the same request text would mean something else
_HOPELESS = frozenset({"model-no-key", "model-auth", "model-not-found", "model-quota"})
"""Failures that every further request would meet too."""
_SPLITS: Mapping[str, int] = {"length": 2, "context": 5}
"""How often a chunk is halved. An answer that is cut about a quarter of a chunk is cut about less as well, and every
try is paid for; a prompt over the window costs nothing, and five halvings go from 24,000 tokens to under 1,000."""
_MAX_TOKENS = 8_000
"""Of output, when a request does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of a chunk (or of several, added up)."""

    findings: tuple[RawFinding, ...] = ()
    not_reviewed: tuple[str, ...] = ()
    """Hunk ids."""
    reasons: tuple[tuple[str, str], ...] = ()
    """(what happened, what to do) for the hunks not reviewed."""
    summaries: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    answered: int = 0
    """Hunks that a whole answer covers."""
    requests: int = 0
    retries: int = 0
    cache_hits: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    cost_known: bool = True

    def __add__(self, other: Asked) -> Asked:
        return Asked(
            findings=self.findings + other.findings,
            not_reviewed=self.not_reviewed + other.not_reviewed,
            reasons=_distinct(self.reasons + other.reasons),
            summaries=_distinct(self.summaries + other.summaries),
            models=_distinct(self.models + other.models),
            notes=_distinct(self.notes + other.notes),
            answered=self.answered + other.answered,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            cache_hits=self.cache_hits + other.cache_hits,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            cost_known=self.cost_known and other.cost_known,
        )


@dataclass(slots=True, kw_only=True)
class Desk:
    """What asking needs, shared by all chunks of a run. Not thread-safe; one event loop."""

    budget: Budget
    tag: str
    """Random per run: fences untrusted text; unknown when a cache key is taken."""
    mask: Callable[[str], str]
    cache: Cache | None
    now_s: Callable[[], float]
    """Epoch seconds, for the cache."""
    trust: str
    """The trust domain of the change: an answer about a stranger's change never serves a trusted one."""
    dead: dict[str, NoReplyError] = field(default_factory=dict)
    """Models that gave up for good in this run, by identity."""
    turns: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    """As many at once as each model allows, by identity."""

    def turn(self, model: Model) -> asyncio.Semaphore:
        """To be held from before the budget is asked until the reply is there: whoever waits has not spent yet."""
        return self.turns.setdefault(model.identity, asyncio.Semaphore(max(1, model.max_concurrency)))


Tell = Callable[[int], None]
"""Called with characters received while a model writes."""


async def ask_chunk(
    files: Sequence[FileView],
    *,
    make: Callable[[Sequence[FileView]], Request],
    models: Sequence[Model],
    desk: Desk,
    tell: Tell | None = None,
) -> Asked:
    """Ask the first of `models` about `files`, and each further one about the hunks that are still not reviewed. What
    was found on the way is kept. `make` builds the request (again, for a part of the files)."""
    asked, left = Asked(), tuple(files)
    for model in models:
        tried = await _ask_model(left, make=make, model=model, desk=desk, tell=tell)
        # Which hunks are left is for the last try to say, and one that reviewed nothing has nothing to sum up.
        asked = replace(asked, not_reviewed=(), summaries=asked.summaries if asked.answered else ()) + tried
        left = _only(left, tried.not_reviewed)
        if not left:
            notes = tuple(f"{what}; a fallback model was asked" for what, _ in asked.reasons)
            return replace(asked, reasons=(), notes=_distinct(asked.notes + notes))
    return asked


def _only(files: Sequence[FileView], ids: Sequence[str]) -> tuple[FileView, ...]:
    """The files with these hunks alone."""
    wanted = set(ids)
    kept = (replace(file, hunks=tuple(h for h in file.hunks if one_line(h.id) in wanted)) for file in files)
    return tuple(file for file in kept if file.hunks)


async def _ask_model(
    files: Sequence[FileView],
    *,
    make: Callable[[Sequence[FileView]], Request],
    model: Model,
    desk: Desk,
    tell: Tell | None,
    depth: int = 0,
) -> Asked:
    async def in_halves(halves: Sequence[Sequence[FileView]]) -> Asked:
        asked = Asked()
        for half in halves:
            asked += await _ask_model(half, make=make, model=model, desk=desk, tell=tell, depth=depth + 1)
        return asked

    request, ids = make(files), prompts.hunk_ids(files)
    key = cache_key(model, request, trust=desk.trust)
    only = files[0].path if len(files) == 1 else None  # a finding without a path can then mean but one file
    entry = (desk.cache.get(key, now_s=desk.now_s()) if desk.cache is not None else None) or {}
    if kept := _from_cache(entry, only):
        answer, name = kept
        return _judge(answer, ids, name) + Asked(cache_hits=1)
    halves = halve(files)
    if halves and entry.get("split") is True:
        return await in_halves(halves)
    asked, reply = await _send(request, ids, model, desk, tell)
    if reply is None:
        return asked
    first = answer = _read(reply.text, only)
    if reply.finish == "stop" and (not answer.recognised or answer.unusable):
        again, repaired = await _send(prompts.repair(request, reply.text), ids, model, desk, tell)
        asked += replace(again, not_reviewed=(), reasons=())
        if repaired is not None and (mended := _read(repaired.text, only)).recognised:
            reply, answer = repaired, mended
    if halves and depth < _SPLITS.get(reply.finish, 0):
        _keep(desk, key, {"split": True})
        judged = await in_halves(halves)
    else:
        judged = _judge(answer, ids, reply.model, reply)
        if not judged.not_reviewed:
            _keep(desk, key, {"text": desk.mask(reply.text), "model": reply.model})
    # Where something is still missing, nothing that was said is given up; what was said twice is merged later.
    said_before = first.findings if judged.not_reviewed else ()
    return asked + replace(judged, findings=_distinct(said_before + judged.findings))


async def _send(
    request: Request, ids: Sequence[str], model: Model, desk: Desk, tell: Tell | None
) -> tuple[Asked, Reply | None]:
    """One reply with its cost, or what kept it from coming."""
    held = _most_it_costs(request, model) if desk.budget.limits_cost else 0.0
    async with desk.turn(model):
        if failed := desk.dead.get(model.identity):
            return _unreviewed(ids, failed.message, failed.hint), None
        if reason := await desk.budget.reserve(cost_usd=held):
            return _unreviewed(ids, reason, "raise the budget, or narrow the review with --paths or --pipeline"), None
        sent, cost = 0, None
        try:
            tagged = prompts.with_tag(request, desk.tag)
            reply = await model.complete(tagged, deadline=desk.budget.deadline, on_tokens=tell)
            sent, cost = reply.requests, _cost(reply, model)
        except NoReplyError as failure:
            sent = failure.requests
            if failure.slug in _HOPELESS:
                desk.dead[model.identity] = failure
            lost = _unreviewed(ids, failure.message, failure.hint)
            return replace(lost, requests=sent, retries=failure.retries), None
        except Exception as failure:  # noqa: BLE001 - a fault in one member must lose neither the fallback nor the rest
            return _unreviewed(ids, *reason_of(failure)), None
        finally:
            desk.budget.settle(held_usd=held, requests=sent, cost_usd=cost)
    return _usage(reply.usage, reply, cost), reply


def reason_of(error: Exception) -> tuple[str, str]:
    """(what happened, what to do) for a reader of the result."""
    if isinstance(error, LoomError):  # a host that may not be called, offline mode, a prompt that cannot be built
        return error.message, error.hint
    return f"internal error: {type(error).__name__}: {error}", ""


def _cost(reply: Reply, model: Model) -> float | None:
    return reply.cost_usd if reply.cost_usd is not None else model.cost_usd(reply.usage)


def _most_it_costs(request: Request, model: Model) -> float:
    """USD, when the answer is as long as it may be and all input is written to the server's cache, the dearest kind."""
    asked = round(SAFETY * input_tokens(request, model))
    answer = most_output(request)
    return model.cost_usd(TokenUsage(input_tokens=asked, cache_write_tokens=asked, output_tokens=answer)) or 0.0


def input_tokens(request: Request, model: Model) -> int:
    """About how many tokens of input the request is."""
    parts = (request.system, request.context, request.prompt, json.dumps(request.schema or {}))
    return sum(estimate(part, model.token_family) for part in parts)


def most_output(request: Request) -> int:
    """Tokens that the answer may have at most."""
    return request.max_tokens or _MAX_TOKENS


def has_answer(request: Request, model: Model, cache: Cache | None, *, trust: str, now_s: float) -> bool:
    """Whether the cache holds the answer, so that asking costs nothing."""
    entry = cache.get(cache_key(model, request, trust=trust), now_s=now_s) if cache is not None else None
    return _from_cache(entry or {}, None) is not None


def _usage(usage: TokenUsage, reply: Reply, cost: float | None) -> Asked:
    return Asked(
        requests=reply.requests,
        retries=reply.retries,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=cost or 0.0,
        cost_known=cost is not None,
    )


def _read(text: str, only: str | None) -> Answer:
    from loom.engine.parse import parse  # not before the request is out: cli.session has it imported meanwhile

    return parse(text, only_path=only)


def _judge(answer: Answer, ids: Sequence[str], model: str, reply: Reply | None = None) -> Asked:
    """What an answer is worth: which hunks it covers, and why not the others."""
    asked = Asked(
        findings=answer.findings,
        summaries=(answer.summary,) if answer.summary else (),
        models=(model,),
    )
    if reply is not None and (reason := _cut_short(reply)):
        return replace(asked, not_reviewed=tuple(ids), reasons=(reason,))
    if not answer.recognised:
        why = ("the model answered without the findings it was asked for", "try a model that follows JSON schemas")
        return replace(asked, findings=(), not_reviewed=tuple(ids), reasons=(why,))
    if answer.truncated:
        why = ("the model's answer ends in the middle", "raise models.NAME.max_tokens")
        return replace(asked, not_reviewed=tuple(ids), reasons=(why,))
    if answer.unusable:
        name, say = ("names", "says") if answer.unusable == 1 else ("name", "say")
        what = f"{answer.unusable} of the model's findings {name} no file or {say} nothing"
        return replace(asked, not_reviewed=tuple(ids), reasons=((what, "try a model that follows JSON schemas"),))
    if answer.coverage is None:
        return replace(asked, answered=len(ids), notes=("the answer does not say which hunks it covers; taken as all",))
    missing = tuple(i for i in ids if not _covered(i, answer.coverage))
    why = ("the model did not look at all of the change", "")
    answered = len(ids) - len(missing)
    return replace(asked, answered=answered, not_reviewed=missing, reasons=(why,) if missing else ())


def _covered(hunk_id: str, coverage: Sequence[str]) -> bool:
    """Named itself, or by its whole hunk or file: models shorten."""
    path, _, number = hunk_id.rpartition("#")
    return bool({hunk_id, f"{path}#{number.partition('.')[0]}", path} & set(coverage))


def _cut_short(reply: Reply) -> tuple[str, str] | None:
    detail = f": {reply.detail}" if reply.detail else ""
    match reply.finish:
        case "stop":
            return None
        case "length":
            return ("the model's answer was cut at max_tokens", "raise models.NAME.max_tokens")
        case "context":
            return (f"the request did not fit the model's context window{detail}", "set models.NAME.context_window")
        case "refusal":
            return (f"the model refused{detail}", "set models.NAME.fallback to another model")
        case "blocked":
            return (f"a content filter blocked the answer{detail}", "set models.NAME.fallback to another model")


def _unreviewed(ids: Sequence[str], message: str, hint: str) -> Asked:
    return Asked(not_reviewed=tuple(ids), reasons=((message, hint),))


def cache_key(model: Model, request: Request, *, trust: str) -> bytes:
    """What an answer depends on, and nothing that changes without reason (no key, no tag, no time)."""
    parts: Mapping[str, object] = {
        "v": _CACHE_VERSION,
        "trust": trust,
        "model": model.identity,
        "system": request.system,
        "context": request.context,
        "prompt": request.prompt,
        "schema": request.schema,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "effort": request.reasoning_effort,
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))  # ASCII: lone surrogates survive
    return hashlib.sha256(text.encode()).digest()


def _from_cache(entry: Mapping[str, object], only: str | None) -> tuple[Answer, str] | None:
    """A kept answer that still reads as a whole one."""
    if not isinstance(text := entry.get("text"), str):
        return None
    answer = _read(text, only)
    if not answer.recognised or answer.truncated or answer.unusable:
        return None
    return answer, str(entry.get("model", ""))


def _keep(desk: Desk, key: bytes, entry: Mapping[str, object]) -> None:
    if desk.cache is not None:
        desk.cache.put(key, entry, now_s=desk.now_s())


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
