"""The result file: what is written can be read, and only that."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.any_result import RESULTS
from support.data import ROOT
from support.results import CASES, LOCAL, finding, result

from loom.core.change import ChangeRef
from loom.core.result import Action, Placement, ReviewResult
from loom.store import record

SCHEMA = Draft202012Validator(record.schema())
WHOLE = json.loads(
    record.dumps(
        result(
            findings=CASES["findings"].findings,
            dropped=CASES["findings"].dropped,
            fixed=("aa",),
            placements=(Placement("aa", "inline", None, "17"),),
            actions=(Action("2026-11-21T00:00:00Z", "create_review", "pull/12", 201),),
            redactions=CASES["findings"].redactions,
            warnings=CASES["findings"].warnings,
            errors=CASES["incomplete"].errors,
        )
    )
)
"""A document with something in every list."""


def read(document: object) -> ReviewResult:
    return record.loads(json.dumps(document).encode())


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(record.schema())


def test_every_object_of_the_schema_is_closed_and_asks_for_all_its_fields() -> None:
    def objects(node: object) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "properties" in node and isinstance(node["properties"], dict):
                yield node
            for inner in node.values():
                yield from objects(inner)

    found = list(objects(record.schema()))
    assert len(found) > 15
    for item in found:
        assert item["additionalProperties"] is False
        assert item["required"] == list(item["properties"])


@pytest.mark.parametrize("case", CASES)
def test_a_written_result_fits_the_schema_and_reads_back_to_the_same_bytes(case: str) -> None:
    text = record.dumps(CASES[case])
    SCHEMA.validate(json.loads(text))
    assert record.dumps(record.loads(text.encode())) == text


def test_the_golden_files_fit_the_schema() -> None:
    files = sorted((ROOT / "tests/golden/json").glob("*.json"))
    assert files
    for file in files:
        SCHEMA.validate(json.loads(file.read_bytes()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(RESULTS)
def test_any_result_fits_the_schema_and_survives_the_round_trip(any_result: ReviewResult) -> None:
    text = record.dumps(any_result)
    SCHEMA.validate(json.loads(text))
    assert record.loads(text.encode()) == any_result


def test_what_the_file_does_not_tell_of_a_change_is_left_out() -> None:
    change = ChangeRef(
        "pr", title="t", description="long", labels=("a",), target_branch="main", fork=True, trusted=False
    )
    read_back = record.loads(record.dumps(result(change=change)).encode()).change
    assert read_back == ChangeRef("pr", title="t", trusted=False)


def test_bytes_that_are_not_utf8_and_half_surrogates_are_written_out() -> None:
    odd = result(
        change=ChangeRef("local", title="half \ud800 pair"),
        findings=(finding(path="caf\udce9.py", confidence=float("nan")),),
    )
    document = json.loads(record.dumps(odd).encode("utf-8"))
    assert document["findings"][0]["path"] == r"caf\xe9.py"
    assert document["change"]["title"] == r"half \ud800 pair"
    assert document["findings"][0]["confidence"] is None


def test_timings_are_always_all_there() -> None:
    document = record.to_json(result(timings_ms={"run": 5}))
    assert document["timings_ms"] == {"source": 0, "config": 0, "plan": 0, "run": 5, "publish": 0, "total": 0}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no version"),
        (b'{"version": 2}', "it has version 2; this Loom reads version 1"),
        (b'{"version": true}', "it has version true"),
        (b'{"version": "1\\u001b[2J"}', r"it has version 1\x1b[2J"),
        (b'{"version": 1}', '"tool" is missing'),
        (b'{"version": 1, "x": NaN}', "NaN is not JSON"),
        (b'{"version": ' + b"1" * 5_000 + b"}", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_garbage_is_refused_in_one_sentence_that_names_the_file(data: bytes, says: str) -> None:
    with pytest.raises(record.ResultFileError) as caught:
        record.loads(data, name="part-1.json")
    assert caught.value.message.startswith("part-1.json: ")
    assert says in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_the_place_of_a_mistake_is_named() -> None:
    document = copy.deepcopy(WHOLE)
    document["findings"][1]["severity"] = "fatal"
    with pytest.raises(record.ResultFileError) as caught:
        read(document)
    assert caught.value.message == (
        'the result file: findings[1].severity: "fatal" is not one of blocker, warning, info'
    )


def test_half_a_surrogate_pair_in_a_file_is_refused() -> None:
    document = copy.deepcopy(WHOLE)
    document["findings"][0]["title"] = "\ud800"
    with pytest.raises(record.ResultFileError, match=r"findings\[0\].title: holds half a surrogate pair"):
        read(document)


def places(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, but for what is free inside a dropped finding."""
    yield path
    if path[:1] == ("dropped",) and path[2:] == ("finding",):
        return
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from places(inner, (*path, key))
    elif isinstance(node, list):
        for number, inner in enumerate(node[:2]):
            yield from places(inner, (*path, number))


PLACES = [place for place in places(WHOLE) if place]
WRONG = (None, True, -1, 0, 1, 1.5, "", "nonsense", [], ["x"], {}, {"x": 1})


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from(WRONG) | st.just("delete"), st.booleans())
def test_reading_is_as_strict_as_the_schema(place: tuple[str | int, ...], wrong: object, add: bool) -> None:
    document = copy.deepcopy(WHOLE)
    parent: Any = document
    for step in place[:-1]:
        parent = parent[step]
    if wrong == "delete" and isinstance(parent, dict):
        del parent[place[-1]]
    elif add and isinstance(parent, dict):
        parent["unheard-of"] = wrong
    else:
        parent[place[-1]] = wrong
    if SCHEMA.is_valid(document):
        read(document)
    else:
        with pytest.raises(record.ResultFileError):
            read(document)


def test_a_hostile_text_is_inert_in_the_file_and_the_same_after_reading() -> None:
    evil = "##[add-mask]x ##vso[task]y \x9b2J \u202e \u200b \U000e0041 \x1b \u2028 end"
    text = record.dumps(result(change=ChangeRef("pr", title=evil)))
    assert "##[" not in text
    assert "##vso[" not in text
    assert all(char == "\n" or char.isprintable() for char in text)
    assert record.loads(text.encode()).change.title == evil


def test_a_result_of_another_tool_is_refused() -> None:
    document = copy.deepcopy(WHOLE)
    document["tool"]["name"] = "ruff"
    with pytest.raises(record.ResultFileError, match=r'tool\.name: not "loom"'):
        read(document)


def test_the_same_result_gives_the_same_bytes() -> None:
    assert record.dumps(result(change=LOCAL)) == record.dumps(result(change=LOCAL))
