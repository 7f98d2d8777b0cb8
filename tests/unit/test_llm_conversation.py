"""Models against a server on loopback that speaks all four wire formats: what comes back, is retried, is said."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest
from support.asking import PROVIDERS, REQUEST, ModelSettings, Slept, ask, network, settings_for, with_model
from support.fake_model import Answer, FakeModel, Fault

from loom.llm.base import NoReplyError, Request

ALL = tuple(PROVIDERS)
KEY = "sk-loom-0123456789abcdef"


def no_reply(settings: ModelSettings, **how: object) -> NoReplyError:
    with pytest.raises(NoReplyError) as caught:
        ask(settings, **how)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("protocol", ALL)
def test_a_streamed_answer_comes_back_whole_with_its_usage(protocol: str) -> None:
    text = '{"summary": "schön 🙂", "findings": []}'
    usage = {"input": 900, "output": 40, "cached": 0, "written": 0, "reasoning": 10 if protocol == "google" else 0}
    heard: list[int] = []
    with FakeModel(Answer(text, usage=usage, thinking="hm", chunks=40)) as server:
        reply = ask(settings_for(server, protocol), on_tokens=heard.append)
    assert (reply.text, reply.finish, reply.model) == (text, "stop", "fake-model-1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.estimated) == (900, 40, False)
    assert (reply.requests, reply.retries) == (1, 0)
    assert heard == sorted(heard)
    assert heard[-1] == len(text) + len("hm")


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "google"])
def test_cached_input_is_counted_as_input_once(protocol: str) -> None:
    usage = {"input": 1000, "cached": 600, "written": 0, "output": 5}
    with FakeModel(Answer("{}", usage=usage)) as server:
        reply = ask(settings_for(server, protocol))
    assert (reply.usage.input_tokens, reply.usage.cached_tokens) == (1000, 600)


def test_a_server_that_reports_no_usage_gets_an_estimate_and_it_is_marked_as_one() -> None:
    with FakeModel(Answer("one two three", no_usage=True)) as server:
        usage = ask(settings_for(server, "openai")).usage
    assert usage.estimated
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


def test_the_cost_that_a_host_names_itself_is_kept() -> None:
    with FakeModel(Answer("{}", cost=0.0123)) as server:
        assert ask(settings_for(server, "openai")).cost_usd == 0.0123


@pytest.mark.parametrize("protocol", ALL)
def test_an_answer_that_was_not_streamed_is_read_too(protocol: str) -> None:
    with FakeModel(Fault("not-streamed", message="whole")) as server:
        reply = ask(settings_for(server, protocol))
    assert (reply.text, reply.finish) == ("whole", "stop")


@pytest.mark.parametrize(
    ("protocol", "fault", "finish"),
    [
        ("openai", "refusal", "refusal"),
        ("openai", "blocked", "blocked"),
        ("openai", "length", "length"),
        ("anthropic", "refusal", "refusal"),
        ("anthropic", "length", "length"),
        ("google", "refusal", "blocked"),
        ("google", "blocked", "blocked"),
        ("google", "length", "length"),
        ("ollama", "length", "length"),
        *((protocol, "context-overflow", "context") for protocol in ALL),
    ],
)
def test_a_refused_blocked_or_cut_answer_says_so_and_is_not_tried_again(protocol: str, fault: str, finish: str) -> None:
    with FakeModel(Fault(fault)) as server:
        reply = ask(settings_for(server, protocol))
        assert len(server.requests) == 1
    assert reply.finish == finish


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("rate-limited", retry_after="2"),
        Fault("overloaded"),
        Fault("error", status=500),
        Fault("error", status=503),
        Fault("reset"),
        Fault("reset-midway"),
        Fault("truncated"),
        Fault("garbage"),
        Fault("in-stream-error", status=503),
    ],
    ids=lambda f: f"{f.kind}-{f.status}",
)
def test_what_may_go_better_is_tried_again_and_counted(protocol: str, fault: Fault) -> None:
    with FakeModel([fault, fault, "fine"]) as server:
        reply = ask(settings_for(server, protocol))
        assert len(server.requests) == 3
    assert (reply.text, reply.requests, reply.retries) == ("fine", 3, 2)


@pytest.mark.parametrize(
    ("protocol", "fault", "slug"),
    [
        *((protocol, "bad-key", "model-auth") for protocol in ALL),
        *((protocol, "no-model", "model-not-found") for protocol in ALL),
        *((protocol, "quota", "model-quota") for protocol in ALL if protocol != "ollama"),  # it has no accounts
    ],
)
def test_a_wrong_key_an_unknown_model_and_an_empty_account_are_not_tried_again(
    protocol: str, fault: str, slug: str
) -> None:
    with FakeModel(Fault(fault)) as server:
        error = no_reply(settings_for(server, protocol, api_key_env="MY_KEY"), environ={"MY_KEY": KEY})
        assert len(server.requests) == 1
    assert error.slug == slug
    assert error.hint
    assert (error.requests, error.retries) == (1, 0)


@pytest.mark.parametrize("protocol", ALL)
def test_no_key_and_no_prompt_appears_in_an_error_even_when_the_server_repeats_them(protocol: str) -> None:
    secret = "the quick brown fox jumps over the lazy dog"
    with FakeModel(lambda prompt, _: Fault("error", status=400, message=f"bad: {KEY} in {prompt}")) as server:
        settings = settings_for(server, protocol, api_key_env="MY_KEY", headers={"X-Gateway": "gateway-password-1"})
        error = no_reply(settings, request=Request(system="s", prompt=secret), environ={"MY_KEY": KEY})
    said = f"{error} {error.hint} {error!r}"
    assert KEY not in said
    assert secret not in said
    assert "[key]" in said
    assert error.slug == "model-bad-request"


def test_no_key_appears_in_the_representation_of_anything_a_model_holds() -> None:
    with FakeModel() as server:
        settings = settings_for(server, "openai", api_key_env="MY_KEY")

        async def look(model: object) -> str:
            wire = model._wire  # type: ignore[attr-defined]
            return f"{model!r} {wire!r} {wire.call(REQUEST, model._learned.traits)!r}"  # type: ignore[attr-defined]

        assert KEY not in with_model(settings, look, environ={"MY_KEY": KEY})  # type: ignore[arg-type]


def test_the_server_is_waited_for_as_long_as_it_asks() -> None:
    slept = Slept()
    with FakeModel([Fault("rate-limited", retry_after="7"), "fine"]) as server:
        ask(settings_for(server, "openai"), net=network(slept), within_s=60)
    assert 7.0 <= slept.delays[0] <= 8.0
    assert sum(slept.delays) <= 9.0


def test_gemini_says_in_the_body_how_long_to_wait() -> None:
    slept = Slept()
    with FakeModel([Fault("rate-limited", seconds=17), "fine"]) as server:
        ask(settings_for(server, "google"), net=network(slept), within_s=60)
    assert 17.0 <= slept.delays[0] <= 18.0


@pytest.mark.parametrize("asked", ["121", "45"])
def test_a_wait_that_is_too_long_or_ends_after_the_deadline_is_not_begun(asked: str) -> None:
    slept = Slept()
    with FakeModel(Fault("rate-limited", retry_after=asked)) as server:
        error = no_reply(settings_for(server, "openai"), net=network(slept), within_s=40 if asked == "45" else 1000)
        assert len(server.requests) == 1
    assert error.slug == "model-rate-limit"
    assert slept.delays == []


def test_x_should_retry_decides_over_the_status() -> None:
    with FakeModel(Fault("error", status=503, headers={"x-should-retry": "false"})) as server:
        assert no_reply(settings_for(server, "openai")).slug == "model-server"
        assert len(server.requests) == 1


def test_retries_end_and_the_error_says_how_many_requests_there_were() -> None:
    with FakeModel(Fault("error", status=500, message="kaboom")) as server:
        error = no_reply(settings_for(server, "openai"), net=network(retries=2))
    assert (error.requests, error.retries, error.slug) == (3, 2, "model-server")
    assert str(error) == "model m: HTTP 500: kaboom"


def test_a_server_that_keeps_failing_is_asked_once_a_time_until_it_recovers() -> None:
    with FakeModel([Fault("error")] * 9 + ["fine"]) as server:
        net = network(retries=3)

        async def four(model: object) -> list[int]:
            counts = []
            for _ in range(3):
                with pytest.raises(NoReplyError):
                    await model.complete(REQUEST, deadline=net.policy.clock() + 600)  # type: ignore[attr-defined]
                counts.append(len(server.requests))
            await model.complete(REQUEST, deadline=net.policy.clock() + 600)  # type: ignore[attr-defined]
            return counts

        assert with_model(settings_for(server, "openai"), four, net=net) == [4, 8, 9]  # type: ignore[arg-type]


def test_nothing_listening_says_which_address_and_what_to_check() -> None:
    with FakeModel() as server:
        gone = settings_for(server, "openai")
    error = no_reply(gone)
    assert error.slug == "model-unreachable"
    assert str(error).startswith(f"{gone.base_url.removesuffix('/v1')} cannot be reached")  # type: ignore[union-attr]
    assert "is the server running?" in error.hint


def test_a_web_page_is_not_taken_for_a_model() -> None:
    with FakeModel(Fault("html")) as server:
        error = no_reply(settings_for(server, "openai"))
        assert len(server.requests) == 1
    assert (error.slug, error.hint) == ("model-bad-request", "check base_url: it usually ends with /v1")


def test_a_redirect_is_an_error_that_names_its_target_and_nothing_is_sent_there() -> None:
    with FakeModel() as other, FakeModel(Fault("redirect", message=f"{other.origin}/x?token=abc")) as server:
        settings = settings_for(server, "openai", api_key_env="MY_KEY")
        error = no_reply(settings, environ={"MY_KEY": KEY})
        assert other.requests == []
    assert f"redirects to {other.origin} (HTTP 307)" in str(error)
    assert "abc" not in str(error)


def test_silence_ends_at_the_idle_timeout_and_a_local_server_is_not_asked_again() -> None:
    with FakeModel(Fault("silent", seconds=30)) as server:
        error = no_reply(settings_for(server, "openai", timeout=0.1))
        assert len(server.requests) == 1
    assert error.slug == "model-timeout"
    assert "`timeout`" in error.hint


def test_a_slow_drip_ends_at_the_deadline() -> None:
    with FakeModel(Fault("drip", message="x" * 1000, seconds=0.02)) as server:
        error = no_reply(settings_for(server, "openai"), within_s=0.3)
    assert (error.slug, error.requests) == ("model-timeout", 1)


def test_an_endless_answer_is_cut_off() -> None:
    with FakeModel(Answer("x" * (5 << 20), chunks=50)) as server:
        error = no_reply(settings_for(server, "openai"), net=network(retries=0))
    assert "does not stop writing" in str(error)


def test_one_huge_line_is_refused_without_being_kept() -> None:
    with FakeModel(Answer("x" * (2 << 20), chunks=1)) as server:
        error = no_reply(settings_for(server, "ollama"), net=network(retries=0))
    assert "longer than 1 MiB" in str(error)


@pytest.mark.parametrize(
    ("protocol", "refused", "absent"),
    [
        ("openai", "temperature", ("temperature",)),
        ("openai", "reasoning_effort", ("reasoning_effort",)),
        ("openai", "stream_options", ("stream_options",)),
        ("anthropic", "temperature", ("temperature",)),
        ("anthropic", "output_config.effort", ("output_config", "effort")),
        ("anthropic", "cache_control", ("system", 0, "cache_control")),
        ("google", "thinkingConfig", ("generationConfig", "thinkingConfig")),
        ("google", "safetySettings", ("safetySettings",)),
        ("ollama", '"think"', ("think",)),
    ],
)
def test_a_field_that_is_refused_is_left_out_once_and_for_the_whole_run(
    protocol: str, refused: str, absent: tuple[str | int, ...]
) -> None:
    with FakeModel([Fault("field-refused", message=refused), "fine", "again"]) as server:
        settings = settings_for(server, protocol, temperature=0.2, reasoning_effort="low")
        net = network()

        async def twice(model: object) -> list[object]:
            return [await model.complete(REQUEST, deadline=net.policy.clock() + 60) for _ in range(2)]  # type: ignore

        replies = with_model(settings, twice, net=net)  # type: ignore[arg-type]
        bodies = [got.body for got in server.requests]
    assert [(r.text, r.requests, r.retries) for r in replies] == [("fine", 2, 0), ("again", 1, 0)]  # type: ignore
    *path, last = absent
    for body, expected in zip(bodies, (True, False, False), strict=True):
        for step in path:
            body = body[step]
        assert (last in body) is expected


def test_the_output_limit_is_said_the_way_the_server_wants() -> None:
    with FakeModel(
        lambda _, body: (
            Fault(
                "error", status=400, message="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            )
            if "max_tokens" in body
            else "fine"
        )
    ) as server:
        assert ask(settings_for(server, "openai")).text == "fine"
        assert [{k: v for k, v in g.body.items() if k.startswith("max")} for g in server.requests] == [
            {"max_tokens": 8000},
            {"max_completion_tokens": 8000},
        ]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("openai", "max_tokens is too large: 8000. This model supports at most 4096 completion tokens"),
        ("anthropic", "max_tokens: 8000 > 4096, which is the maximum allowed number of output tokens for claude-x"),
    ],
)
def test_a_lower_limit_that_the_server_names_is_kept_to(protocol: str, words: str) -> None:
    with FakeModel([Fault("error", status=400, message=words), "fine"]) as server:
        ask(settings_for(server, protocol))
        assert [g.body["max_tokens"] for g in server.requests] == [8000, 4096]


@pytest.mark.parametrize(
    ("protocol", "words", "modes"),
    [
        ("openai", "Invalid parameter: 'response_format' of type 'json_schema'", ["json_schema", "json_object", None]),
        ("openai", "This response_format type is unavailable now", ["json_schema", "json_object", None]),
        ("google", "Unknown name \"responseJsonSchema\" at 'generation_config'", ["json_schema", "json_object", None]),
        ("ollama", "invalid JSON schema in format", ["json_schema", "json_object", None]),
        ("anthropic", "output_config.format: schema is too complex", ["json_schema", None, None]),
    ],
)
def test_a_refused_schema_becomes_json_mode_and_then_words(protocol: str, words: str, modes: list[str | None]) -> None:
    def mode(body: dict) -> str | None:
        match protocol:
            case "openai":
                return body.get("response_format", {}).get("type")
            case "google":
                config = body["generationConfig"]
                json_mode = "json_object" if "responseMimeType" in config else None
                return "json_schema" if "responseJsonSchema" in config else json_mode
            case "anthropic":
                return "json_schema" if "format" in body.get("output_config", {}) else None
            case _:
                return {dict: "json_schema", str: "json_object"}.get(type(body.get("format")))

    def answer(_: str, body: dict) -> str | Fault:
        return Fault("error", status=400, message=words) if mode(body) else "fine"

    with FakeModel(answer) as server:
        reply = ask(settings_for(server, protocol))
        got = [mode(g.body) for g in server.requests]
        systems = [g.system for g in server.requests]
    assert reply.text == "fine"
    assert got == modes[: len(got)]
    assert got[-1] is None
    assert systems[0] == "You review code."
    assert '"additionalProperties":false' in systems[-1]


def test_a_real_server_answers_500_to_json_schema_and_is_asked_for_json_instead() -> None:
    # llama-cpp-python 0.3: pydantic's "Input should be 'text' or 'json_object'" as an internal error.
    words = "[{'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]"
    with FakeModel([Fault("error", status=500, message=words), "fine"]) as server:
        assert ask(settings_for(server, "openai")).text == "fine"
        assert server.requests[1].body["response_format"] == {"type": "json_object"}


def test_a_template_without_a_system_role_gets_one_message() -> None:
    with FakeModel([Fault("error", status=400, message="System role not supported"), "fine"]) as server:
        ask(settings_for(server, "openai"))
        assert [m["role"] for m in server.requests[1].body["messages"]] == ["user"]
        assert server.requests[1].prompt == "You review code.\n\nConventions: none.\n\n+ x = 1"


def test_many_requests_at_once_learn_together_and_each_field_is_dropped_once() -> None:
    def answer(_: str, body: dict) -> str | Fault:
        return Fault("field-refused", message="stream_options") if "stream_options" in body else "fine"

    with FakeModel(answer, latency_s=0.02) as server:
        net = network()

        async def many(model: object) -> list[str]:
            deadline = net.policy.clock() + 60
            replies = await asyncio.gather(*(model.complete(REQUEST, deadline=deadline) for _ in range(12)))  # type: ignore
            return [r.text for r in replies]

        assert with_model(settings_for(server, "openai", max_concurrency=4), many, net=net) == ["fine"] * 12  # type: ignore
        assert server.most_at_once <= 4
        assert len(server.requests) <= 12 + 4


def test_a_429_halves_what_is_sent_at_once_and_everything_still_arrives() -> None:
    with FakeModel([Fault("rate-limited", retry_after="0")] * 8 + ["fine"], latency_s=0.01) as server:
        net = network(retries=8)

        async def many(model: object) -> int:
            deadline = net.policy.clock() + 600
            replies = await asyncio.gather(*(model.complete(REQUEST, deadline=deadline) for _ in range(16)))  # type: ignore
            return sum(r.text == "fine" for r in replies)

        assert with_model(settings_for(server, "openai", max_concurrency=8), many, net=net) == 16  # type: ignore
        assert len(server.requests) == 24


def test_the_remaining_allowance_in_the_headers_is_heeded() -> None:
    slept = Slept()
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6s"}
    with FakeModel(headers=headers) as server:
        net = network(slept)

        async def twice(model: object) -> None:
            for _ in range(2):
                await model.complete(REQUEST, deadline=net.policy.clock() + 60)  # type: ignore[attr-defined]

        with_model(settings_for(server, "openai"), twice, net=net)  # type: ignore[arg-type]
    assert slept.delays[0] == pytest.approx(6, abs=0.5)


def test_ollama_is_told_the_window_and_not_to_truncate() -> None:
    with FakeModel() as server:
        ask(settings_for(server, "ollama", context_window=16384))
        body = server.requests[0].body
    assert body["options"] == {"num_ctx": 16384, "num_predict": 8000}
    assert body["truncate"] is False
    assert body["think"] is False


def test_an_ollama_answer_to_a_prompt_that_was_cut_counts_as_not_fitting() -> None:
    prompt = "\n".join(f"+ value_{i} = compute({i}, other_{i})" for i in range(1500))
    request = replace(REQUEST, prompt=prompt)
    with FakeModel(Answer("looks fine", usage={"input": 4096, "output": 2})) as server:
        reply = ask(settings_for(server, "ollama"), request)
    assert reply.finish == "context"
    assert reply.detail.startswith("the server read 4096 tokens of a prompt of about ")


def test_a_missing_key_names_the_variable_and_nothing_is_sent() -> None:
    error = no_reply(ModelSettings(provider="anthropic", model="claude-x"))
    assert (error.slug, str(error)) == (
        "model-no-key",
        "model claude-x has no key: the variable ANTHROPIC_API_KEY is not set",
    )
    assert (error.hint, error.requests) == ("set ANTHROPIC_API_KEY", 0)


def test_a_key_with_a_line_feed_is_refused_before_it_is_sent() -> None:
    with FakeModel() as server:
        error = no_reply(settings_for(server, "openai", api_key_env="MY_KEY"), environ={"MY_KEY": "sk-a\nsk-b"})
        assert server.requests == []
    assert error.slug == "model-no-key"
    assert "sk-a" not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("protocol", "header", "value"),
    [
        ("openai", "authorization", f"Bearer {KEY}"),
        ("anthropic", "x-api-key", KEY),
        ("google", "x-goog-api-key", KEY),
        ("ollama", "authorization", f"Bearer {KEY}"),
    ],
)
def test_the_key_goes_into_the_header_that_the_vendor_wants_and_never_into_the_address(
    protocol: str, header: str, value: str
) -> None:
    with FakeModel() as server:
        settings = settings_for(server, protocol, api_key_env="MY_KEY", headers={"X-Team": "a"})
        ask(settings, environ={"MY_KEY": f" {KEY}\n"})
        got = server.requests[0]
    assert got.headers[header] == value
    assert got.headers["x-team"] == "a"
    assert KEY not in got.path


def test_undecodable_bytes_in_a_prompt_do_not_stop_a_request() -> None:
    with FakeModel() as server:
        ask(settings_for(server, "openai"), Request(system="s", prompt="a\udcff b"))
        assert server.prompts == ["a? b"]


def test_the_window_is_asked_of_the_server_when_nobody_else_knows() -> None:
    documents = {
        "/v1/models": {"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}}]},
        "/props": {"default_generation_settings": {"n_ctx": 6144}},
    }
    with FakeModel(documents=documents) as server:
        net = network()

        async def learn(model: object) -> tuple[int, int]:
            before = model.context_window  # type: ignore[attr-defined]
            await model.prepare(deadline=net.policy.clock() + 5)  # type: ignore[attr-defined]
            return before, model.context_window  # type: ignore[attr-defined]

        assert with_model(settings_for(server, "openai"), learn, net=net) == (32768, 6144)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("protocol", "documents", "window"),
    [
        ("openai", {"/v1/models": {"data": [{"id": "m", "max_model_len": 40960}]}}, 40960),
        ("ollama", {"/api/show": {"model_info": {"qwen3.context_length": 262144}}}, 32768),
        ("ollama", {"/api/show": {"model_info": {"llama.context_length": 8192}}}, 8192),
        ("openai", {"/v1/models": {"data": "nonsense"}}, 32768),
    ],
)
def test_vllm_and_ollama_say_their_window_in_their_own_ways(protocol: str, documents: dict, window: int) -> None:
    with FakeModel(documents=documents) as server:
        net = network()

        async def learn(model: object) -> int:
            await model.prepare(deadline=net.policy.clock() + 5)  # type: ignore[attr-defined]
            return model.context_window  # type: ignore[attr-defined]

        assert with_model(settings_for(server, protocol), learn, net=net) == window  # type: ignore[arg-type]


def test_cancelling_a_request_frees_its_place() -> None:
    with FakeModel([Fault("silent", seconds=30), "fine"]) as server:
        net = network()

        async def cancel_then_ask(model: object) -> str:
            deadline = net.policy.clock() + 60
            first = asyncio.ensure_future(model.complete(REQUEST, deadline=deadline))  # type: ignore[attr-defined]
            second = asyncio.ensure_future(model.complete(REQUEST, deadline=deadline))  # type: ignore[attr-defined]
            while not server.requests:
                await asyncio.sleep(0.005)
            first.cancel()
            return (await second).text

        settings = settings_for(server, "openai", max_concurrency=1)
        assert with_model(settings, cancel_then_ask, net=net) == "fine"  # type: ignore[arg-type]
    gc.collect()  # an unclosed socket would warn, and warnings are errors
