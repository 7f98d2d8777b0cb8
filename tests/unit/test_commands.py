"""Comment commands: what counts as one, who may, and that the grammar is the one every review goes by."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.posting import SEAL

from loom.config.schema import Commands
from loom.engine.commands import GRAMMAR, Command, Mistake, Said, Verb, help_text, ignored, least, may, parse
from loom.engine.recall import recall
from loom.platforms.values import Access, Comment, Thread

FP = "0c4e2f7a91b8d635"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "see workflows/loom review",
        "please /loom review",
        " /loom review",
        "/loomreview",
        "/Loom review",
        "/loom-bot review",
        "hello\n/loom review",
        "> /loom review",
        "`/loom review`",
        "\n/loom review",
        "\u200b/loom review",
        "//loom review",
    ],
)
def test_only_a_first_line_that_begins_with_the_exact_name_is_a_command(body: str) -> None:
    assert parse(body, in_thread=False) is None
    assert parse(body, in_thread=True) is None


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("/loom", Command(verb="help")),
        ("/loom help", Command(verb="help")),
        ("/loom help me please", Command(verb="help")),
        ("/loom review", Command(verb="review")),
        ("/loom review\r\nthank you", Command(verb="review")),
        ("/loom \t review  --full ", Command(verb="review", full=True)),
        (f"/loom ignore {FP}", Command(verb="ignore", fingerprint=FP)),
        (f"/loom ignore `{FP[:8].upper()}` old  code", Command(verb="ignore", fingerprint=FP[:8], reason="old code")),
        (f"/loom resolve {FP}", Command(verb="resolve", fingerprint=FP)),
    ],
)
def test_what_a_general_comment_can_ask_for(body: str, meant: Command) -> None:
    assert parse(body, in_thread=False) == meant


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("/loom ignore", Command(verb="ignore")),
        ("/loom ignore legacy code", Command(verb="ignore", reason="legacy code")),
        ("/loom resolve", Command(verb="resolve")),
        (f"/loom ignore {FP} legacy", Command(verb="ignore", fingerprint=FP, reason="legacy")),
    ],
)
def test_in_a_findings_thread_the_finding_need_not_be_named(body: str, meant: Command) -> None:
    assert parse(body, in_thread=True) == meant


@pytest.mark.parametrize(
    "body",
    [
        "/loom review --base-url=https://evil.invalid",
        "/loom review --config x.yaml",
        "/loom review --model gpt --full",
        "/loom review now",
        "/loom review; rm -rf /",
        "/loom review $(id)",
        "/loom approve",
        "/loom --help",
        "/loom REVIEW",
        "/loom ignore",
        "/loom ignore everything",
        "/loom ignore 0c4e",
        "/loom ignore --all",
        "/loom resolve",
    ],
)
def test_anything_else_is_a_mistake_and_never_a_command(body: str) -> None:
    assert isinstance(parse(body, in_thread=False), Mistake)


@given(st.text(max_size=60), st.booleans())
def test_no_text_makes_a_command_but_the_listed_ones(text: str, in_thread: bool) -> None:
    found = parse("/loom " + text, in_thread=in_thread)
    assert found is not None
    if isinstance(found, Command) and found.verb == "review":
        assert set(text.split("\n")[0].split()) <= {"review", "--full"}
    if isinstance(found, Command) and found.fingerprint is not None:
        assert set(found.fingerprint) <= set("0123456789abcdef")
        assert 8 <= len(found.fingerprint) <= 16


def said(**changes: object) -> Said:
    return Said(**{"author": "ada", "by_bot": False, "action": "created", **changes})  # type: ignore[arg-type] # any


@pytest.mark.parametrize(
    "changes",
    [{"action": "edited"}, {"action": "deleted"}, {"action": ""}, {"by_bot": True}, {"author": ""}, {"author": "Loom"}],
    ids=str,
)
def test_edits_bots_nobody_and_ourselves_are_not_listened_to(changes: dict[str, object]) -> None:
    assert ignored(said(**changes), own_login="loom")


def test_a_persons_new_comment_is_listened_to() -> None:
    assert ignored(said(), own_login="loom") is None
    assert ignored(said()) is None


@pytest.mark.parametrize("access", get_args(Access))
def test_what_cannot_be_told_is_denied_whatever_the_team_allows(access: Access) -> None:
    everything = Commands(review="read", ignore="read", resolve="read")
    allowed = {verb: may(access, least(verb, everything)) for verb in get_args(Verb)}
    assert set(allowed.values()) == {access in ("read", "write", "admin")}
    usual = {may(access, least(verb, Commands())) for verb in get_args(Verb)}
    assert usual == {access in ("write", "admin")}
    assert may(access, least("review", Commands(review="admin"))) == (access == "admin")


def test_the_help_names_every_command_and_quotes_a_mistake() -> None:
    text = help_text(quote="no such thing")
    assert "no such thing" in text
    assert all(f"`{command}`" in text for command, _ in GRAMMAR)
    assert {command.split()[1] for command, _ in GRAMMAR} == set(get_args(Verb))


@pytest.mark.parametrize("verb", ["ignore", "resolve"])
@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=40))
def test_what_is_parsed_as_a_named_ignore_is_what_the_next_review_obeys(verb: str, rest: str) -> None:
    body = f"/loom {verb} {FP} {rest}"
    command = parse(body, in_thread=False)
    assert isinstance(command, Command)
    comment = Comment(id="1", body=body, author="ada", by_self=False, by_bot=False, created_at="2026-11-21T00:00:00Z")
    (heard,) = recall([Thread(id="1", comments=(comment,))], SEAL).said
    assert (heard.fingerprint, heard.how, heard.who) == (FP, verb, "ada")
    assert heard.reason.split() == command.reason.split()
