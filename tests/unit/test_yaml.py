"""YAML with positions and limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st
from support.data import cases, shared

from loom.core.errors import ConfigError, Problem
from loom.infra import yaml


def problem(text: str | bytes) -> Problem:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigError) as caught:
        yaml.load(raw, file="x.yaml")
    return caught.value.problems[0]


def problems(raw: bytes) -> tuple[Problem, ...]:
    """What is wrong with a file; nothing when it is read."""
    try:
        yaml.load(raw, file="x.yaml")
    except ConfigError as error:
        return error.problems
    return ()


def value(text: str) -> object:
    return yaml.load(text.encode(), file="x.yaml").value


def test_only_true_and_false_are_booleans_and_nothing_is_guessed() -> None:
    text = "[true, False, no, on, 010, 0x1F, 1:30, 1e3, 2020-01-01, ~, null, '', 1_000, .5, -3, '7', .inf, 0o7]"
    expected = [True, False, "no", "on", "010", "0x1F", "1:30", 1000.0, "2020-01-01"]
    assert value(text) == [*expected, None, None, "", "1_000", 0.5, -3, "7", ".inf", "0o7"]


def test_keys_are_text_whatever_they_look_like() -> None:
    assert value("on: 1\n2: a\ntrue: b\nnull: c\n'': d") == {"on": 1, "2": "a", "true": "b", "null": "c", "": "d"}


def test_an_empty_file_is_nothing_and_a_byte_order_mark_is_accepted() -> None:
    assert yaml.load(b"", file="x").value is None
    assert yaml.load(b"# only a comment\n", file="x").value is None
    assert yaml.load(b"\xef\xbb\xbfa: 1\n", file="x").value == {"a": 1}


def test_every_value_and_key_knows_its_place() -> None:
    document = yaml.load("a:\n  - é: {k: v}\n  -   second\nb:\n".encode(), file="x")
    assert document.place(("a", 0, "é", "k")) == (2, 12)
    assert document.key_place(("a", 0, "é", "k")) == (2, 9)
    assert document.place(("a", 1)) == (3, 7)
    assert document.place(("a", 1, "deeper", "still")) == (3, 7)
    assert document.place(("nowhere",)) == (1, 1)
    assert document.key_place(("b",)) == (4, 1)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: &x 1", 1, 4, "anchors (&x)"),
        ("a: *x", 1, 4, "aliases (*x)"),
        ("a:\n  <<: {b: 1}", 2, 3, "merge keys"),
        ("a: !!int '1'", 1, 4, "tags"),
        ("a: !mine 1", 1, 4, "tags"),
        ("!x a: 1", 1, 1, "tags"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "%TAG"),
        ("a: 1\n---\nb: 2", 2, 1, "second document"),
        ("a: 1\nb: 2\na: 3", 3, 1, 'the key "a" is already on line 1'),
        ("? [a]\n: 1", 1, 3, "a key must be plain text"),
        ("a:\n\tb: 1", 2, 1, "a tab indents this line"),
        ("a: [1, 2", 1, 4, "not YAML"),
        ("a: 'x", 1, 4, "not YAML"),
        ("a: " + "9" * 5000, 1, 4, "5000 digits"),
        ("a: 1e999", 1, 4, "does not fit"),
        ('a: "\\0"', 1, 4, "escaped NUL"),
        ("[" * 40, 1, 21, "nested deeper than 20"),
        ("a: 1\nb: x\x1b[2J", 2, 5, "control character U+001B"),
        (b"a: 1\nb: caf\xe9", 2, 7, "byte 0xe9 is not UTF-8"),
        ("a: 1".encode("utf-16"), 1, 1, "UTF-16"),
        ("a: " + "x" * 300_000, 1, 1, "262,144"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_where_it_stands(
    text: str | bytes, line: int, column: int, says: str
) -> None:
    found = problem(text)
    assert says in found.message
    assert (found.file, found.line, found.column) == ("x.yaml", line, column)


def test_duplicates_and_oversized_numbers_are_all_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        yaml.load(b"a: 1\na: 2\nb: {c: 1, c: 2}\nn: 1234567890123456789012\n", file="x")
    assert [(p.line, p.column, p.key) for p in caught.value.problems] == [(2, 1, "a"), (3, 11, "b.c"), (4, 4, "n")]


@pytest.mark.parametrize("path", cases("hostile/yaml", "*.yaml"), ids=lambda p: p.name)
def test_hostile_files_are_read_or_refused_at_once(path: Path) -> None:
    raw = shared("data", "hostile", "yaml", path.name).read_bytes()
    assert all(p.line >= 1 and p.column >= 1 for p in problems(raw))


@pytest.mark.parametrize(
    "unit", [b"[", b"{", b"- ", b"? ", b'"', b"'", b"&a ", b"!", b"|\n", b"a:\n ", b"#\n", b"- - "]
)
def test_the_largest_file_of_any_opening_ends(unit: bytes) -> None:
    text = unit * (yaml.MAX_BYTES // len(unit))
    assert all(p.line >= 1 and p.column >= 1 for p in problems(text))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz.-_", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(TREES)
def test_json_is_read_as_what_it_says(tree: object) -> None:
    text = json.dumps(tree, ensure_ascii=False)
    assert yaml.load(text.encode(), file="x").value == tree


@given(TREES)
def test_what_pyyaml_writes_is_read_back(tree: object) -> None:
    text = pyyaml.safe_dump(tree, allow_unicode=True)
    if "&" not in text and "*" not in text and "!" not in text and "\\" not in text:
        assert yaml.load(text.encode(), file="x").value == tree


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    assert all(p.line >= 1 and p.column >= 1 for p in problems(raw))
