"""What a server's error means, whatever words it uses: the words of a dozen vendors as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loom.infra.retry import asked_wait_s
from loom.llm.wire import Failure, FailureKind, as_dict

# The prompt does not fit. OpenAI and most compatibles: "maximum context length is N tokens", context_length_exceeded;
# llama.cpp: exceed_context_size_error; Anthropic: "prompt is too long: N tokens > M maximum"; Gemini: "The input token
# count (N) exceeds the maximum number of tokens allowed (M)"; Groq and OpenAI for a request over the allowance of a
# minute, which no waiting makes fit: "Request too large for model …"; Bedrock: "Input is too long".
_CONTEXT = (
    "context_length_exceeded", "exceed_context_size", "maximum context length", "prompt is too long",
    "exceeds the maximum number of tokens", "input token count", "request too large", "input is too long",
    "context window", "context length", "context size", "request_too_large", "model_max_prompt_tokens_exceeded",
)  # fmt: skip

# Waiting does not help: money or a daily allowance. Anthropic: details.error_code enforced_spend_limit_reached; OpenAI:
# insufficient_quota, organization_usage_limit_exceeded; Gemini: quotaId …PerDay…; DeepSeek: "Insufficient Balance".
# "billing" alone would not do: OpenAI's ordinary rate limit links to the billing page.
_QUOTA = (
    "insufficient_quota", "insufficient balance", "credit balance", "billing_error", "billing_not_active",
    "billing hard limit", "spend_limit", "spend limit", "usage_limit_exceeded", "perday", "per day", "payment required",
)  # fmt: skip

# A filter in front of the model. Azure: code content_filter; OpenAI: content_policy_violation.
_BLOCKED = ("content_filter", "content_policy_violation", "content management policy", "responsibleaipolicyviolation")

_AUTH = ("invalid_api_key", "api_key_invalid", "incorrect api key", "authentication_error", "permission_error")
_NOT_FOUND = ("model_not_found", "does not exist", "not_found_error", "unknown model", "no such model")


def read(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure in an answer with a status of 400 or more."""
    return of_document(status, _document(body), headers=headers)


def of_document(status: int, document: object, *, headers: Mapping[str, str] | None = None) -> Failure:
    """The failure in a decoded error document; also for one that came inside a stream."""
    error = _error(document)
    message = _message(error) or (document if isinstance(document, str) else "")
    everything = json.dumps(error, ensure_ascii=False).lower() if error else message.lower()
    status = _status(status, error)
    return Failure(
        kind=kind_of(status, everything),
        status=status,
        message=message,
        field=_text(error.get("param")),
        after_s=asked_wait_s(headers or {}) if asked_wait_s(headers or {}) is not None else _retry_info_s(error),
    )


def kind_of(status: int, text: str) -> FailureKind:
    """The kind of failure, from the status and the lower-cased text of the error."""
    if any(w in text for w in _BLOCKED) and status in (400, 403, 422):
        return "blocked"
    if status == 413 or (status in (400, 422, 429, 500) and any(w in text for w in _CONTEXT)):
        return "context"
    if status == 402 or (status in (400, 403, 429) and any(w in text for w in _QUOTA)):
        return "quota"
    if status in (401, 403) or (status == 400 and any(w in text for w in _AUTH)):
        return "auth"
    if status == 429:
        return "rate"
    if status == 404 or (status == 400 and any(w in text for w in _NOT_FOUND)):
        return "not-found"
    return "server" if status >= 500 or status in (408, 409, 425) else "bad-request"


def _document(body: bytes) -> object:
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else text


def _error(document: object) -> dict[str, Any]:
    """The object with the error, wherever it is: {"error": {…}}, [{"error": …}], {"message": …}, {"detail": …}."""
    if isinstance(document, list):
        document = document[0] if document else {}
    outer = as_dict(document)
    inner = outer.get("error")
    if isinstance(inner, dict):
        # OpenRouter keeps the upstream's own words in metadata.raw; they name the field.
        raw = _text(as_dict(inner.get("metadata")).get("raw"))
        return {**inner, "message": f"{_message(inner)}: {raw}"} if raw else inner
    return {**outer, "message": inner} if isinstance(inner, str) else outer


def _message(error: Mapping[str, Any]) -> str:
    for key in ("message", "detail", "error", "msg"):
        value = error.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list):  # FastAPI's 422: [{"loc": [...], "msg": "...", "input": <what we sent>}]
            parts = [
                f"{'.'.join(map(str, e.get('loc', ())))}: {e.get('msg', '')}" for e in value if isinstance(e, dict)
            ]
            return "; ".join(parts)
    return ""


_STATUS_OF_TYPE = {
    "overloaded_error": 529, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "billing_error": 402,
    "authentication_error": 401, "permission_error": 403, "not_found_error": 404, "invalid_request_error": 400,
    "rate_limit_exceeded": 429, "server_error": 500,
}  # fmt: skip


def _status(status: int, error: Mapping[str, Any]) -> int:
    """The status; inside a stream, where HTTP said 200, the one that the error itself gives or implies."""
    if status >= 400:
        return status
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return code
    return _STATUS_OF_TYPE.get(str(error.get("type")), _STATUS_OF_TYPE.get(str(code), 500))


def _retry_info_s(error: Mapping[str, Any]) -> float | None:
    """Gemini: `details: [{"@type": "…RetryInfo", "retryDelay": "17s"}]` in place of a header."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = as_dict(detail).get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                return float(delay[:-1])
            except ValueError:
                return None
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
