"""Costs: right for what is known, None for what is not."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from support.asking import ModelSettings, network, with_model

from loom.core import prices
from loom.core.prices import Rate, at_rate, cost_usd
from loom.llm.base import TokenUsage


def used(given: int = 0, out: int = 0, *, cached: int = 0, written: int = 0) -> TokenUsage:
    return TokenUsage(input_tokens=given, output_tokens=out, cached_tokens=cached, cache_write_tokens=written)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "usd"),
    [
        ("anthropic", "claude-opus-5-5", used(100_000, 2_000), 0.44),
        ("anthropic", "claude-opus-5-5-20261001", used(100_000, 2_000), 0.44),
        ("anthropic", "claude-opus-5-5", used(100_000, 0, cached=90_000), 0.04 + 0.018),
        ("anthropic", "claude-opus-5-5", used(100_000, 0, written=100_000), 0.5),
        ("anthropic", "claude-haiku-5-5", used(100_000, 0), 0.01),
        ("anthropic", "claude-haiku-5-5", used(100_001, 0), 0.0500005),  # the whole request at the long rate
        ("openai", "gpt-5.6", used(272_000, 1_000), 1.088 + 0.02),
        ("openai", "gpt-5.6", used(300_000, 1_000), 2.4 + 0.03),
        ("azure", "gpt-5.6", used(1_000_000, 0), 8.0),
        ("openrouter", "anthropic/claude-sonnet-5.5", used(1_000_000, 0), 2.0),
        ("google", "models/gemini-3.8-flash", used(1_000_000, 0), 0.75),
    ],
)
def test_a_known_model_costs_what_its_vendor_says(provider: str, model: str, usage: TokenUsage, usd: float) -> None:
    assert cost_usd(provider, model, usage) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-99"), ("openai", "gpt-5.6-ultra"), ("nobody", "gpt-5.6"), ("openai", ""), ("google", "gemini")],
)
def test_an_unknown_price_is_unknown_and_not_nothing(provider: str, model: str) -> None:
    assert cost_usd(provider, model, used(10, 10)) is None
    assert prices.window(provider, model) is None


def test_cached_input_without_a_price_of_its_own_is_billed_as_input() -> None:
    assert at_rate(Rate(input=2, output=4), used(1_000_000, 500_000, cached=400_000)) == 4.0


def test_the_table_is_dated_small_and_sane() -> None:
    path = Path(prices.__file__).with_name("prices.json")
    assert path.stat().st_size < 60_000
    assert datetime.date.fromisoformat(prices.table_date()).year >= 2026
    for provider, models in json.loads(path.read_bytes())["providers"].items():
        for model in models:
            entry = prices.find(provider, model)
            assert entry
            assert entry.rate.output >= entry.rate.input * 0.2, model
            assert entry.rate.cached_input is None or entry.rate.cached_input <= entry.rate.input * 1.01, model
            assert entry.long_rate is None or entry.long_rate.input >= entry.rate.input, model


def test_a_models_cost_comes_from_the_configuration_then_the_table_and_is_nothing_only_on_this_machine() -> None:
    class Price:
        input, output, cached_input = 1.0, 2.0, None

    def cost(settings: ModelSettings) -> float | None:
        async def look(model: object) -> float | None:
            return model.cost_usd(used(1_000_000, 1_000_000))  # type: ignore[attr-defined]

        return with_model(settings, look, net=network())  # type: ignore[arg-type]

    assert cost(ModelSettings(base_url="https://h.example/v1", price=Price())) == 3.0  # type: ignore[arg-type]
    assert cost(ModelSettings(base_url="https://api.openai.com/v1", model="gpt-5.6")) == 38.0
    assert cost(ModelSettings(base_url="https://h.example/v1", model="gpt-5.6")) is None
    assert cost(ModelSettings(base_url="http://localhost:8000/v1")) == 0.0
