"""Anthropic's Messages API. https://platform.claude.com/docs/en/api/messages"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from loom.infra.streams import Event
from loom.llm import failures
from loom.llm.base import Finish, Request, TokenUsage
from loom.llm.wire import (
    Call,
    Draft,
    Failure,
    FieldRule,
    Json,
    Target,
    Traits,
    as_dict,
    count,
    decoded,
    output_limit,
    with_schema_in_words,
)

# Not 2026-10-21, although it is the SDK's default since 2.0: all it changes for us is that a temperature becomes an
# error for models that still take one, while gateways that speak this format (LiteLLM, llama.cpp) know only this one.
# https://platform.claude.com/docs/en/api/versioning
_VERSION = "2023-06-01"

# https://platform.claude.com/docs/en/api/handling-stop-reasons
_FINISH: Mapping[str, Finish] = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "stop",
    "max_tokens": "length", "pause_turn": "length",
    "refusal": "refusal",
    "model_context_window_exceeded": "length",  # the answer, not the prompt, ran into the end of the window
}  # fmt: skip

_RULES = (
    FieldRule("temperature", ("temperature",)),
    FieldRule("effort", ("effort",)),
    FieldRule("cache_control", ("cache_control",)),
    FieldRule("max_tokens", ("max_tokens",)),
    # "schema is too complex", "compiled grammar is too large", "output_config: Extra inputs are not permitted".
    FieldRule("schema", ("output_config", "output_format", "schema", "grammar", "structured output")),
)

_CACHED = {"type": "ephemeral"}


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """See wire.Wire."""

    target: Target
    framing: Literal["sse"] = "sse"
    rules: tuple[FieldRule, ...] = _RULES

    def headers(self) -> dict[str, str]:
        """See wire.Wire."""
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
            "anthropic-version": _VERSION,
        }
        if self.target.key is not None:
            headers["x-api-key"] = self.target.key.value
        return headers | dict(self.target.headers)

    def call(self, request: Request, traits: Traits) -> Call:
        """See wire.Wire. Two cache breakpoints: after the rules and after the context."""
        cached = traits.takes("cache_control")
        content = [_block(request.context, cached=cached)] if request.context else []
        body: Json = {
            "model": self.target.model,
            "max_tokens": output_limit(request, traits),
            "system": [_block(with_schema_in_words(request, traits), cached=cached)],
            "messages": [{"role": "user", "content": [*content, _block(request.prompt, cached=False)]}],
            "stream": True,
        }
        if request.temperature is not None and traits.takes("temperature"):
            body["temperature"] = request.temperature
        config: Json = {}
        if request.reasoning_effort is not None and traits.takes("effort"):
            config["effort"] = request.reasoning_effort
        if request.schema is not None and traits.schema == "json_schema":
            config["format"] = {"type": "json_schema", "schema": dict(request.schema)}
        if config:
            body["output_config"] = config
        return Call(url=self._url(), headers=self.headers(), body=body)

    def feed(self, draft: Draft, event: Event) -> None:
        """See wire.Wire. A whole message is read too."""
        data = as_dict(decoded(event))
        match data.get("type"):
            case "message_start":
                _begin(draft, as_dict(data.get("message")))
            case "content_block_start":
                draft.say(as_dict(data.get("content_block")).get("text"))
            case "content_block_delta":
                delta = as_dict(data.get("delta"))
                draft.say(delta.get("text"))
                draft.think(delta.get("thinking"))
            case "message_delta":
                _end(draft, as_dict(data.get("delta")), data.get("usage"))
            case "message":
                _begin(draft, data)
                for block in data.get("content") or ():
                    draft.say(as_dict(block).get("text"))
                _end(draft, data, None)
            case "error":
                draft.failure = failures.of_document(200, data)
            case str():
                pass  # ping, content_block_stop, message_stop, and what may be added later
            case _:
                raise ValueError("not an event of the Messages API")

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """See wire.Wire."""
        return failures.read(status, headers, body)

    def settle(self, draft: Draft, input_estimate: int) -> None:
        """See wire.Wire."""

    def _url(self) -> str:
        base = self.target.base_url.partition("?")[0].rstrip("/")
        return self.target.url("/messages" if base.endswith(("/v1", "/messages")) else "/v1/messages")


def _block(text: str, *, cached: bool) -> Json:
    return {"type": "text", "text": text} | ({"cache_control": _CACHED} if cached else {})


def _begin(draft: Draft, message: Json) -> None:
    draft.model = str(message.get("model") or draft.model)
    usage = as_dict(message.get("usage"))
    if usage:
        draft.usage = _usage(usage)


def _usage(usage: Json) -> TokenUsage:
    """`input_tokens` counts only what came neither from the cache nor went into it."""
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    return TokenUsage(
        input_tokens=count(usage.get("input_tokens")) + read + written,
        cached_tokens=read,
        cache_write_tokens=written,
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(as_dict(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def _end(draft: Draft, delta: Json, usage: object) -> None:
    reason = delta.get("stop_reason")
    if isinstance(reason, str):
        draft.finish = _FINISH.get(reason, "stop")
        details = as_dict(delta.get("stop_details"))
        draft.detail = ": ".join(str(details[k]) for k in ("category", "explanation") if details.get(k))
    final = as_dict(usage)
    if not final:
        return
    # Cumulative; the input figures are repeated by some servers and left out by others.
    late = _usage(final)
    known = draft.usage or late
    draft.usage = replace(
        late if late.input_tokens >= known.input_tokens else known,
        output_tokens=late.output_tokens,
        reasoning_tokens=late.reasoning_tokens,
    )
