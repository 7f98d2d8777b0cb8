"""OpenAI's Chat Completions, and everything that speaks it. https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
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
    first,
    output_limit,
    user_text,
    with_schema_in_words,
)

# https://platform.openai.com/docs/api-reference/chat/object; "eos", "max_tokens", "model_length" are others' words.
_FINISH: Mapping[str, Finish] = {
    "stop": "stop", "eos": "stop", "tool_calls": "stop", "function_call": "stop",
    "length": "length", "max_tokens": "length", "model_length": "length",
    "content_filter": "blocked", "safety": "blocked", "recitation": "blocked",
}  # fmt: skip

_RULES = (
    FieldRule("temperature", ("temperature",)),
    FieldRule("reasoning_effort", ("reasoning_effort", "reasoning effort", "reasoning.effort")),
    FieldRule("stream_options", ("stream_options", "include_usage")),
    FieldRule("prompt_cache_key", ("prompt_cache_key",)),
    FieldRule("max_tokens", ("max_tokens", "max_completion_tokens", "max tokens")),
    # Groq: "does not support response format `json_schema`"; DeepSeek: "This response_format type is unavailable now";
    # llama.cpp: "Failed to parse grammar"; OpenAI: "Invalid schema for response_format"; OpenRouter with
    # require_parameters: 404 "No endpoints found that can handle the requested parameters".
    FieldRule(
        "schema",
        ("response_format", "response format", "json_schema", "json_object", "json schema", "json mode", "grammar",
         "structured output", "requested parameters", "guided"),
    ),
    # Gemma's and old Mistral's chat templates.
    FieldRule("system", ("system role", "role system", "system message", "conversation roles must alternate")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """See wire.Wire."""

    target: Target
    framing: Literal["sse"] = "sse"
    rules: tuple[FieldRule, ...] = _RULES

    def headers(self) -> dict[str, str]:
        """See wire.Wire."""
        headers = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
        key, name = self.target.key, self.target.endpoint.key_header
        if key is not None:
            headers[name] = f"Bearer {key.value}" if name == "authorization" else key.value
        return headers | dict(self.target.headers)

    def call(self, request: Request, traits: Traits) -> Call:
        """See wire.Wire."""
        endpoint = self.target.endpoint
        body: Json = {"model": self.target.model, "messages": _messages(request, traits), "stream": True}
        if traits.takes("stream_options"):
            body["stream_options"] = {"include_usage": True}
        if traits.takes(traits.max_field):
            body[traits.max_field] = output_limit(request, traits)
        if request.temperature is not None and traits.takes("temperature"):
            body["temperature"] = request.temperature
        if request.reasoning_effort is not None and traits.takes("reasoning_effort"):
            body["reasoning_effort"] = request.reasoning_effort
        if traits.takes("prompt_cache_key"):
            body["prompt_cache_key"] = _cache_key(request)
        if request.schema is not None and traits.schema != "prompt":
            body["response_format"] = _response_format(request, traits)
            body |= dict(endpoint.extra)
        return Call(url=self.target.url("/chat/completions"), headers=self.headers(), body=body)

    def feed(self, draft: Draft, event: Event) -> None:
        """See wire.Wire. A whole answer (`message` in place of `delta`) is read too: some proxies do not stream."""
        if event.data.strip() == "[DONE]":
            if draft.finish is None and draft.parts:
                draft.finish = "stop"
            return
        document = decoded(event)
        chunk = as_dict(document)
        if error := chunk.get("error"):
            draft.failure = failures.of_document(200, {"error": error})
            return
        if not chunk or isinstance(document, list):
            raise ValueError("not a chat completion")
        if isinstance(model := chunk.get("model"), str):
            draft.model = model
        usage = chunk.get("usage") or as_dict(chunk.get("x_groq")).get("usage")
        if isinstance(usage, dict):
            draft.usage = _usage(usage)
            if isinstance(cost := usage.get("cost"), int | float) and not isinstance(cost, bool):
                draft.cost_usd = float(cost)
        _take_choice(draft, first(chunk.get("choices")))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """See wire.Wire."""
        return failures.read(status, headers, body)

    def settle(self, draft: Draft, input_estimate: int) -> None:
        """See wire.Wire."""


def _messages(request: Request, traits: Traits) -> list[Json]:
    system = with_schema_in_words(request, traits)
    if not traits.takes("system"):
        return [{"role": "user", "content": f"{system}\n\n{user_text(request)}"}]
    return [{"role": "system", "content": system}, {"role": "user", "content": user_text(request)}]


def _response_format(request: Request, traits: Traits) -> Json:
    if traits.schema == "json_object":
        return {"type": "json_object"}
    schema = dict(request.schema or {})
    return {"type": "json_schema", "json_schema": {"name": "review", "strict": True, "schema": schema}}


def _cache_key(request: Request) -> str:
    """The same for all requests with the same stable part: it routes them to the machine that has the prefix cached."""
    stable = f"{request.system}\0{request.context}".encode("utf-8", "replace")
    return "loom:" + hashlib.sha256(stable).hexdigest()[:32]


def _take_choice(draft: Draft, choice: Json) -> None:
    part = as_dict(choice.get("delta")) or as_dict(choice.get("message"))
    content = part.get("content")
    if isinstance(content, list):  # Mistral's reasoning models: [{"type": "thinking", …}, {"type": "text", "text": …}]
        for piece in map(as_dict, content):
            draft.say(piece.get("text"))
    draft.say(content)
    draft.think(part.get("reasoning_content") or part.get("reasoning"))
    if isinstance(refusal := part.get("refusal"), str) and refusal:
        draft.detail += refusal
    reason = choice.get("finish_reason")
    if reason == "error":
        draft.failure = failures.of_document(200, {"error": choice.get("error") or {"message": "the upstream failed"}})
    elif isinstance(reason, str) and reason:
        draft.finish = _FINISH.get(reason.lower(), "stop")
    if draft.detail and draft.finish == "stop":
        draft.finish = "refusal"


def _usage(usage: Json) -> TokenUsage:
    given, spent = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    details = as_dict(usage.get("prompt_tokens_details"))
    cached = count(details.get("cached_tokens")) or count(usage.get("prompt_cache_hit_tokens"))  # the latter: DeepSeek
    reasoning = count(as_dict(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    if reasoning and count(usage.get("total_tokens")) == given + spent + reasoning:
        spent += reasoning  # xAI leaves it out of completion_tokens; OpenAI does not
    return TokenUsage(
        input_tokens=given,
        cached_tokens=cached,
        cache_write_tokens=count(details.get("cache_write_tokens")),
        output_tokens=spent,
        reasoning_tokens=reasoning,
    )
