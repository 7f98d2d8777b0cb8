"""A model over HTTP, whatever its wire format: send, read the stream, adapt to what the server refuses, retry what may
go better, and say in our words why there is no reply."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from loom.core import prices, tokens
from loom.core.errors import LoomError, TrustError
from loom.infra import streams
from loom.infra.net import Answer, NetError, Network
from loom.infra.ratelimit import Gate, WouldMissDeadlineError
from loom.infra.retry import RetryableError, is_transient, retrying
from loom.llm import windows
from loom.llm.base import NoReplyError, OnTokens, Reply, Request, Settings, TokenUsage
from loom.llm.wire import MAX_TEXT, Draft, Failure, Traits, Wire, adapted

DEFAULT_WINDOW = 32_768
# Each adaptation takes one field away for the whole run; no server refuses more than this.
_MAX_ADAPTATIONS = 6
# After this many calls that used up their retries, later ones get one try each until one succeeds.
_STRIKES = 2
_PREPARE_S = 3.0
# Long enough for every vendor's sentence, too short to carry a file.
_MAX_SERVER_TEXT = 300
# A server's text is cut where it repeats this much of the prompt: prompts must not end up in logs.
_ECHO = 24


@dataclass(slots=True)
class Learned:
    """What a run learns about one model on one host; shared by all configurations that name it."""

    traits: Traits
    gate: Gate
    window: int | None = None
    strikes: int = 0


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    retries: int = 0

    def retried(self) -> None:
        self.retries += 1


class HttpModel:
    """base.Model for every wire format."""

    def __init__(
        self,
        wire: Wire,
        settings: Settings,
        *,
        network: Network,
        learned: Learned,
        no_key: NoReplyError | None = None,
        memory: windows.Memory | None = None,
    ) -> None:
        self._wire = wire
        self._settings = settings
        self._network = network
        self._learned = learned
        self._no_key = no_key
        self._memory = memory or windows.Forgetful()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity}>"

    @functools.cached_property
    def identity(self) -> str:
        """See base.Model."""
        target, settings = self._wire.target, self._settings
        place = target.base_url.partition("?")[0].partition("://")[2]
        sampling = {"temperature": settings.temperature, "effort": settings.reasoning_effort}
        extra = "".join(f" {name}={value}" for name, value in sampling.items() if value is not None)
        return f"{target.endpoint.name} {place} {target.model}{extra}"

    @property
    def context_window(self) -> int:
        """See base.Model."""
        endpoint = self._wire.target.endpoint
        return (
            self._settings.context_window
            or self._learned.window
            or prices.window(endpoint.name, self._wire.target.model)
            or endpoint.window
            or DEFAULT_WINDOW
        )

    @property
    def max_concurrency(self) -> int:
        """See base.Model."""
        return self._learned.gate.concurrency

    @property
    def token_family(self) -> str:
        """See base.Model."""
        return tokens.family_of(self._wire.target.model)

    @property
    def obstacle(self) -> NoReplyError | None:
        """See base.Model."""
        return self._no_key

    def cost_usd(self, usage: TokenUsage) -> float | None:
        """See base.Model."""
        own = self._settings.price
        if own is not None:
            rate = prices.Rate(input=own.input, output=own.output, cached_input=own.cached_input)
            return prices.at_rate(rate, usage)
        target = self._wire.target
        known = prices.cost_usd(target.endpoint.name, target.model, usage)
        return 0.0 if known is None and windows.is_local(target) else known

    async def prepare(self, *, deadline: float) -> None:
        """See base.Model."""
        target = self._wire.target
        known = self._settings.context_window or self._learned.window
        if known or prices.window(target.endpoint.name, target.model) or target.endpoint.window or self._no_key:
            return
        if (said := self._memory.recall(self.identity)) is not None:
            self._learned.window = said or None
            return
        remaining = min(_PREPARE_S, deadline - self._network.policy.clock())
        with contextlib.suppress(TimeoutError, LoomError, ValueError):
            async with asyncio.timeout(max(0.0, remaining)):
                self._learned.window = await windows.ask(target, self._wire.headers(), self._network)
                self._memory.remember(self.identity, self._learned.window or 0)

    async def complete(self, request: Request, *, deadline: float, on_tokens: OnTokens | None = None) -> Reply:
        """See base.Model."""
        if self._no_key is not None:
            raise self._no_key
        clock, tally = self._network.policy.clock, _Tally()
        ask = functools.partial(self._attempt, self._resolved(request), tally, deadline, on_tokens)
        policy = self._network.policy
        if self._learned.strikes >= _STRIKES:
            policy = replace(policy, retries=0)
        try:
            async with asyncio.timeout(max(0.0, deadline - clock())):
                reply = await retrying(ask, policy=policy, deadline=deadline, on_retry=tally.retried)
        except TimeoutError as error:
            raise self._failed("no time was left", "model-timeout", _HINT_TIME, tally) from error
        except WouldMissDeadlineError as error:
            raise self._failed("its rate limit leaves no time", "model-timeout", _HINT_TIME, tally) from error
        except NoReplyError as error:
            if error.slug in ("model-unreachable", "model-server"):
                self._learned.strikes += 1
            error.requests, error.retries = tally.requests, tally.retries
            raise
        self._learned.strikes = 0
        return replace(reply, requests=tally.requests, retries=tally.retries)

    async def aclose(self) -> None:
        """Nothing of its own: the connections belong to the Network."""

    def _resolved(self, request: Request) -> Request:
        """The request with the settings filled in where it says nothing."""
        settings = self._settings
        return replace(
            request,
            max_tokens=min(request.max_tokens or settings.max_tokens, settings.max_tokens),
            temperature=settings.temperature if request.temperature is None else request.temperature,
            reasoning_effort=request.reasoning_effort or settings.reasoning_effort,
        )

    async def _attempt(self, request: Request, tally: _Tally, deadline: float, on_tokens: OnTokens | None) -> Reply:
        """One try: one exchange, or several when the server refuses fields that can be left out."""
        left = _MAX_ADAPTATIONS
        while True:
            seen, outcome = await self._exchange(request, tally, deadline, on_tokens)
            if isinstance(outcome, Reply):
                return outcome
            changed = adapted(seen, outcome, self._wire.rules, request)
            if changed is None or left == 0:
                return self._unanswered(outcome, request)
            left -= 1
            if self._learned.traits is seen:  # else another request has adapted meanwhile
                self._learned.traits = changed

    async def _exchange(
        self, request: Request, tally: _Tally, deadline: float, on_tokens: OnTokens | None
    ) -> tuple[Traits, Reply | Failure]:
        """What the server was taken to accept, and what came of it."""
        estimate = self._estimate(request)
        gate = self._learned.gate
        async with gate.slot(estimate + (request.max_tokens or 0), deadline) as started:
            traits = self._learned.traits  # as known now: others may have learnt while this one waited for its turn
            call = self._wire.call(request, replace(traits, window=self.context_window))
            tally.requests += 1
            try:
                async with self._network.exchange(
                    "POST", call.url, headers=call.headers, body=call.encoded(), idle_s=self._idle_s
                ) as answer:
                    outcome = await self._read(answer, on_tokens)
            except NetError as error:
                self._broken(error)
            except TrustError as error:
                raise NoReplyError(error.message, hint=error.hint, slug="model-unreachable") from error
            gate.heed(answer.headers)
            if isinstance(outcome, Failure):
                if outcome.kind == "rate":
                    gate.throttled(started, outcome.after_s)
                may_pass = outcome.kind in ("rate", "server") and is_transient(outcome.status, answer.headers)
                return traits, replace(outcome, retry=may_pass)
            gate.succeeded()
        return traits, self._reply(outcome, request, estimate)

    @property
    def _idle_s(self) -> float:
        return self._settings.timeout or (600.0 if windows.is_local(self._wire.target) else 120.0)

    def _estimate(self, request: Request) -> int:
        # Without the schema: hosts that enforce one do not read it as a part of the prompt.
        family = self.token_family
        return sum(tokens.estimate(t, family) for t in (request.system, request.context, request.prompt))

    async def _read(self, answer: Answer, on_tokens: OnTokens | None) -> Draft | Failure:
        """The draft of a good answer, or the failure of a bad one. Raises RetryableError for a stream that is garbage
        or ends early."""
        if answer.status >= 400:
            return self._wire.failure(answer.status, answer.headers, await answer.body())
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise self._failed("the address answers with a web page, not as a model", "model-bad-request", _HINT_URL)
        draft = Draft()
        source = _whole(answer) if kind == "application/json" else self._events(answer)
        try:
            async for event in source:
                self._wire.feed(draft, event)
                if on_tokens is not None:
                    on_tokens(draft.heard)
                if draft.failure is not None:
                    return draft.failure
                if draft.size > MAX_TEXT:
                    raise self._failed("it does not stop writing", "model-server", "try another model")
        except ValueError as error:
            self._retry(f"it sent something that is not its protocol ({type(error).__name__})", "model-server", error)
        except NetError as error:
            if draft.finish is None:  # an end that was announced before the connection broke is a good end
                raise error
        if draft.finish is None:
            self._retry("its answer broke off", "model-server", None)
        return draft

    def _events(self, answer: Answer) -> AsyncIterator[streams.Event]:
        read = streams.events if self._wire.framing == "sse" else streams.ndjson
        return read(answer.chunks())

    def _reply(self, draft: Draft, request: Request, estimate: int) -> Reply:
        self._wire.settle(draft, estimate)
        text = draft.text
        usage = draft.usage or TokenUsage(
            input_tokens=estimate, output_tokens=tokens.estimate(text, self.token_family), estimated=True
        )
        return Reply(
            text=text,
            finish=draft.finish or "stop",
            usage=usage,
            model=draft.model or self._wire.target.model,
            detail=self._clean(draft.detail, request),
            cost_usd=draft.cost_usd,
        )

    def _unanswered(self, failure: Failure, request: Request) -> Reply:
        """A reply for what splitting the prompt or another model can mend; an error for the rest."""
        words = self._clean(failure.message, request)
        if failure.kind in ("context", "blocked"):
            finish = failure.kind
            return Reply(text="", finish=finish, usage=TokenUsage(), model=self._wire.target.model, detail=words)
        target = self._wire.target
        slug, hint = _SLUGS[failure.kind]
        variable = self._settings.api_key_env or next(iter(target.endpoint.key_env), "the variable of api_key_env")
        hint = hint.format(variable=variable, model=target.model)
        if failure.kind == "not-found" and target.endpoint.provider == "ollama":
            hint = f"run: ollama pull {target.model}"
        said = f"HTTP {failure.status}" + (f": {words}" if words else "")
        error = self._failed(said, slug, hint)
        if failure.retry:
            raise RetryableError(error, after_s=failure.after_s)
        raise error

    def _broken(self, error: NetError) -> NoReturn:
        """Below HTTP something went wrong."""
        slug = {"timeout": "model-timeout", "broken": "model-server", "too-large": "model-server"}.get(error.kind)
        slug = slug or ("model-bad-request" if error.kind == "url" else "model-unreachable")
        ours = NoReplyError(error.message, hint=error.hint, slug=slug)
        # A local server that was silent for ten minutes will be so for ten more; one that is not running stays so.
        if error.transient and not (error.kind in ("timeout", "connect") and windows.is_local(self._wire.target)):
            raise RetryableError(ours) from error
        raise ours from error

    def _retry(self, what: str, slug: str, cause: Exception | None) -> NoReturn:
        raise RetryableError(self._failed(what, slug, "try again, or set a fallback model")) from cause

    def _failed(self, what: str, slug: str, hint: str, tally: _Tally | None = None) -> NoReplyError:
        tally = tally or _Tally()
        name = f"model {self._wire.target.model}"
        return NoReplyError(f"{name}: {what}", hint=hint, slug=slug, requests=tally.requests, retries=tally.retries)

    def _clean(self, text: str, request: Request) -> str:
        """A server's words for a message: one line, short, without our key and without our prompt."""
        target = self._wire.target
        secrets = [target.key.value] if target.key else []
        secrets += [value for value in target.headers.values() if len(value) >= 8]
        for secret in secrets:
            text = text.replace(secret, "[key]")
        text = " ".join(text.split())
        sent = " ".join(f"{request.system} {request.context} {request.prompt}".split())
        text = _without_echo(text[: _MAX_SERVER_TEXT * 2], sent)
        return text if len(text) <= _MAX_SERVER_TEXT else text[: _MAX_SERVER_TEXT - 1] + "…"


