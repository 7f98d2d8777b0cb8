"""What a model server says in each of the four wire formats: streams, whole answers, errors in the vendors' words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Protocol = Literal["openai", "anthropic", "google", "ollama"]

KINDS = frozenset(
    {
        "rate-limited",  # 429, with `retry_after` as given
        "overloaded",  # 529
        "error",  # `status`, with `message`
        "reset",  # the connection is reset before any answer
        "reset-midway",  # … in the middle of the stream
        "truncated",  # the stream ends politely, too early
        "garbage",  # bytes that are no protocol
        "html",  # 200 and a web page
        "redirect",  # 307 to `message`
        "silent",  # accepts the request and says nothing for `seconds`
        "drip",  # the answer in single characters, `seconds` apart
        "refusal",
        "blocked",
        "length",  # the answer, cut
        "in-stream-error",  # HTTP 200, then an error
        "context-overflow",
        "bad-key",
        "no-model",
        "quota",
        "field-refused",  # 400 that names `message` as the unsupported field
        "not-streamed",  # the whole answer at once, although a stream was asked for
    }
)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong."""

    kind: str
    status: int = 500
    message: str = ""
    retry_after: str | None = None
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.kind in KINDS, f"unknown fault {self.kind}"


@dataclass(frozen=True)
class Answer:
    """A reply with everything that can be said about it."""

    text: str
    finish: str = "stop"
    """stop | length | refusal | blocked"""
    detail: str = ""
    usage: Mapping[str, int] | None = None
    """input, output, cached, written, reasoning; None: counted in words."""
    no_usage: bool = False
    cost: float | None = None
    thinking: str = ""
    chunks: int = 8
    seconds: float = 0.0
    """Between chunks."""
    model: str = "fake-model-1"


Reply = str | dict[str, Any] | list[Any] | Answer | Fault


@dataclass(frozen=True)
class Got:
    """A request, as it arrived."""

    protocol: Protocol
    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    at: float
    """time.monotonic()"""

    @property
    def system(self) -> str:
        """The system text."""
        match self.protocol:
            case "anthropic":
                return "".join(b["text"] for b in self.body["system"])
            case "google":
                return "".join(p["text"] for p in self.body.get("systemInstruction", {}).get("parts", ()))
            case _:
                return "".join(m["content"] for m in self.body["messages"] if m["role"] == "system")

    @property
    def prompt(self) -> str:
        """The user's text, context included."""
        match self.protocol:
            case "anthropic":
                return "\n\n".join(b["text"] for m in self.body["messages"] for b in m["content"])
            case "google":
                return "\n\n".join(p["text"] for c in self.body["contents"] for p in c["parts"])
            case _:
                return "".join(m["content"] for m in self.body["messages"] if m["role"] == "user")


# ---- the four formats


