"""Broken JSON is read as it was meant, in linear time, and never raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import shared

from loom.engine.tolerant_json import CutObject, Json, read, strict


def values(text: str, *keys: str) -> list[Json]:
    return [found.value for found in read(text, keys=frozenset(keys)).values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': 'it isn't', 'b': None, 'c': True}", {"a": "it isn't", "b": None, "c": True}),
        ('{"a": 1, "b": [1, 2,],}', {"a": 1, "b": [1, 2]}),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
        ('{a: 1, b-c: two words, d: src/x.py}', {"a": 1, "b-c": "two words", "d": "src/x.py"}),
        ('{"a": "say "hi", please", "b": 1}', {"a": 'say "hi", please', "b": 1}),
        ('{"a": "use {"x": "y"} here", "b": 1}', {"a": 'use {"x": "y"} here', "b": 1}),
        ('{"a": "one\ntwo", "b": "C:\\dir\\new"}', {"a": "one\ntwo", "b": "C:\\dir\new"}),
        (r'{"a": "\bword\b", b: 1}', {"a": r"\bword\b", "b": 1}),
        ('{"a": "x" + "y", "b": ("p "\n "q")}', {"a": "xy", "b": "p q"}),
        ("{“a”: “b”, c: `d`}", {"a": "b", "c": "d"}),
        ('{"a": """x "y" z""", b: 1}', {"a": 'x "y" z', "b": 1}),
        ('{/* one */ "a": 1, // two\n "b": 2 # three\n}', {"a": 1, "b": 2}),
        ('{"a": [{"b": 1}, {"c": 2], "d": 3', {"a": [{"b": 1}, {"c": 2}], "d": 3}),
        ('{"a": (1, 2), "b": (3)}', {"a": [1, 2], "b": 3}),
        ('{"a": NaN, "b": -Infinity, "c": undefined, d: nil}', {"a": None, "b": None, "c": None, "d": None}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"a": ' + "9" * 5000 + ', "b": 1_000, "c": -1.5e3}', {"a": None, "b": 1000, "c": -1500.0}),
        (r'{"a": "\ud83d\ude00 \ud800", b: 1}', {"a": "😀 \ufffd", "b": 1}),
        ('{"a" = 1, "b" => 2}', {"a": 1, "b": 2}),
        ('["a", null, "b", true, -1,]', ["a", None, "b", True, -1]),
        ('[1, 2, ..., 9]', [1, 2, 9]),
    ],
)  # fmt: skip
def test_what_a_model_wrote_is_read_as_it_was_meant(text: str, expected: Json) -> None:
    assert values(text) == [expected]


def test_a_string_without_its_closing_quote_ends_before_the_next_expected_key() -> None:
    text = '{"message": "never closed,\n  "severity": "high"}'
    assert values(text, "severity") == [{"message": "never closed", "severity": "high"}]


def test_prose_around_does_not_hide_the_values() -> None:
    text = "I read [Note] f(x) { return } and {y}.\n{'a': 1}\nthen\n[2]\nok }"
    assert values(text) == [{"a": 1}, [2]]


def test_a_missing_closer_ends_with_the_one_outside() -> None:
    assert values("[{'a': {'b': 1, 'c': [2}, 'd': 3}]") == [[{"a": {"b": 1, "c": [2]}, "d": 3}]]
    assert values("{'a': [{'b': 1, {'b': 2}]}") == [{"a": [{"b": 1}, {"b": 2}]}]


def test_an_object_that_the_text_ended_in_is_marked() -> None:
    reading = read('{"a": [{"b": 1}, {"b": 2, "c": "hal')
    assert reading.truncated
    (outer,) = (found.value for found in reading.values)
    assert isinstance(outer, CutObject)
    items = outer["a"]
    assert isinstance(items, list)
    assert [isinstance(item, CutObject) for item in items] == [False, True]


def test_half_an_item_of_a_list_is_left_out() -> None:
    assert values('{"ids": ["a.py#1", "b.p') == [{"ids": ["a.py#1"]}]


def test_strict_takes_whole_json_only() -> None:
    found = strict(' {"a": 1} ')
    assert found is not None
    assert (found.value, found.start) == ({"a": 1}, 1)
    assert strict('{"a": 1} and') is None
    assert strict("[" * 100_000) is None
    assert strict("[" * 70 + "]" * 70) is None


def test_values_deeper_than_any_answer_are_left_out_and_the_rest_is_kept() -> None:
    assert values("[" * 70 + "]" * 70 + ' {"a": 1}')[-1] == {"a": 1}


BOMBS = [
    "{", "[", '"a ', '\\"', '{"a": "a ', '["a ', '{"a":"\\"', '{"a":', "{'a' ", "[{", '{"a": "x", "b ', '{"k": "x"}',
    '{"m": "a "b", "c ', '(["', '{"a": /*', "{ ", "{`a", '"}', '{"a":""}', '" ', '", "b": 1 ', '"}]', '{"a": "x"\n',
    '"\n', "'", '"', '"\n"b":', "b ", '",', "{x:", "[[1],", "\\", "“", "...", "#\n", "1", "<think>", "```\n",
]  # fmt: skip


@pytest.mark.parametrize("start", ["", '{"a":', '{"a":"', '["', "{a:"])
@pytest.mark.parametrize("piece", BOMBS)
def test_bombs_end(start: str, piece: str) -> None:
    """200 kB each. A quadratic step anywhere makes this run for minutes (json_repair: 20 kB took 12 s)."""
    text = start + piece * (200_000 // len(piece))
    assert isinstance(read(text).truncated, bool)


def test_text_over_a_megabyte_is_cut_and_said_so() -> None:
    reading = read("[" + "1," * 600_000 + "1]")
    assert reading.truncated


def test_the_corpus_of_broken_json_ends_without_an_error() -> None:
    for case in json.loads(shared("data", "llm-output", "broken-json.json").read_text(encoding="utf-8")):
        read(case["input"])


scalars = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(max_size=30)
names = st.from_regex(r"[a-z][a-z_]{0,12}", fullmatch=True)
documents = st.recursive(
    st.dictionaries(names, scalars, max_size=4) | st.lists(scalars, max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(st.text())
def test_nothing_raises(text: str) -> None:
    read(text)
    read('{"a": [' + text)


@given(documents, st.sampled_from([None, 2]))
def test_valid_json_within_a_broken_list_is_kept_whole(value: Json, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=True)
    assert strict(text) is not None
    found = values("[" + text)  # never closed: the strict reader refuses it
    assert json.dumps(found).encode() == json.dumps([[_readable(value)]]).encode()


def _readable(value: Json) -> Json:
    """What text survives: lone surrogates and the escapes nobody means do not."""
    if isinstance(value, str):
        text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text.replace("\b", "\\b").replace("\f", "\\f")
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return value


@given(st.dictionaries(names, st.text("ab c'\n", max_size=20) | st.booleans() | st.none(), max_size=4))
def test_python_literals_are_read(value: dict[str, Json]) -> None:
    assert values(repr({"x": value})) == [{"x": value}]
