"""The scripted model: a file of answers, first match wins."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.asking import REQUEST, ModelSettings, Slept, network

from loom.core.errors import UsageError
from loom.llm import make
from loom.llm.base import Model, NoReplyError, Reply
from loom.llm.scripted import Line, Scripted, parse

SCRIPT = [
    {"when": "y = 2", "reply": "not this one"},
    {"when": "x = 1", "reply": {"findings": [], "summary": "ü"}, "usage": {"input_tokens": 900, "output_tokens": 7}},
    {"reply": "never reached"},
]


def scripted(script: object, path: str = ".loom/replies.json") -> Model:
    files = {"replies.json": json.dumps(script).encode()}
    settings = ModelSettings(provider="scripted", model=path)
    return make("default", settings, environ={}, network=network(), read=files.get)


def ask(model: Model) -> Reply:
    return asyncio.run(model.complete(REQUEST, deadline=1e12))


def test_the_first_entry_that_matches_answers() -> None:
    model = scripted(SCRIPT)
    reply = ask(model)
    assert (reply.text, reply.finish) == ('{"findings": [], "summary": "ü"}', "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (900, 7)
    assert model.cost_usd(reply.usage) == 0.0


def test_an_edited_script_is_another_model_so_that_no_old_answer_is_cached() -> None:
    assert scripted(SCRIPT).identity == scripted(SCRIPT).identity
    assert scripted(SCRIPT).identity != scripted(SCRIPT[1:]).identity


def test_a_prompt_without_an_answer_names_the_file_to_extend() -> None:
    with pytest.raises(NoReplyError, match=r"replies\.json has no answer for this prompt") as caught:
        ask(scripted(SCRIPT[:1]))
    assert (caught.value.slug, caught.value.hint) == (
        "model-script",
        'add an entry to replies.json; one without "when" answers everything',
    )


def test_an_entry_can_end_badly_fail_or_take_its_time() -> None:
    slept = Slept()
    lines = parse(b'[{"reply": "cut", "finish": "length", "detail": "d", "delay_ms": 1500}]', where="x")
    reply = ask(Scripted(lines, sleep=slept))
    assert (reply.finish, reply.detail, slept.delays) == ("length", "d", [1.5])
    with pytest.raises(NoReplyError, match="out of money") as caught:
        ask(scripted([{"error": "model-quota", "reply": "out of money"}]))
    assert caught.value.slug == "model-quota"


def test_a_function_can_be_the_script() -> None:
    model = Scripted(lambda request: {"prompt": request.prompt})
    assert ask(model).text == '{"prompt": "+ x = 1"}'
    assert [r.prompt for r in model.requests] == ["+ x = 1"]
    assert ask(Scripted(lambda _: Line(reply="r", finish="refusal"))).finish == "refusal"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("nope", "x is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("{}", "x: a script is a list of entries"),
        ("[3]", "x: entry 1 is not an object"),
        ('[{}, {"repl": ""}]', 'x: entry 2: unknown key "repl". Did you mean "reply"?'),
        ('[{"finish": "done"}]', 'x: entry 1: "finish" is one of blocked, context, length, refusal, stop'),
        ('[{"delay_ms": -1}]', 'x: entry 1: "delay_ms" is a whole number of milliseconds'),
        ('[{"when": 3}]', 'x: entry 1: "when" and "error" are texts or null'),
    ],
)
def test_a_wrong_script_is_named_by_entry(script: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(script.encode(), where="x")
    assert str(caught.value) == says


def test_a_script_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"the script \.loom/other\.json is not there"):
        scripted([], path="other.json")