def _pieces(answer: Answer) -> list[str]:
    size = max(1, -(-len(answer.text) // answer.chunks)) if answer.text else 1
    return [answer.text[i : i + size] for i in range(0, len(answer.text), size)]


def _figures(got: Got, answer: Answer) -> dict[str, int]:
    words = len(f"{got.system} {got.prompt}".split())
    given = {"input": words, "output": len(answer.text.split()), "cached": 0, "written": 0, "reasoning": 0}
    return given | dict(answer.usage or {})


def frames(got: Got, answer: Answer) -> Iterator[bytes]:
    match got.protocol:
        case "openai":
            return _openai(got, answer)
        case "anthropic":
            return _anthropic(got, answer)
        case "google":
            return _google(got, answer)
        case "ollama":
            return _ollama(got, answer)


def _openai_usage(got: Got, answer: Answer) -> dict[str, Any]:
    n = _figures(got, answer)
    usage: dict[str, Any] = {
        "prompt_tokens": n["input"],
        "completion_tokens": n["output"],
        "total_tokens": n["input"] + n["output"],
        "prompt_tokens_details": {"cached_tokens": n["cached"], "cache_write_tokens": n["written"]},
        "completion_tokens_details": {"reasoning_tokens": n["reasoning"]},
    }
    if answer.cost is not None:
        usage["cost"] = answer.cost
    return usage


def _openai(got: Got, answer: Answer) -> Iterator[bytes]:
    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        document = {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": answer.model,
            "choices": choices, **more,
        }  # fmt: skip
        return b"data: " + json.dumps(document).encode() + b"\n\n"

    def delta(content: dict[str, Any], finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": content, "finish_reason": finish}])

    yield b": keep-alive\n\n"
    yield chunk([], prompt_filter_results=[])  # Azure begins like this
    yield delta({"role": "assistant", "content": ""})
    if answer.thinking:
        yield delta({"reasoning_content": answer.thinking})
    if answer.finish == "refusal":
        yield delta({"refusal": answer.detail or "I cannot help with that."})
    for piece in _pieces(answer):
        yield delta({"content": piece})
    finish = {"stop": "stop", "length": "length", "refusal": "stop", "blocked": "content_filter"}[answer.finish]
    yield delta({}, finish)
    if got.body.get("stream_options", {}).get("include_usage") and not answer.no_usage:
        yield chunk([], usage=_openai_usage(got, answer))
    yield b"data: [DONE]\n\n"


def _anthropic_usage(got: Got, answer: Answer) -> dict[str, int]:
    n = _figures(got, answer)
    return {
        "input_tokens": n["input"] - n["cached"] - n["written"],
        "cache_creation_input_tokens": n["written"],
        "cache_read_input_tokens": n["cached"],
        "output_tokens": n["output"],
    }


def _anthropic_stop(answer: Answer) -> dict[str, Any]:
    reason = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "blocked": "refusal"}[answer.finish]
    details = {"type": "refusal", "category": "cyber", "explanation": answer.detail or None}
    return {
        "stop_reason": reason,
        "stop_sequence": None,
        **({"stop_details": details} if reason == "refusal" else {}),
    }


def _anthropic(got: Got, answer: Answer) -> Iterator[bytes]:
    def event(document: dict[str, Any]) -> bytes:
        return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()

    usage = _anthropic_usage(got, answer)
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": answer.model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage | {"output_tokens": 1},
    }  # fmt: skip
    yield event({"type": "message_start", "message": message})
    yield event({"type": "ping"})
    if answer.thinking:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        yield event({"type": "content_block_start", "index": 0, "content_block": block})
        delta = {"type": "thinking_delta", "thinking": answer.thinking}
        yield event({"type": "content_block_delta", "index": 0, "delta": delta})
        yield event({"type": "content_block_stop", "index": 0})
    yield event({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}})
    for piece in _pieces(answer):
        delta = {"type": "text_delta", "text": piece}
        yield event({"type": "content_block_delta", "index": 1, "delta": delta})
    yield event({"type": "content_block_stop", "index": 1})
    final = {"output_tokens": usage["output_tokens"]}
    yield event({"type": "message_delta", "delta": _anthropic_stop(answer), "usage": final})
    yield event({"type": "message_stop"})


def _google_usage(got: Got, answer: Answer) -> dict[str, int]:
    n = _figures(got, answer)
    return {
        "promptTokenCount": n["input"],
        "cachedContentTokenCount": n["cached"],
        "candidatesTokenCount": n["output"] - n["reasoning"],
        "thoughtsTokenCount": n["reasoning"],
        "totalTokenCount": n["input"] + n["output"],
    }


