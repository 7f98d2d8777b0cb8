"""infra.secrets: what is a secret is found and leaves no trace; what is none stays."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.data import shared

from loom.infra import secrets
from loom.infra.secret_rules import Rule
from loom.infra.secrets import RULES, Hit, Masker, find

OWN = "sk-ant-api03-" + "Qx7Rt2Wz9Lm4" + "Vb8Nc3Kd6Hf1"
PEM_BODY = [
    "MIIEpAIBAAKCAQEA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y",
    "5z6A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S",
]
BEGIN, END = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"
TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
OTHER = "ghp_" + "Z9y8X7w6V5u4T3s2R1q0P9o8N7m6L5k4J3i2"


def corpus() -> list[Any]:
    return json.loads(shared("data", "hostile", "fake-secrets.json").read_text())


def line(case: Any) -> str:
    joined = "".join(case["secret_parts"])
    return case["template"].format(joined)


def test_the_fake_secrets_are_masked_and_the_others_left_alone() -> None:
    masker = Masker()
    missed = []
    for case in corpus():
        text = line(case)
        masked = masker.mask(text)
        if not case["is_secret"]:
            assert masked == text, case["name"]
        elif "".join(case["secret_parts"]) in masked:
            missed.append(case["name"])
    assert missed == []


def test_the_fake_secrets_are_masked_in_a_diff_too() -> None:
    masker = Masker()
    for case in corpus():
        if case["is_secret"]:
            diff = "".join(f"+{part}\n" for part in line(case).split("\n"))
            masked = masker.mask(diff)
            assert masked != diff, case["name"]
            assert masked.count("\n") == diff.count("\n")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_finds_its_examples_and_nothing_like_them(rule: Rule) -> None:
    assert rule.bad
    for parts in rule.bad:
        text = "".join(parts)
        assert rule.id in {hit.rule for hit in find(text)}, text
        assert not any(find(part) for part in parts if len(parts) > 1 and not rule.weak), (
            "an example is whole in the source"
        )
        masked = Masker().mask(text)
        assert f"[REDACTED:{rule.id}:1]" in masked
        assert Masker().mask(masked) == masked
    for text in rule.good:
        assert find(text) == ()


def test_the_table_of_rules_is_sound() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids)) >= 80
    assert all(secrets.MARK.fullmatch(f"[REDACTED:{rule_id}:1]") for rule_id in ids)
    assert all(rule.title and rule.title[:2] in ("a ", "an") for rule in RULES)
    assert all(rule.keywords for rule in RULES if rule.weak)


def test_a_hit_says_rule_place_and_line() -> None:
    text = f"é = 1\n  token: {TOKEN}\n"
    (hit,) = find(text)
    assert hit == Hit("github-token", 15, 55, 2)
    assert text[hit.start : hit.end] == TOKEN


def test_the_same_secret_has_the_same_number_and_another_one_the_next() -> None:
    text = f"a = '{TOKEN}'\nb = '{OTHER}'\nif x == '{TOKEN}': ..."
    assert Masker().mask(text) == (
        "a = '[REDACTED:github-token:1]'\nb = '[REDACTED:github-token:2]'\nif x == '[REDACTED:github-token:1]': ..."
    )


def test_a_secret_is_masked_where_its_name_is_missing_too() -> None:
    assert Masker().mask("password = 'hunter2Hunter!'\nlogin('me', 'hunter2Hunter!')") == (
        "password = '[REDACTED:password-assignment:1]'\nlogin('me', '[REDACTED:password-assignment:1]')"
    )


def test_numbers_go_on_after_marks_that_are_already_there() -> None:
    assert Masker().mask(f"[REDACTED:github-token:4] {TOKEN}") == "[REDACTED:github-token:4] [REDACTED:github-token:5]"


def test_lines_stay_lines_and_what_was_taken_is_told() -> None:
    lines = ["x = 1", BEGIN, *PEM_BODY, END, f"t = '{TOKEN}'  # {OTHER}", ""]
    masked, taken = Masker().mask_lines(lines)
    mark = "[REDACTED:private-key:1]"
    assert masked == [
        "x = 1",
        mark,
        mark,
        mark,
        mark,
        "t = '[REDACTED:github-token:1]'  # [REDACTED:github-token:2]",
        "",
    ]
    assert taken == ((1, "private-key"), (5, "github-token"))
    assert Masker().mask_lines([]) == ([], ())


@pytest.mark.parametrize(
    "lines",
    [
        [BEGIN, *PEM_BODY],
        [*PEM_BODY, END],
        ["+" + BEGIN, "+Proc-Type: 4,ENCRYPTED", "+", *("+" + each for each in PEM_BODY), "+" + END],
        ["# " + BEGIN, *("# " + each for each in PEM_BODY), "# " + END],
        ['key = ("' + BEGIN + '\\n"', *(f'       "{each}\\n"' for each in PEM_BODY), f'       "{END}")'],
        ['{"key": "' + BEGIN + "\\n" + "\\n".join(PEM_BODY) + "\\n" + END + '\\n"}'],
        [each + "\r" for each in (BEGIN, *PEM_BODY, END)],
        ["PuTTY-User-Key-File-3: ssh-rsa", "Private-Lines: 2", *PEM_BODY, "Private-MAC: 00"],
    ],
    ids=["no end", "no begin", "in a diff", "in comments", "in strings", "in JSON", "CRLF", "PuTTY"],
)
def test_a_private_key_is_masked_however_it_stands(lines: list[str]) -> None:
    masked, taken = Masker().mask_lines(lines)
    assert len(masked) == len(lines)
    assert [rule for _, rule in taken] == ["private-key"]
    assert not any(part[:20] in text for part in PEM_BODY for text in masked)
    assert Masker().mask_lines(masked) == (masked, ())


@pytest.mark.parametrize("rest", ["x", "", "2 " + PEM_BODY[0], "2 " + PEM_BODY[0] + "\nx = 1", "2\n"])
def test_talk_about_a_putty_key_breaks_nothing(rest: str) -> None:
    masked = Masker().mask(f"Private-Lines: {rest}")
    assert PEM_BODY[0] not in masked
    assert masked.count("\n") == rest.count("\n")


def test_a_masker_that_knows_secrets_finds_them_where_nothing_tells() -> None:
    lines = ["password = 'hunter2Hunter!'", f"t = '{TOKEN}'", BEGIN, *PEM_BODY, END]
    wise = Masker().knowing(Masker().take(lines).secrets)
    for value in ("hunter2Hunter!", TOKEN, *PEM_BODY):
        assert value not in wise.mask(f"it is {value}x")
        assert wise.knows_of(f"it is {value}x")
    assert wise.mask("hunter2Hunter") == "hunter2Hunter"
    assert Masker(rules=False).knowing({"hunter2Hunter!": "jwt"}).mask("hunter2Hunter!") == "hunter2Hunter!"


@pytest.mark.parametrize(
    "text",
    [
        f'if text.startswith("{BEGIN}") and text.endswith("{END}"):',
        f"{BEGIN}\n...\n{END}",
        f"{BEGIN}\nreturn decoded",
        "-----BEGIN CERTIFICATE-----\n" + "\n".join(PEM_BODY) + "\n-----END CERTIFICATE-----",
    ],
)
def test_talk_about_keys_and_public_parts_stay(text: str) -> None:
    assert find(text) == ()


FORMS = (OWN, OWN[::-1], OWN.encode().hex(), OWN.encode().hex().upper(), "".join(f"%{b:02X}" for b in OWN.encode()))


@pytest.mark.parametrize(
    "shown",
    [
        OWN,
        "the key is " + OWN[7:],
        OWN[20:33],
        " ".join(OWN),
        OWN[:20] + "\n" + OWN[20:],
        OWN[::-1],
        OWN.encode().hex(),
        OWN.encode().hex().upper(),
        "".join(f"%{b:02X}" for b in OWN.encode()),
        "https://e.invalid/?k=" + OWN,
        *(base64.b64encode(b"x" * n + OWN.encode() + b"yz").decode() for n in range(3)),
    ],
)
def test_our_own_key_is_masked_in_every_disguise(shown: str) -> None:
    masked = Masker([OWN], rules=False).mask(shown)
    assert "[REDACTED:own-secret:1]" in masked
    left = "".join(secrets.MARK.sub("", masked).split())
    assert not any(left[at : at + 12] in shown_form for at in range(len(left) - 11) for shown_form in FORMS)


def test_what_every_key_of_a_vendor_begins_with_is_not_our_key() -> None:
    assert Masker([OWN], rules=False).mask("keys begin with sk-ant-api03-") == "keys begin with sk-ant-api03-"


def test_short_values_are_words_and_no_secrets() -> None:
    assert Masker(["ollama", ""]).mask("use ollama") == "use ollama"


def test_without_rules_only_our_own_keys_are_masked() -> None:
    assert Masker([OWN], rules=False).mask(f"{TOKEN} {OWN}") == f"{TOKEN} [REDACTED:own-secret:1]"


SECRET_BITS = st.sampled_from(
    [
        *(
            "password",
            "token",
            "api_key",
            " = ",
            ": ",
            "=",
            '"',
            "'",
            "\\",
            "\n",
            "+",
            " ",
            "://",
            "u:",
            "@h",
            "Bearer ",
        ),
        *(
            "hunter2!Ab",
            TOKEN,
            OTHER[:20],
            BEGIN,
            END,
            *PEM_BODY,
            "[REDACTED:",
            "[REDACTED:jwt:1]",
            "]",
            ":1",
            "A1b2C3d4E5f6G7h8",
        ),
        *("eyJhbGciOi", ".", "x", "é", "\0", "\udc80", "%", "curl -u "),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(SECRET_BITS, max_size=20).map("".join))


@given(TEXTS)
def test_masking_twice_changes_nothing_and_lines_stay(text: str) -> None:
    masker = Masker([OWN])
    once = masker.mask(text)
    assert masker.mask(once) == once
    assert once.count("\n") == text.count("\n")
    assert find(once) == ()


@given(TEXTS, TEXTS)
def test_a_token_never_survives_its_surroundings(before: str, after: str) -> None:
    assume("[REDACTED:" not in before + after)
    assert TOKEN not in Masker().mask(f"{before}{TOKEN}{after}")


@given(st.text(), st.text())
def test_our_own_key_never_survives_its_surroundings(before: str, after: str) -> None:
    assert OWN not in Masker([OWN], rules=False).mask(f"{before}{OWN}{after}")


@given(TEXTS)
def test_hits_are_in_order_and_do_not_overlap(text: str) -> None:
    hits = find(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(hits))
    assert all(hit.line == text.count("\n", 0, hit.start) + 1 for hit in hits)


@pytest.mark.parametrize(
    "text",
    [
        "password=" * 100_000,
        "http://a:" * 100_000,
        BEGIN * 30_000,
        ("Private-Lines: 9\n") * 50_000,
        "A" + "+" * 1_000_000,
        "curl -u " * 100_000,
        "[REDACTED:jwt:1]" * 50_000,
        'secret: "a\\"' * 80_000,
    ],
    ids=["passwords", "URLs", "begins", "PuTTY", "plus", "curl", "marks", "quotes"],
)
def test_hostile_text_is_worked_through(text: str) -> None:
    assert Masker([OWN]).mask(text).count("\n") == text.count("\n")
