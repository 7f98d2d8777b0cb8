"""What Loom says on stderr: levels, secrets, errors with their hints, nothing that a terminal or a runner obeys."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from support.data import shared

from loom.core.errors import ConfigError, LoomError, Problem, SourceError
from loom.infra import log

SECRET = "sk-very-secret-value"


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """Take the handler of the test's stream off again."""
    yield
    logging.getLogger(log.NAME).handlers.clear()


def mask(text: str) -> str:
    return text.replace(SECRET, "[REDACTED]")


def said(error: LoomError, *, form: log.Format = "text", verbosity: int = 0) -> str:
    stream = io.StringIO()
    log.configure(stream, form=form, verbosity=verbosity, mask=mask)
    try:
        raise error
    except LoomError as raised:
        log.show_error(raised)
    return stream.getvalue()


def test_an_error_is_one_message_and_what_to_do() -> None:
    error = SourceError("no repository here: /tmp/x", hint="run loom inside a git repository, or give --diff FILE")
    assert said(error) == (
        "loom: error: no repository here: /tmp/x\n  hint: run loom inside a git repository, or give --diff FILE\n"
    )


def test_every_problem_of_a_configuration_has_its_line() -> None:
    error = ConfigError([Problem("a.yaml", 3, 5, "models", "unknown key"), Problem("a.yaml", 9, 1, "", "a tab")])
    assert said(error) == "loom: error: a.yaml:3:5: models: unknown key\n  a.yaml:9:1: a tab\n"


def test_a_traceback_only_when_everything_was_asked_for() -> None:
    error = SourceError("gone")
    assert "Traceback" not in said(error, verbosity=1)
    deep = said(error, verbosity=2)
    assert "  Traceback (most recent call last):" in deep
    assert re.match(r"loom: \d\d:\d\d:\d\d\.\d{3} error: loom: gone\n", deep)


def test_an_error_as_json_is_one_object_with_its_slug() -> None:
    line = said(SourceError("gone\nreally", hint="look"), form="json")
    assert line.count("\n") == 1
    document = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document.pop("time"))
    assert document == {"level": "error", "logger": "loom", "message": "gone\nreally", "slug": "source", "hint": "look"}


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [(-5, {"error"}), (-1, {"error"}), (0, {"warning", "error"}), (1, {"info", "warning", "error"}),
     (2, {"debug", "info", "warning", "error"}), (9, {"debug", "info", "warning", "error"})],
)  # fmt: skip
def test_q_and_v_choose_how_much_is_said(verbosity: int, levels: set[str]) -> None:
    stream = io.StringIO()
    log.configure(stream, form="json", verbosity=verbosity)
    part = log.logger("engine")
    part.debug("d")
    part.info("i")
    part.warning("w")
    part.error("e")
    assert {json.loads(line)["level"] for line in stream.getvalue().splitlines()} == levels


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("verbosity", [0, 2])
def test_a_secret_never_gets_out(form: log.Format, verbosity: int) -> None:
    stream = io.StringIO()
    log.configure(stream, form=form, verbosity=verbosity, mask=mask)
    part = log.logger("llm")
    part.warning("sent %s to %s", SECRET, {"authorization": f"Bearer {SECRET}"}, extra={"key": SECRET, "hint": SECRET})
    try:
        raise ValueError(SECRET)
    except ValueError:
        part.exception("failed with %s", SECRET)
    assert "[REDACTED]" in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_hostile_vector_reaches_the_log(form: log.Format) -> None:
    for vector in json.loads(shared("data", "hostile", "hostile-output.json").read_bytes()):
        if vector["channel"] == "log":
            stream = io.StringIO()
            log.configure(stream, form=form)
            log.logger("x").warning("%s", vector["input"], extra={"hint": vector["input"], "path": vector["input"]})
            log.logger("x").warning("first line\n%s", vector["input"])
            for pattern in vector["must_not_match"]:
                assert not re.search(pattern, stream.getvalue()), vector["id"]


def test_own_fields_are_kept_in_json_and_kept_out_of_text() -> None:
    stream = io.StringIO()
    log.configure(stream, form="json")
    log.logger("llm").warning("slow", extra={"ms": 1200, "model": "gpt\x1b", "ok": False, "none": None})
    document = json.loads(stream.getvalue())
    assert (document["ms"], document["model"], document["ok"], document["none"]) == (1200, "gpt\\x1b", False, None)
    stream = io.StringIO()
    log.configure(stream)
    log.logger("llm").warning("slow", extra={"ms": 1200})
    assert stream.getvalue() == "loom: warning: slow\n"


def test_configuring_again_replaces_what_was() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure(first)
    log.configure(second)
    log.logger("x").warning("once")
    assert (first.getvalue(), second.getvalue()) == ("", "loom: warning: once\n")
