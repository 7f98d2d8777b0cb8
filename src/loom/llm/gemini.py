"""Google's Gemini API, generateContent. https://ai.google.dev/api/generate-content"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

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

# https://ai.google.dev/api/generate-content#FinishReason. RECITATION is a risk when licensed code is quoted.
_FINISH: Mapping[str, Finish] = {
    "STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length",
    "SAFETY": "blocked", "RECITATION": "blocked", "LANGUAGE": "blocked", "BLOCKLIST": "blocked",
    "PROHIBITED_CONTENT": "blocked", "SPII": "blocked", "IMAGE_SAFETY": "blocked", "OTHER": "blocked",
    "MALFORMED_FUNCTION_CALL": "length", "MALFORMED_RESPONSE": "length",
}  # fmt: skip

_RULES = (
    FieldRule("temperature", ("temperature",)),
    FieldRule("thinking", ("thinking",)),
    FieldRule("safety", ("safety_settings", "safetysettings", "safety setting", "block_none")),
    FieldRule("max_tokens", ("max_output_tokens", "maxoutputtokens")),
    FieldRule(
        "schema",
        ("response_json_schema", "responsejsonschema", "response_schema", "responseschema", "response_mime_type",
         "responsemimetype", "json mode", "schema"),
    ),
    # Gemma on this API: "Developer instruction is not enabled for models/gemma-…".
    FieldRule("system", ("developer instruction", "system instruction", "system_instruction")),
)  # fmt: skip

# Google's own mapping for its OpenAI-compatible surface: https://ai.google.dev/gemini-api/docs/openai#thinking
_BUDGETS = {"low": 1024, "medium": 8192, "high": 24576}


@dataclass(frozen=True, slots=True)
class Gemini:
    """See wire.Wire."""

    target: Target
    framing: Literal["sse"] = "sse"
    rules: tuple[FieldRule, ...] = _RULES

    def headers(self) -> dict[str, str]:
        """See wire.Wire. The key goes into a header, never into the query, where logs would keep it."""
        headers = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
        if self.target.key is not None:
            headers["x-goog-api-key"] = self.target.key.value
        return headers | dict(self.target.headers)

    def call(self, request: Request, traits: Traits) -> Call:
        """See wire.Wire."""
        system, user = with_schema_in_words(request, traits), user_text(request)
        config: Json = {"maxOutputTokens": output_limit(request, traits)}
        if request.temperature is not None and traits.takes("temperature"):
            config["temperature"] = request.temperature
        if request.schema is not None and traits.schema != "prompt":
            config["responseMimeType"] = "application/json"
            if traits.schema == "json_schema":
                config["responseJsonSchema"] = dict(request.schema)
        if request.reasoning_effort is not None and traits.takes("thinking"):
            config["thinkingConfig"] = self._thinking(request.reasoning_effort)
        body: Json = {"contents": [_content(user, role="user")], "generationConfig": config}
        if traits.takes("system"):
            body["systemInstruction"] = _content(system)
        else:
            body["contents"] = [_content(f"{system}\n\n{user}", role="user")]
        if traits.takes("safety"):
            # A review quotes exploits in order to warn of them.
            body["safetySettings"] = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "BLOCK_NONE"}]
        return Call(url=self._url(), headers=self.headers(), body=body)

    def feed(self, draft: Draft, event: Event) -> None:
        """See wire.Wire. A whole answer is one chunk; without `alt=sse` it is a list of them."""
        document = decoded(event)
        for chunk in document if isinstance(document, list) else [document]:
            self._take(draft, as_dict(chunk))

    def _take(self, draft: Draft, chunk: Json) -> None:
        if "error" in chunk:
            draft.failure = failures.of_document(200, chunk)
            return
        if not chunk:
            raise ValueError("not a GenerateContentResponse")
        draft.model = str(chunk.get("modelVersion") or draft.model)
        if usage := as_dict(chunk.get("usageMetadata")):
            draft.usage = _usage(usage)
        blocked = as_dict(chunk.get("promptFeedback")).get("blockReason")
        if blocked:
            draft.finish, draft.detail = "blocked", str(blocked)
        candidate = first(chunk.get("candidates"))
        for part in as_dict(candidate.get("content")).get("parts") or ():
            piece = as_dict(part)
            (draft.think if piece.get("thought") else draft.say)(piece.get("text"))
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and reason != "FINISH_REASON_UNSPECIFIED":
            draft.finish = _FINISH.get(reason, "blocked")
            if draft.finish != "stop":
                draft.detail = ": ".join(str(p) for p in (reason, candidate.get("finishMessage")) if p)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """See wire.Wire."""
        return failures.read(status, headers, body)

    def settle(self, draft: Draft, input_estimate: int) -> None:
        """See wire.Wire."""

    def _thinking(self, effort: str) -> Json:
        if "gemini-2" in self.target.model:
            return {"thinkingBudget": _BUDGETS.get(effort, -1)}
        return {"thinkingLevel": effort.upper()}

    def _url(self) -> str:
        model = quote(self.target.model.removeprefix("models/"), safe="-._~@")
        base = self.target.base_url.partition("?")[0].rstrip("/")
        prefix = "" if base.endswith(("/v1beta", "/v1", "/v1alpha")) else "/v1beta"
        url = self.target.url(f"{prefix}/models/{model}:streamGenerateContent")
        return f"{url}{'&' if '?' in url else '?'}alt=sse"


def _content(text: str, *, role: str | None = None) -> Json:
    return ({"role": role} if role else {}) | {"parts": [{"text": text}]}


def _usage(usage: Json) -> TokenUsage:
    """The prompt's count includes what was cached; the candidates' leaves the thoughts out, which are billed too."""
    thoughts = count(usage.get("thoughtsTokenCount"))
    return TokenUsage(
        input_tokens=count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount")),
        cached_tokens=count(usage.get("cachedContentTokenCount")),
        output_tokens=count(usage.get("candidatesTokenCount")) + thoughts,
        reasoning_tokens=thoughts,
    )
