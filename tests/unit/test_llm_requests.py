"""What is sent, whole, and checked against the vendors' own types; and what their streams are read as."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import typing_extensions
from pydantic import TypeAdapter
from support.asking import PROVIDERS, REQUEST, SCHEMA
from support.data import shared
from support.fake_formats import Answer, Got, frames, whole

from loom.infra.net import origin_of
from loom.infra.streams import Event
from loom.llm import anthropic, endpoints, gemini, ollama, openai_chat
from loom.llm.base import Request
from loom.llm.wire import Draft, Secret, Target, Traits

WIRES = {
    "openai": openai_chat.OpenAIChat,
    "anthropic": anthropic.AnthropicMessages,
    "google": gemini.Gemini,
    "ollama": ollama.Ollama,
}


def target(base_url: str, protocol: str, model: str = "m") -> Target:
    endpoint = endpoints.find(PROVIDERS[protocol], origin_of(base_url))
    return Target(endpoint=endpoint, base_url=base_url, model=model, key=Secret("key-1"))


def traits(of: Target, **changes: Any) -> Traits:
    start = {"schema": of.endpoint.schema, "max_field": of.endpoint.max_field, "refused": of.endpoint.refused}
    return Traits(**{**start, **changes})


def test_a_request_to_openai() -> None:
    place = target("https://api.openai.com/v1", "openai", "gpt-5.6")
    call = openai_chat.OpenAIChat(place).call(REQUEST, traits(place))
    assert call.url == "https://api.openai.com/v1/chat/completions"
    assert call.headers["authorization"] == "Bearer key-1"
    assert call.body == {
        "model": "gpt-5.6",
        "messages": [
            {"role": "system", "content": "You review code."},
            {"role": "user", "content": "Conventions: none.\n\n+ x = 1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 8000,
        "prompt_cache_key": "loom:1b003604e44d59068e565f70c1f904d9",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "review", "strict": True, "schema": SCHEMA},
        },
    }


def test_a_request_to_anthropic_has_a_cache_breakpoint_after_the_rules_and_after_the_context() -> None:
    place = target("https://api.anthropic.com", "anthropic", "claude-sonnet-5-5")
    call = anthropic.AnthropicMessages(place).call(REQUEST, traits(place))
    cached = {"cache_control": {"type": "ephemeral"}}
    assert call.url == "https://api.anthropic.com/v1/messages"
    assert (call.headers["x-api-key"], call.headers["anthropic-version"]) == ("key-1", "2023-06-01")
    assert call.body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 8000,
        "system": [{"type": "text", "text": "You review code.", **cached}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Conventions: none.", **cached},
                    {"type": "text", "text": "+ x = 1"},
                ],
            }
        ],
        "stream": True,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }


def test_a_request_to_gemini() -> None:
    place = target("https://generativelanguage.googleapis.com", "google", "gemini-3.8-flash")
    request = Request(system="s", prompt="p", schema=SCHEMA, reasoning_effort="low", max_tokens=99)
    call = gemini.Gemini(place).call(request, traits(place))
    assert call.url == (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    )
    assert call.headers["x-goog-api-key"] == "key-1"
    assert call.body == {
        "contents": [{"role": "user", "parts": [{"text": "p"}]}],
        "generationConfig": {
            "maxOutputTokens": 99,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "thinkingConfig": {"thinkingLevel": "LOW"},
        },
        "systemInstruction": {"parts": [{"text": "s"}]},
        "safetySettings": [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "BLOCK_NONE"}],
    }


def test_a_request_to_ollama() -> None:
    place = target("http://127.0.0.1:11434/v1", "ollama", "qwen3-coder:30b")
    call = ollama.Ollama(place).call(REQUEST, traits(place, window=16384))
    assert call.url == "http://127.0.0.1:11434/api/chat"
    assert call.body == {
        "model": "qwen3-coder:30b",
        "messages": [
            {"role": "system", "content": "You review code."},
            {"role": "user", "content": "Conventions: none.\n\n+ x = 1"},
        ],
        "stream": True,
        "options": {"num_ctx": 16384, "num_predict": 8000},
        "truncate": False,
        "think": False,
        "format": SCHEMA,
    }


@pytest.mark.parametrize(
    ("protocol", "base_url", "url"),
    [
        ("openai", "https://host.example/v1/", "https://host.example/v1/chat/completions"),
        ("openai", "https://host.example/v1/chat/completions", "https://host.example/v1/chat/completions"),
        (
            "openai",
            "https://x.openai.azure.com/openai/deployments/d?api-version=1",
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
        ),
        ("anthropic", "https://gateway.example/anthropic", "https://gateway.example/anthropic/v1/messages"),
        ("anthropic", "https://gateway.example/v1", "https://gateway.example/v1/messages"),
        ("google", "https://g.example/v1beta", "https://g.example/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("google", "https://g.example/?k=v", "https://g.example/v1beta/models/m:streamGenerateContent?k=v&alt=sse"),
        ("ollama", "http://localhost:11434/api", "http://localhost:11434/api/chat"),
    ],
)
def test_an_address_is_completed_however_much_of_it_was_given(protocol: str, base_url: str, url: str) -> None:
    place = target(base_url, protocol)
    assert WIRES[protocol](place).call(REQUEST, traits(place)).url == url


def test_a_model_name_cannot_change_the_address() -> None:
    place = target("https://g.example", "google", "../../v1/evil?x=")
    url = gemini.Gemini(place).call(REQUEST, traits(place)).url
    assert url == "https://g.example/v1beta/models/..%2F..%2Fv1%2Fevil%3Fx%3D:streamGenerateContent?alt=sse"


def test_azure_gets_the_key_in_its_own_header() -> None:
    place = target("https://team.openai.azure.com/openai/v1", "openai", "my-deployment")
    headers = openai_chat.OpenAIChat(place).headers()
    assert headers["api-key"] == "key-1"
    assert "authorization" not in headers


def test_the_stable_part_has_the_same_cache_key_whatever_the_diff_says() -> None:
    place = target("https://api.openai.com/v1", "openai")
    wire = openai_chat.OpenAIChat(place)
    keys = {
        wire.call(Request(system=s, prompt=p), traits(place)).body["prompt_cache_key"]
        for s, p in itertools.product(["a", "b"], ["1", "2", "3"])
    }
    assert len(keys) == 2


# Every combination of what a request may say and what a server may have refused.
def variations() -> Iterator[tuple[Request, dict[str, Any]]]:
    requests = [
        REQUEST,
        Request(system="s", prompt="p"),
        Request(system="s", prompt="p", schema=SCHEMA, temperature=0.1, reasoning_effort="high", max_tokens=2000),
    ]
    changes: list[dict[str, Any]] = [
        {},
        {"schema": "json_object"},
        {"schema": "prompt"},
        {"max_field": "max_tokens"},
        {"max_tokens_cap": 100},
        {"refused": frozenset({"temperature", "reasoning_effort", "effort", "thinking", "safety", "system", "think"})},
        {"refused": frozenset({"cache_control", "stream_options", "prompt_cache_key", "truncate", "max_tokens"})},
    ]
    return itertools.product(requests, changes)


def strict(kind: Any) -> TypeAdapter[Any]:
    """A vendor's TypedDict as a validator that knows no other keys."""
    forbid(kind, set())
    return TypeAdapter(kind)


