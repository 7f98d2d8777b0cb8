"""Ollama's own API. Its OpenAI-compatible one cannot set the context window. https://docs.ollama.com/api"""

from __future__ import annotations

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
    output_limit,
    user_text,
    with_schema_in_words,
)

_FINISH: Mapping[str, Finish] = {"stop": "stop", "length": "length"}

_RULES = (
    FieldRule("think", ("does not support thinking", "think value", '"think"')),
    FieldRule("truncate", ("truncate",)),
    FieldRule("temperature", ("temperature",)),
    FieldRule("schema", ("format", "schema", "grammar")),
)

# Below this a chat template or a wrong estimate weighs too much to tell anything.
_CHECK_FROM = 1000
# The estimate is within 12 % for nine diffs in ten; a prompt that was cut lost far more than a third.
_SEEN_AT_LEAST = 0.7


@dataclass(frozen=True, slots=True)
class Ollama:
    """See wire.Wire."""

    target: Target
    framing: Literal["ndjson"] = "ndjson"
    rules: tuple[FieldRule, ...] = _RULES

    def headers(self) -> dict[str, str]:
        """See wire.Wire."""
        headers = {"content-type": "application/json"}
        if self.target.key is not None:
            headers["authorization"] = f"Bearer {self.target.key.value}"
        return headers | dict(self.target.headers)

    def call(self, request: Request, traits: Traits) -> Call:
        """See wire.Wire. `num_ctx` is the same for all requests of a run: changing it reloads the model."""
        options: Json = {"num_ctx": traits.window, "num_predict": output_limit(request, traits)}
        if request.temperature is not None and traits.takes("temperature"):
            options["temperature"] = request.temperature
        body: Json = {
            "model": self.target.model,
            "messages": [
                {"role": "system", "content": with_schema_in_words(request, traits)},
                {"role": "user", "content": user_text(request)},
            ],
            "stream": True,
            "options": options,
        }
        if traits.takes("truncate"):
            body["truncate"] = False
        if traits.takes("think"):
            body["think"] = self._think(request.reasoning_effort)
        if request.schema is not None and traits.schema != "prompt":
            body["format"] = dict(request.schema) if traits.schema == "json_schema" else "json"
        return Call(url=self.url("/api/chat"), headers=self.headers(), body=body)

    def url(self, path: str) -> str:
        """The address of an endpoint; a base_url meant for the OpenAI-compatible API does too."""
        base = self.target.base_url.partition("?")[0].rstrip("/")
        return base.removesuffix("/v1").removesuffix("/api") + path

    def feed(self, draft: Draft, event: Event) -> None:
        """See wire.Wire."""
        chunk = as_dict(decoded(event))
        if isinstance(error := chunk.get("error"), str):
            draft.failure = failures.of_document(200, {"error": error})
            return
        if "message" not in chunk and "done" not in chunk:
            raise ValueError("not a chat response")
        draft.model = str(chunk.get("model") or draft.model)
        message = as_dict(chunk.get("message"))
        draft.say(message.get("content"))
        draft.think(message.get("thinking"))
        if chunk.get("done") is True:
            draft.finish = _FINISH.get(str(chunk.get("done_reason") or "stop"), "stop")
            if "eval_count" in chunk or "prompt_eval_count" in chunk:
                draft.usage = TokenUsage(
                    input_tokens=count(chunk.get("prompt_eval_count")), output_tokens=count(chunk.get("eval_count"))
                )

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """See wire.Wire."""
        return failures.read(status, headers, body)

    def settle(self, draft: Draft, input_estimate: int) -> None:
        """Several of its engines cut a prompt that is too long and answer 200 (ollama/ollama#17889): an answer to a
        prompt that was not read whole is none."""
        seen = draft.usage.input_tokens if draft.usage else 0
        if draft.finish == "stop" and input_estimate >= _CHECK_FROM and 0 < seen < _SEEN_AT_LEAST * input_estimate:
            draft.finish = "context"
            draft.detail = f"the server read {seen} tokens of a prompt of about {input_estimate}"

    def _think(self, effort: str | None) -> bool | str:
        if "gpt-oss" in self.target.model:
            return effort or "low"  # takes levels, and cannot be told not to think
        return effort is not None
