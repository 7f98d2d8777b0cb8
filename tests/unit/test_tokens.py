"""The token estimator: close enough, never surprised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import shared

from loom.core.tokens import FAMILIES, SAFETY, estimate, family_of


def test_ordinary_code_is_a_bit_under_four_bytes_a_token() -> None:
    code = "def total(items: list[Item]) -> int:\n    return sum(item.price for item in items if item.visible)\n" * 20
    assert 3 <= len(code) / estimate(code) <= 5


def test_real_diffs_come_out_between_three_and_six_bytes_a_token() -> None:
    sizes = []
    for case in sorted(shared("data", "reviews", "cases").glob("*.json")):
        diff = json.loads(case.read_bytes())["diff"].encode()
        sizes.append(len(diff) / estimate(diff))
    assert min(sizes) >= 3
    assert max(sizes) <= 6
    assert 3.4 <= sorted(sizes)[len(sizes) // 2] <= 4.2


@given(st.text())
def test_text_and_its_bytes_count_alike_and_only_nothing_is_nothing(text: str) -> None:
    if text.encode("utf-8", "ignore").decode() == text:
        assert estimate(text) == estimate(text.encode())
    assert (estimate(text) == 0) is (text == "")


@given(st.binary(), st.binary())
def test_more_text_is_never_fewer_tokens(first: bytes, second: bytes) -> None:
    # The one exception is deliberate: a second blank beside a blank is free, and rounding takes half a token.
    assert estimate(first + second) >= estimate(first) - 1


@given(st.binary(min_size=1))
def test_a_family_with_a_finer_tokenizer_counts_more(data: bytes) -> None:
    assert estimate(data, "claude") >= estimate(data, "claude-legacy") >= estimate(data)
    assert estimate(data, "never heard of") == estimate(data)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-5.6", "openai"),
        ("openai/gpt-4o", "openai"),
        ("gpt-oss:20b", "openai"),
        ("claude-sonnet-5-5", "claude"),
        ("anthropic/claude-opus-4.7", "claude"),
        ("claude-fable-5-1", "claude"),
        ("claude-opus-4-6", "claude-legacy"),
        ("claude-opus-4-20250514", "claude-legacy"),
        ("claude-haiku-4-5-20251001", "claude-legacy"),
        ("claude-3-7-sonnet-latest", "claude-legacy"),
        ("models/gemini-3.8-flash", "gemini"),
        ("qwen3-coder:30b", "open"),
    ],
)
def test_the_family_is_told_from_the_name(model: str, family: str) -> None:
    assert family_of(model) == family
    assert family in FAMILIES


def test_the_safety_factor_is_the_one_that_was_measured() -> None:
    assert SAFETY == 1.15