def _google(got: Got, answer: Answer) -> Iterator[bytes]:
    def chunk(document: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps({**document, "modelVersion": answer.model}).encode() + b"\r\n\r\n"

    def candidate(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}]}

    if answer.finish == "refusal":  # what a prompt gets that is blocked before the model sees it
        yield chunk({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        return
    if answer.thinking:
        yield chunk(candidate([{"text": answer.thinking, "thought": True}]))
    for piece in _pieces(answer):
        yield chunk(candidate([{"text": piece}]))
    reason = {"stop": "STOP", "length": "MAX_TOKENS", "blocked": "SAFETY"}[answer.finish]
    usage = {} if answer.no_usage else {"usageMetadata": _google_usage(got, answer)}
    yield chunk({**candidate([], finishReason=reason), **usage})


def _ollama(got: Got, answer: Answer) -> Iterator[bytes]:
    def line(content: str, **more: Any) -> bytes:
        document = {
            "model": answer.model, "created_at": "2026-11-21T00:00:00Z",
            "message": {"role": "assistant", "content": content}, "done": False, **more,
        }  # fmt: skip
        return json.dumps(document).encode() + b"\n"

    if answer.thinking:
        yield line("", message={"role": "assistant", "content": "", "thinking": answer.thinking})
    for piece in _pieces(answer):
        yield line(piece)
    n = _figures(got, answer)
    usage = {} if answer.no_usage else {"prompt_eval_count": n["input"], "eval_count": n["output"]}
    reason = {"stop": "stop", "length": "length", "refusal": "stop", "blocked": "stop"}[answer.finish]
    yield line("", done=True, done_reason=reason, **usage)


def whole(got: Got, answer: Answer) -> Any:
    match got.protocol:
        case "openai":
            message = {"role": "assistant", "content": answer.text, "refusal": None}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            return {
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": answer.model,
                "choices": [choice], "usage": _openai_usage(got, answer),
            }  # fmt: skip
        case "anthropic":
            content = [{"type": "text", "text": answer.text}]
            return {
                "id": "msg_1", "type": "message", "role": "assistant", "model": answer.model, "content": content,
                **_anthropic_stop(answer), "usage": _anthropic_usage(got, answer),
            }  # fmt: skip
        case "google":
            content_ = {"role": "model", "parts": [{"text": answer.text}]}
            return [
                {
                    "candidates": [{"content": content_, "finishReason": "STOP", "index": 0}],
                    "usageMetadata": _google_usage(got, answer),
                    "modelVersion": answer.model,
                }
            ]
        case "ollama":
            return json.loads(b"".join(_ollama(got, answer)).splitlines()[-1]) | {
                "message": {"role": "assistant", "content": answer.text}
            }


_STATUS = {
    "rate-limited": 429, "overloaded": 529, "context-overflow": 400, "bad-key": 401, "no-model": 404, "quota": 429,
    "field-refused": 400,
}  # fmt: skip

_WORDS = {
    "rate-limited": "Rate limit reached",
    "overloaded": "Overloaded",
    "error": "internal error",
    "bad-key": "Incorrect API key provided: {key}",
    "no-model": "The model does not exist",
    "quota": "You exceeded your current quota",
}

# How each vendor says that a prompt does not fit.
_OVERFLOW: dict[Protocol, str] = {
    "openai": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "google": "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
    "ollama": "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
}


def error_of(protocol: Protocol, fault: Fault, got: Got) -> tuple[int, Any]:
    """A vendor's own error for a fault."""
    status = _STATUS.get(fault.kind, fault.status)
    key = got.headers.get("x-api-key") or got.headers.get("x-goog-api-key") or got.headers.get("authorization", "")
    message = fault.message or _WORDS.get(fault.kind, "").format(key=key.removeprefix("Bearer "))
    if fault.kind == "context-overflow":
        message = _OVERFLOW[protocol]
    if fault.kind == "field-refused":
        message = f"Unsupported parameter: '{fault.message}' is not supported with this model."
    match protocol:
        case "openai":
            code = {"context-overflow": "context_length_exceeded", "quota": "insufficient_quota"}.get(fault.kind)
            param = fault.message if fault.kind == "field-refused" else None
            kind = "invalid_request_error" if status < 500 else "server_error"
            return status, {"error": {"message": message, "type": kind, "param": param, "code": code}}
        case "anthropic":
            kind = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
                    429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")  # fmt: skip
            details = {"error_code": "enforced_spend_limit_reached"} if fault.kind == "quota" else None
            inner = {"type": kind, "message": message, **({"details": details} if details else {})}
            return status, {"type": "error", "error": inner, "request_id": "req_1"}
        case "google":
            status = {"bad-key": 400, "overloaded": 503}.get(fault.kind, status)
            error: dict[str, Any] = {"code": status, "message": message, "status": "INVALID_ARGUMENT", "details": []}
            if fault.kind == "bad-key":
                info = "type.googleapis.com/google.rpc.ErrorInfo"
                error["details"] = [{"@type": info, "reason": "API_KEY_INVALID"}]
            if fault.kind == "rate-limited" and fault.seconds:
                info = "type.googleapis.com/google.rpc.RetryInfo"
                error["details"] = [{"@type": info, "retryDelay": f"{fault.seconds:g}s"}]
            if fault.kind == "quota":
                info = "type.googleapis.com/google.rpc.QuotaFailure"
                violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
                error["details"] = [{"@type": info, "violations": [violation]}]
            return status, {"error": error}
        case "ollama":
            return status, {"error": message}