_HINT_TIME = "raise --max-seconds (budget.max_seconds) or requests_per_minute, or review less at once"
_HINT_URL = "check base_url: it usually ends with /v1"

_SLUGS: Mapping[str, tuple[str, str]] = {
    "auth": ("model-auth", "check the key in {variable} and that it may use {model}"),
    "not-found": ("model-not-found", "check `model` and `base_url`: the host does not know {model} at this address"),
    "quota": ("model-quota", "the account behind {variable} has no allowance left; top it up or set a fallback model"),
    "rate": ("model-rate-limit", "lower requests_per_minute, tokens_per_minute or max_concurrency of the model"),
    "server": ("model-server", "try again later, or set a fallback model"),
    "bad-request": ("model-bad-request", "check the model's settings: `loom config show`, `loom doctor`"),
}


async def _whole(answer: Answer) -> AsyncIterator[streams.Event]:
    """An answer that was not streamed although we asked for it: one event, or several when it is lines after all."""
    body = (await answer.body(streams.MAX_STREAM)).decode("utf-8", "replace")
    try:
        json.loads(body)
    except ValueError:
        for line in body.splitlines():
            if line.strip():
                yield streams.Event("message", line.removeprefix("data:").strip())
        return
    yield streams.Event("message", body)


def _without_echo(text: str, sent: str) -> str:
    """`text` up to where it starts to repeat what we sent."""
    for start in range(max(0, len(text) - _ECHO + 1)):
        if text[start : start + _ECHO] in sent:
            return text[:start].rstrip() + " […]"
    return text