def forbid(kind: Any, seen: set[int]) -> None:
    if id(kind) in seen:
        return
    seen.add(id(kind))
    if typing_extensions.is_typeddict(kind):
        kind.__pydantic_config__ = {"extra": "forbid", "arbitrary_types_allowed": True}
        for hint in typing_extensions.get_type_hints(kind, include_extras=True).values():
            forbid(hint, seen)
    for argument in typing_extensions.get_args(kind):
        forbid(argument, seen)


def drained(value: Any) -> Any:
    """Pydantic checks Iterable fields only as they are read."""
    if isinstance(value, dict):
        return {k: drained(v) for k, v in value.items()}
    if isinstance(value, str | bytes | int | float | None):
        return value
    return [drained(v) for v in value]


def test_every_openai_request_fits_openais_own_types() -> None:
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

    check = strict(CompletionCreateParamsStreaming)
    place = target("https://api.openai.com/v1", "openai", "gpt-5.6")
    for request, changes in variations():
        body = openai_chat.OpenAIChat(place).call(request, traits(place, **changes)).body
        assert drained(check.validate_python(body)) == body
    with pytest.raises(ValueError, match="Extra inputs"):
        drained(check.validate_python({**body, "max_output_tokens": 3}))


def test_every_openai_request_fits_openais_published_schema() -> None:
    import jsonschema

    spec = json.loads(shared("data", "specs", "openai.json").read_bytes())
    operation = spec["paths"]["/chat/completions"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": spec["components"]})
    place = target("https://api.openai.com/v1", "openai", "gpt-5.6")
    for request, changes in variations():
        validator.validate(openai_chat.OpenAIChat(place).call(request, traits(place, **changes)).body)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"model": "gpt-5.6", "messages": [{"role": "usr", "content": "x"}]})


def test_every_anthropic_request_fits_anthropics_own_types() -> None:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    check = strict(MessageCreateParamsStreaming)
    place = target("https://api.anthropic.com", "anthropic", "claude-sonnet-5-5")
    for request, changes in variations():
        body = anthropic.AnthropicMessages(place).call(request, traits(place, **changes)).body
        sampling = {k: body.pop(k) for k in ("temperature",) if k in body}
        assert drained(check.validate_python(body)) == body
        # The SDK's types follow version 2026-10-21, which has no temperature; the version we send still has.
        assert sampling in ({}, {"temperature": 0.1})
    with pytest.raises(ValueError, match="Extra inputs"):
        drained(check.validate_python({**body, "response_format": {}}))


