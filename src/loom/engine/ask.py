"""Ask a model about one chunk and account for the answer: cache, budget, repair, fallback, splitting, coverage.

A chunk is reviewed only when a whole, readable answer came back that covers it. Everything else is named as not
reviewed, with the reason; complete findings of a cut answer are kept all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from loom.core.errors import LoomError
from loom.core.finding import RawFinding
from loom.engine import prompts
from loom.engine.budget import Budget
from loom.engine.chunks import halve
from loom.engine.view import FileView
from loom.llm.base import Model, NoReplyError, Reply, Request, TokenUsage
from loom.store.cache import Cache

if TYPE_CHECKING:
    from loom.engine.parse import Answer

T = TypeVar("T")

_CACHE_VERSION = 1  # raise when the same request text would mean something else
_HOPELESS = frozenset({"model-no-key", "model-auth", "model-not-found", "model-quota"})
"""Failures that every further request would meet too."""


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
    """Ask about `files`: the first of `models` that reviews them wins, the others are fallbacks. `make` builds the
    request (again, when the chunk has to be split)."""
    tried = Asked()
    for model in models:
        asked = await _ask_model(files, make=make, model=model, desk=desk, tell=tell)
        if not asked.not_reviewed:
            return replace(tried, reasons=()) + asked
        if asked.findings or model is models[-1]:
            return tried + asked
        # A failed try counts by its cost and its reason; which hunks are left is for the next model to say.
        tried += replace(asked, not_reviewed=(), summaries=())
    return tried


async def _ask_model(
    files: Sequence[FileView],
    *,
    make: Callable[[Sequence[FileView]], Request],
    model: Model,
    desk: Desk,
    tell: Tell | None,
) -> Asked:
    request, ids = make(files), prompts.hunk_ids(files)
    key = cache_key(model, request, trust=desk.trust)
    only = files[0].path if len(files) == 1 else None  # a finding without a path can then mean but one file
    if kept := _from_cache(desk, key, only):
        answer, name = kept
        return _judge(answer, ids, name) + Asked(cache_hits=1)
    if failed := desk.dead.get(model.identity):
        return _unreviewed(ids, failed.message, failed.hint)
    asked, reply = await _send(request, ids, model, desk, tell)
    if reply is None:
        return asked
    if reply.finish in ("length", "context") and (halves := halve(files)):
        for half in halves:
            asked += await _ask_model(half, make=make, model=model, desk=desk, tell=tell)
        return asked
    answer = _read(reply.text, only)
    if reply.finish == "stop" and not answer.recognised:
        again, repaired = await _send(prompts.repair(request, reply.text), ids, model, desk, tell)
        asked += replace(again, not_reviewed=(), reasons=())
        if repaired is not None and repaired.finish == "stop":
            reply, answer = repaired, _read(repaired.text, only)
    judged = _judge(answer, ids, reply.model, reply)
    if not judged.not_reviewed and desk.cache is not None:
        desk.cache.put(key, {"text": desk.mask(reply.text), "model": reply.model}, now_s=desk.now_s())
    return asked + judged


async def _send(
    request: Request, ids: Sequence[str], model: Model, desk: Desk, tell: Tell | None
) -> tuple[Asked, Reply | None]:
    """One reply with its cost, or what kept it from coming."""
    if reason := desk.budget.reserve():
        return _unreviewed(ids, reason, "raise the budget, or narrow the review with --paths or --pipeline"), None
    tagged = prompts.with_tag(request, desk.tag)
    try:
        reply = await model.complete(tagged, deadline=desk.budget.deadline, on_tokens=tell)
    except NoReplyError as failure:
        if failure.slug in _HOPELESS:
            desk.dead[model.identity] = failure
        desk.budget.spend(more_requests=max(0, failure.requests - 1), cost_usd=None)
        lost = _unreviewed(ids, failure.message, failure.hint)
        return replace(lost, requests=failure.requests, retries=failure.retries), None
    except LoomError as failure:  # a host that may not be called, offline mode: said once, like any failure
        return _unreviewed(ids, failure.message, failure.hint), None
    cost = reply.cost_usd if reply.cost_usd is not None else model.cost_usd(reply.usage)
    desk.budget.spend(more_requests=max(0, reply.requests - 1), cost_usd=cost)
    return _usage(reply.usage, reply, cost), reply


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


def _from_cache(desk: Desk, key: bytes, only: str | None) -> tuple[Answer, str] | None:
    """A kept answer that still reads as a whole one."""
    entry = desk.cache.get(key, now_s=desk.now_s()) if desk.cache is not None else None
    if entry is None or not isinstance(text := entry.get("text"), str):
        return None
    answer = _read(text, only)
    if not answer.recognised or answer.truncated:
        return None
    return answer, str(entry.get("model", ""))


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
