"""Hosts as data, and how a configured model finds its own."""

from __future__ import annotations

import pytest
from support.asking import ModelSettings, network, with_model

from loom.core.errors import UsageError
from loom.infra.net import origin_of
from loom.llm import TABLE, endpoints, make
from loom.llm.endpoints import ollama_url

PROVIDERS = sorted({e.provider for e in endpoints.ENDPOINTS})


def test_every_provider_has_a_wire_format_a_default_and_a_row_for_any_host() -> None:
    assert {*PROVIDERS, "scripted"} == set(TABLE)
    for provider in PROVIDERS:
        assert endpoints.default_for(provider).base_url
        assert endpoints.find(provider, origin_of("https://anything.example")).host == ""


def test_ollama_without_an_address_is_the_one_on_this_machine() -> None:
    assert endpoints.default_for("ollama").base_url == "http://127.0.0.1:11434"


@pytest.mark.parametrize("row", [e for e in endpoints.ENDPOINTS if e.base_url], ids=lambda e: f"{e.name}-{e.provider}")
def test_an_address_of_the_table_finds_its_own_row(row: endpoints.Endpoint) -> None:
    assert endpoints.find(row.provider, origin_of(row.base_url or "")) is row


def test_public_rows_use_https_and_know_where_their_key_is() -> None:
    for row in endpoints.ENDPOINTS:
        if row.host:
            assert row.needs_key
            assert row.key_env, row.name
            assert (row.base_url or "https://").startswith("https://")


def test_azure_is_not_built_in_because_anybody_can_rent_a_name_there() -> None:
    hosts = endpoints.builtin_hosts()
    assert {"api.openai.com", "api.anthropic.com", "localhost"} <= hosts
    assert not any("azure" in host for host in hosts)
    assert endpoints.find("openai-compatible", origin_of("https://x.openai.azure.com/openai/v1")).name == "azure"
    assert endpoints.find("openai-compatible", origin_of("https://openai.azure.com.evil.example")).name != "azure"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:1234/v1", "lm-studio"), ("http://localhost:8080", "llama.cpp"),
        ("http://[::1]:8000", "vllm"),
        ("http://localhost:9999", "openai-compatible"), ("https://vllm.corp:8000", "openai-compatible"),
    ],
)  # fmt: skip
def test_a_port_tells_the_server_on_loopback_only(url: str, name: str) -> None:
    assert endpoints.find("openai-compatible", origin_of(url)).name == name


@pytest.mark.parametrize(
    ("settings", "identity"),
    [
        (ModelSettings(model="gpt-5.6"), "openai api.openai.com/v1 gpt-5.6"),
        (ModelSettings(provider="anthropic", model="claude-x"), "anthropic api.anthropic.com claude-x"),
        (ModelSettings(provider="google", model="g"), "google generativelanguage.googleapis.com g"),
        (ModelSettings(provider="ollama", model="q:8b"), "ollama 127.0.0.1:11434 q:8b"),
        (ModelSettings(base_url="http://localhost:8000"), "vllm localhost:8000/v1 m"),
        (ModelSettings(base_url="https://h.example/x?key=s3cret"), "openai-compatible h.example/x m"),
        (ModelSettings(base_url="https://x.openai.azure.com"), "azure x.openai.azure.com/openai/v1 m"),
        (
            ModelSettings(temperature=0.5, reasoning_effort="low"),
            "openai api.openai.com/v1 m temperature=0.5 effort=low",
        ),
    ],
)
def test_an_identity_names_provider_place_and_model_and_no_secret(settings: ModelSettings, identity: str) -> None:
    async def look(model: object) -> str:
        return model.identity  # type: ignore[attr-defined]

    assert with_model(settings, look, environ={"OPENAI_API_KEY": "sk-1"}) == identity  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "window", "concurrency"),
    [
        (ModelSettings(provider="anthropic", model="claude-opus-5-5"), 1_000_000, 8),
        (ModelSettings(provider="anthropic", model="claude-new"), 200_000, 8),
        (ModelSettings(model="gpt-5.6", context_window=9), 9, 8),
        (ModelSettings(base_url="https://h.example"), 32_768, 8),
        (ModelSettings(provider="ollama"), 32_768, 2),
        (ModelSettings(provider="ollama", max_concurrency=5), 32_768, 5),
    ],
)
def test_limits_come_from_the_configuration_then_the_tables(
    settings: ModelSettings, window: int, concurrency: int
) -> None:
    async def look(model: object) -> tuple[int, int]:
        return model.context_window, model.max_concurrency  # type: ignore[attr-defined]

    assert with_model(settings, look) == (window, concurrency)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", None), ("127.0.0.1", "http://127.0.0.1:11434"), ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"), (":9000", "http://127.0.0.1:9000"),
        ("http://gpu.corp:11434/", "http://gpu.corp:11434"), ("https://o.example", "https://o.example"),
        ("[::1]:11434", "http://[::1]:11434"), ("user:pw@host", None), ("a b:c", None),
    ],
)  # fmt: skip
def test_ollamas_own_variable_is_read_as_ollama_reads_it(host: str, url: str | None) -> None:
    assert ollama_url(host) == url


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (ModelSettings(provider="anthropc"), 'unknown provider "anthropc". Did you mean "anthropic"?'),
        (ModelSettings(base_url="ftp://x"), "models.default.base_url: not an http:// or https:// address"),
        (
            ModelSettings(base_url="https://u:p@h"),
            "models.default.base_url: a user name or password does not belong into an address",
        ),
    ],
)
def test_what_cannot_be_a_model_is_a_usage_error(settings: ModelSettings, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        make("default", settings, environ={}, network=network(), read=lambda _: None)
    assert str(caught.value) == says