@pytest.mark.filterwarnings("default")  # protobuf and grpc warn on import, differently for each Python
def test_every_gemini_request_fits_googles_own_messages() -> None:
    from google.ai.generativelanguage_v1beta.types import generative_service
    from google.protobuf import json_format

    message = generative_service.GenerateContentRequest
    for model in ("gemini-2.5-pro", "gemini-3.8-flash"):
        place = target("https://generativelanguage.googleapis.com", "google", model)
        for request, changes in variations():
            body = gemini.Gemini(place).call(request, traits(place, **changes)).body
            config = body["generationConfig"].get("thinkingConfig", {})
            # The published messages know budgets, not yet levels; the SDK documents MINIMAL to XHIGH.
            assert config.pop("thinkingLevel", None) in (None, "HIGH")
            json_format.ParseDict(body, message.pb(message()))
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({**body, "messages": []}, message.pb(message()))


def read(protocol: str, data: list[bytes]) -> Draft:
    wire, draft = WIRES[protocol](target("http://127.0.0.1:1", protocol)), Draft()
    for frame in data:
        for line in frame.decode().splitlines():
            if protocol == "ollama" or line.startswith("data:"):
                wire.feed(draft, Event("message", line.removeprefix("data:").strip()))
    return draft


@pytest.mark.parametrize("protocol", WIRES)
def test_a_stream_and_a_whole_answer_read_the_same(protocol: str) -> None:
    got = Got(protocol, "POST", "/", {}, EXAMPLES[protocol], 0.0)  # type: ignore[arg-type]
    answer = Answer("one two three", usage={"input": 50, "output": 9})
    streamed = read(protocol, list(frames(got, answer)))
    at_once = Draft()
    event = Event("message", json.dumps(whole(got, answer)))
    WIRES[protocol](target("http://127.0.0.1:1", protocol)).feed(at_once, event)
    assert (streamed.text, streamed.finish, streamed.model) == ("one two three", "stop", "fake-model-1")
    assert (at_once.text, at_once.finish, at_once.model) == (streamed.text, streamed.finish, streamed.model)
    assert at_once.usage == streamed.usage


EXAMPLES: dict[str, dict[str, Any]] = {
    "openai": {"messages": [], "stream_options": {"include_usage": True}},
    "anthropic": {"system": [], "messages": []},
    "google": {"contents": []},
    "ollama": {"messages": []},
}


def test_the_fake_servers_answers_are_what_the_vendors_own_types_expect() -> None:
    from anthropic.types import Message
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    answer = Answer("x")
    openai = Got("openai", "POST", "/", {}, EXAMPLES["openai"], 0.0)
    ChatCompletion.model_validate(whole(openai, answer), strict=False)
    for frame in frames(openai, answer):
        if frame.startswith(b"data: {"):
            ChatCompletionChunk.model_validate_json(frame.removeprefix(b"data: "))
    messages = Got("anthropic", "POST", "/", {}, EXAMPLES["anthropic"], 0.0)
    Message.model_validate(whole(messages, answer))


def test_mistrals_thinking_is_left_out_of_the_text() -> None:
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]
    chunk = {"choices": [{"delta": {"content": content}, "finish_reason": "stop"}]}
    assert read("openai", [b"data: " + json.dumps(chunk).encode()]).text == "yes"


def test_output_tokens_include_reasoning_whichever_way_the_host_counts() -> None:
    def output(total: int) -> int:
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": 15},
        }
        draft = read("openai", [b"data: " + json.dumps({"choices": [], "usage": usage}).encode()])
        assert draft.usage
        return draft.usage.output_tokens

    assert output(120) == 20  # OpenAI: completion_tokens has it all
    assert output(135) == 35  # xAI: it does not


def test_deepseeks_cache_hits_and_groqs_usage_are_found() -> None:
    deepseek = {"choices": [], "usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "completion_tokens": 1}}
    groq = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}}
    first, second = (read("openai", [b"data: " + json.dumps(d).encode()]).usage for d in (deepseek, groq))
    assert first
    assert (first.input_tokens, first.cached_tokens) == (9, 4)
    assert second
    assert (second.input_tokens, second.output_tokens) == (7, 2)


def test_anthropics_late_usage_replaces_the_output_and_keeps_the_input() -> None:
    start = {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 5, "output_tokens": 1}
    events = [
        {"type": "message_start", "message": {"model": "c", "usage": start}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 77}},
    ]
    usage = read("anthropic", [b"data: " + json.dumps(e).encode() for e in events]).usage
    assert usage
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens) == (105, 90, 5, 77)


@pytest.mark.parametrize("protocol", WIRES)
@pytest.mark.parametrize("data", ["[]", "1", "null", '"x"', "{}", "{", "", "[" * 100_000])
def test_what_is_not_the_protocol_is_a_value_error_or_nothing_and_never_anything_else(protocol: str, data: str) -> None:
    draft = Draft()
    try:
        WIRES[protocol](target("http://127.0.0.1:1", protocol)).feed(draft, Event("message", data))
    except ValueError:
        return
    assert (draft.text, draft.finish) == ("", None)
