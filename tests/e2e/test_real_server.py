"""Against llama.cpp's own HTTP server on a tiny random model: transport and robustness, never quality."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from support import tiny_llama
from support.asking import ModelSettings, ask, network, with_model

from loom.core.tokens import estimate
from loom.llm.base import NoReplyError, Request

# Random text ends soon only where the schema makes it.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "findings"],
    "properties": {
        "summary": {"type": "string", "maxLength": 60},
        "findings": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "line", "severity", "suggestion"],
                "properties": {
                    "path": {"type": "string", "enum": ["src/a.py", "src/b.py"]},
                    "line": {"type": "integer", "minimum": 1, "maximum": 400},
                    "severity": {"type": "string", "enum": ["blocker", "warning", "info"]},
                    "suggestion": {"type": ["string", "null"], "maxLength": 40},
                },
            },
        },
    },
}
REQUEST = Request(
    system="You review code.", prompt="Review:\n" + "+ x = query(sql)\n" * 20, schema=SCHEMA, max_tokens=900
)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = tmp_path_factory.mktemp("llama") / "tiny.gguf"
    tiny_llama.build(model)
    with tiny_llama.serve(model) as address:
        yield address


def settings(origin: str, **more: object) -> ModelSettings:
    return ModelSettings(base_url=origin, model="loom-tiny", timeout=120.0, **more)  # type: ignore[arg-type]


def test_answers_stream_fit_the_schema_and_come_with_usage(origin: str) -> None:
    for _ in range(4):
        heard: list[int] = []
        reply = ask(settings(origin), REQUEST, within_s=120, on_tokens=heard.append)
        jsonschema.validate(json.loads(reply.text), SCHEMA)
        assert (reply.finish, reply.requests, reply.model) == ("stop", 1, "loom-tiny")
        assert len(heard) > 10
        assert heard[-1] == len(reply.text)
        assert not reply.usage.estimated
        assert reply.usage.output_tokens > 10
        assert reply.usage.input_tokens > estimate(REQUEST.prompt) / 2


def test_an_answer_that_is_too_long_is_cut_and_says_so(origin: str) -> None:
    reply = ask(settings(origin, max_tokens=20), REQUEST, within_s=120)
    assert reply.finish == "length"
    assert reply.usage.output_tokens == 20


def test_a_prompt_that_does_not_fit_says_so_in_one_request(origin: str) -> None:
    reply = ask(settings(origin), Request(system="s", prompt="diff " * 5000), within_s=120)
    assert (reply.finish, reply.requests) == ("context", 1)
    assert str(tiny_llama.SLOT) in reply.detail


def test_the_window_of_a_slot_is_learnt_from_the_server(origin: str) -> None:
    net = network()

    async def learn(model: object) -> int:
        await model.prepare(deadline=net.policy.clock() + 30)  # type: ignore[attr-defined]
        return model.context_window  # type: ignore[attr-defined,no-any-return]

    assert with_model(settings(origin), learn, net=net) == tiny_llama.SLOT  # type: ignore[arg-type]


def test_many_requests_at_once_all_come_back(origin: str) -> None:
    net = network()

    async def many(model: object) -> list[str]:
        deadline = net.policy.clock() + 240
        replies = await asyncio.gather(*(model.complete(REQUEST, deadline=deadline) for _ in range(8)))  # type: ignore[attr-defined]
        return [r.finish for r in replies]

    assert with_model(settings(origin, max_concurrency=4), many, net=net) == ["stop"] * 8  # type: ignore[arg-type]


def test_its_anthropic_endpoint_is_spoken_to_as_well(origin: str) -> None:
    anthropic = ModelSettings(provider="anthropic", base_url=origin, model="loom-tiny", max_tokens=40, timeout=120.0)
    reply = ask(anthropic, Request(system="s", prompt="hello"), within_s=120)
    assert reply.finish in ("stop", "length")
    assert 0 < reply.usage.output_tokens <= 40


def test_a_schema_it_cannot_use_is_said_in_words_instead(origin: str) -> None:
    hopeless = Request(system="s", prompt="x", schema={"type": "nope"}, max_tokens=20)
    reply = ask(settings(origin), hopeless, within_s=120)
    assert reply.requests >= 2
    assert reply.finish in ("stop", "length")


def test_a_server_that_went_away_is_an_error_with_a_hint(tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    tiny_llama.build(model)
    with tiny_llama.serve(model) as address:
        pass
    with pytest.raises(NoReplyError, match="cannot be reached") as caught:
        ask(settings(address))
    assert caught.value.slug == "model-unreachable"
