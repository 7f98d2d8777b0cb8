"""A secret that stands anywhere in a change reaches no model and no output, wherever else it is said."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.changes import change, file_change
from support.engine import Line, Scripted, answer, config, run_engine

from loom.analyzers.base import Report
from loom.core.change import ChangeSet, NoFiles
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity, Suggestion
from loom.core.result import Notice, ReviewResult
from loom.engine.masking import mask_all
from loom.engine.view import MaskedChange, mask_change
from loom.infra.secrets import MARK, Masker
from loom.store.record import dumps, loads

PASSWORD = "Tr0ub4dor9xyzQ"
ENV = f"DB_PASSWORD={PASSWORD}\n"
TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
OTHER = "ghp_" + "Z9y8X7w6V5u4T3s2R1q0P9o8N7m6L5k4J3i2"
OWN = "LoomOwnKeyValue123456"
CODE = {"path": "app.py", "line": 1}


def lines(masked: MaskedChange, path: str) -> list[str]:
    return [line.text for hunk in masked.views[path].hunks for line in hunk.lines]


def ask(files: dict[str, str], findings: Any = (), *, ref: Any = None, **given: Any) -> tuple[str, ReviewResult]:
    """What a model was sent, and the result."""
    changed, known = change(files)
    changed = replace(changed, ref=replace(changed.ref, **(ref or {})))
    model = Scripted([Line(reply=answer(findings))])
    result = run_engine(changed, known, models=model, known_secrets=[OWN], settings=config(**given))
    sent = "".join(request.system + request.context + request.prompt for request in model.requests)
    return sent, result


def lint(files: dict[str, str], analyze: Any) -> ReviewResult:
    changed, known = change(files)

    class Tool:
        def run(self, change: ChangeSet, files: Any) -> Report:
            return analyze()

    settings = config(pipelines=[{"name": "lint", "run": "x"}])
    return run_engine(changed, known, models={}, analyzers={"lint": Tool()}, settings=settings)


# -- the same secret elsewhere ----------------------------------------------------------------------------------------


def test_a_password_is_masked_in_every_other_file() -> None:
    sent, result = ask({".env": ENV, "app.py": f"connect('{PASSWORD}')\n"})
    assert "connect('[REDACTED:password-assignment:1]')" in sent
    assert PASSWORD not in sent + dumps(result)
    assert [(r.rule, r.path) for r in result.redactions] == [
        ("password-assignment", ".env"),
        ("password-assignment", "app.py"),
    ]


def test_a_password_given_away_by_the_description_is_masked_in_the_code() -> None:
    sent, result = ask({"app.py": f"connect('{PASSWORD}')\n"}, ref={"description": f"Use\npassword: {PASSWORD}\n."})
    assert PASSWORD not in sent + dumps(result)


def test_a_short_password_is_masked_as_a_word_only() -> None:
    masked = mask_change(change({".env": "password = 'hunter2'\n", "a.py": "f('hunter2', hunter22)\n"})[0], Masker())
    assert lines(masked, "a.py") == ["f('[REDACTED:password-assignment:1]', hunter22)"]


@pytest.mark.parametrize("hidden", ["eval(request.args)", "password_check", "os.system", "is_admin=1", "modified"])
def test_a_change_cannot_hide_its_code_by_calling_it_a_password(hidden: str) -> None:
    files = {"README": f"postgres://me:{hidden}@db.example.invalid/x\n{hidden}\n", "app.py": f"x = 1; {hidden}\n"}
    masked = mask_change(change(files)[0], Masker())
    assert lines(masked, "app.py") == [f"x = 1; {hidden}"]
    assert lines(masked, "README")[1] == hidden


def test_a_file_does_not_change_because_of_another_that_does_not_hold_its_secret() -> None:
    app, other = f"connect('{PASSWORD}')\nkey = '{TOKEN}'\n", f"key = '{OTHER}'\npassword = 'An0ther!Secret'\n"
    alone = mask_change(change({".env": ENV, "app.py": app})[0], Masker())
    beside = mask_change(change({"a.py": other, ".env": ENV, "app.py": app})[0], Masker())
    assert lines(alone, "app.py") == lines(beside, "app.py")
    again = mask_change(change({"app.py": app, ".env": ENV})[0], Masker())
    assert again.views["app.py"] == alone.views["app.py"]


def test_the_section_line_of_a_hunk_is_masked_like_the_file() -> None:
    changed = change({".env": ENV})[0]
    hunk = replace(changed.files[0].hunks[0], section=f"def f(): connect('{PASSWORD}')")
    masked = mask_change(replace(changed, files=(replace(changed.files[0], hunks=(hunk,)),)), Masker())
    assert masked.views[".env"].hunks[0].section == "def f(): connect('[REDACTED:password-assignment:1]')"
    assert [(r.rule, r.line) for r in masked.redactions] == [("password-assignment", 1)]


def test_what_was_learned_is_not_in_a_repr() -> None:
    assert PASSWORD not in repr(mask_change(change({".env": ENV})[0], Masker()))
    assert PASSWORD not in repr(Masker().take([ENV]))


# -- what tools and models say ----------------------------------------------------------------------------------------


def test_a_tool_that_quotes_the_bare_secret_does_not_print_it() -> None:
    found = RawFinding(
        path=".env",
        line=1,
        message=f"Secret {PASSWORD} found",
        quote=PASSWORD,
        severity=Severity.BLOCKER,
        rule=TOKEN,
        rule_url=f"https://rules.example.invalid/?t={TOKEN}",
    )
    result = lint({".env": ENV}, lambda: Report((found,)))
    (finding,) = result.findings
    assert finding.message == "Secret [REDACTED:password-assignment:1] found"
    assert finding.rule_url == "https://rules.example.invalid/?t=[REDACTED:github-token:1]"
    assert not {PASSWORD, TOKEN} & set(dumps(result).replace('"', " ").split())
    assert PASSWORD not in dumps(result)
    assert TOKEN not in dumps(result)


def test_with_redaction_off_a_models_bare_quote_is_found_and_still_not_printed() -> None:
    said = {"path": ".env", "line": 1, "quote": PASSWORD, "message": f"the value {PASSWORD} is a password"}
    sent, result = ask({".env": ENV}, [said], privacy={"redact": False})
    assert PASSWORD in sent
    assert PASSWORD not in dumps(result)
    assert [(f.line, f.anchor) for f in result.findings] == [(1, "exact")]


def test_hints_and_notices_are_masked() -> None:
    def fail() -> Report:
        raise ScriptError("it failed", hint=f"run it by hand: curl -H {TOKEN}")

    result = lint({"app.py": "x = 1\n"}, fail)
    assert TOKEN not in dumps(result)
    assert result.pipelines[0].hint == result.errors[0].hint == "run it by hand: curl -H [REDACTED:github-token:1]"
    said = Report(notices=(Notice("n", PASSWORD, hint=f"{PASSWORD}!"),))
    assert PASSWORD not in dumps(lint({".env": ENV}, lambda: said))


def test_author_branch_and_title_are_masked_in_the_result() -> None:
    ref = {"author": TOKEN, "target_branch": f"feature/{TOKEN}", "title": f"password: {PASSWORD}"}
    sent, result = ask({"app.py": "x = 1\n"}, ref=ref)
    for secret in (TOKEN, PASSWORD):
        assert secret not in sent + dumps(result)


def test_the_result_stays_a_valid_one_whatever_a_change_calls_its_password() -> None:
    words = ("modified", "invented_quote", "deterministic", "0.1.0", "summary1", "exact")
    text = "".join(f"postgres://me:{word}@db.example.invalid/x\n" for word in words)
    _, result = ask({"README": text, "app.py": "x = 1\n"}, [{**CODE, "quote": "x = 2", "message": "no"}])
    assert loads(dumps(result).encode()).findings == result.findings  # and it is read at all
    assert {f.status for f in result.files} == {"added"}
    assert [d.reason for d in result.dropped] == ["invented_quote"]


# -- paths ------------------------------------------------------------------------------------------------------------


def test_a_secret_in_a_path_reaches_neither_model_nor_result_and_findings_find_their_file() -> None:
    first, second = f"{TOKEN}/a.py", f"{OTHER}/a.py"
    shown = "[REDACTED:github-token:1]/a.py"
    findings = [
        {"path": shown, "line": 1, "quote": "x = 1", "message": "one"},
        {"path": f"{shown} (2)", "line": 1, "quote": "y = 2", "message": "two"},
    ]
    sent, result = ask({first: "x = 1\n", second: "y = 2\n"}, findings)
    for secret in (TOKEN, OTHER):
        assert secret not in sent + dumps(result)
    assert [(f.path, f.message) for f in result.findings] == [(shown, "one"), (f"{shown} (2)", "two")]
    assert [f.path for f in result.files] == [shown, f"{shown} (2)"]
    assert all(f.reviewed for f in result.files)


def test_with_redaction_off_such_a_file_is_reviewed_all_the_same() -> None:
    path = f"{TOKEN}/a.py"
    sent, result = ask({path: "x = 1\n"}, [{"path": path, "line": 1, "message": "m"}], privacy={"redact": False})
    assert path in sent
    assert TOKEN not in dumps(result)
    assert [f.reviewed for f in result.files] == [True]
    assert [f.path for f in result.findings] == ["[REDACTED:github-token:1]/a.py"]


def test_a_file_with_a_secret_name_that_nobody_looked_at_says_so() -> None:
    def fail() -> Report:
        raise ScriptError("it failed")

    (file,) = lint({f"conf/{TOKEN}.py": "x = 1\n"}, fail).files
    assert (file.reviewed, file.reason) == (False, "not reviewed by lint")


# -- the team's own words ---------------------------------------------------------------------------------------------


def test_the_teams_prompt_and_instructions_are_masked() -> None:
    pipeline = {
        "name": "review",
        "prompt": f"use {TOKEN}",
        "instructions": [{"text": TOKEN}],
        "do_not_flag": [f"connect('{PASSWORD}')"],
        "persona": "p",
    }
    persona = {"p": {"tone": TOKEN, "focus": [TOKEN], "instructions": TOKEN}}
    sent, _ = ask({".env": ENV}, pipelines=[pipeline], personas=persona)
    assert TOKEN not in sent
    assert PASSWORD not in sent
    assert "use [REDACTED:github-token:1]" in sent


@pytest.mark.parametrize("where", ["title", "description", "author", "target_branch"])
def test_with_redaction_off_looms_own_keys_still_go_to_no_model(where: str) -> None:
    sent, result = ask({"app.py": f"{TOKEN}\n{OWN}\n"}, ref={where: f"fix {OWN}"}, privacy={"redact": False})
    assert OWN not in sent + dumps(result)
    assert TOKEN in sent


# -- keys over many lines ---------------------------------------------------------------------------------------------

_CHANCE = random.Random(7)


def key_lines(count: int, *, width: int = 64) -> list[str]:
    return ["".join(_CHANCE.choices(string.ascii_letters + string.digits + "+/", k=width)) for _ in range(count)]


def pem(body: list[str], kind: str = "RSA " + "PRIVATE KEY") -> str:
    return "\n".join([f"-----BEGIN {kind}-----", *body, f"-----END {kind}-----", ""])


BODY = [*key_lines(24), "A1b2C3d4E5f6G7h8I9j0K1=="]
EDITED = [*BODY[:12], *key_lines(1), *BODY[13:]]


@pytest.mark.parametrize("known", [True, False], ids=["whole file known", "only the diff"])
@pytest.mark.parametrize("before", ["", "    ", "# ", "  - "])
def test_a_hunk_from_the_middle_of_a_key_is_masked(before: str, known: bool) -> None:
    old, new = (pem([before + line for line in body]) for body in (BODY, EDITED))
    changed, files = change({"key.pem": new}, {"key.pem": old})
    hunk = replace(changed.files[0].hunks[0], section=before + BODY[8])
    changed = replace(changed, files=(replace(changed.files[0], hunks=(hunk,)),))
    masked = mask_change(changed, Masker(), files if known else NoFiles())
    (view,) = masked.views["key.pem"].hunks
    assert len(view.lines) == 8
    assert [MARK.sub("", text).strip(" #-") for text in (view.section, *(line.text for line in view.lines))] == [""] * 9
    assert {r.rule for r in masked.redactions} == {"private-key"}


def test_a_line_of_a_key_is_masked_where_a_tool_quotes_it() -> None:
    found = RawFinding(path="key.pem", line=2, message=f"key: {BODY[1]}")
    result = lint({"key.pem": pem(BODY)}, lambda: Report((found,)))
    assert [f.message for f in result.findings] == ["key: [REDACTED:private-key:1]"]


@pytest.mark.parametrize("known", [True, False], ids=["whole file known", "only the diff"])
def test_what_is_public_and_what_is_hexadecimal_stays(known: bool) -> None:
    short = BODY[:5]
    texts = {
        "cert.pem": (pem(short, "CERTIFICATE"), pem([*short[:4], EDITED[12]], "CERTIFICATE")),
        "sums.txt": ("".join(f"{n:064x}\n" for n in range(9)), "".join(f"{n:064x}\n" for n in range(1, 10))),
        "names.txt": ("", "".join(f"{'averylongname' * 5}\n" for _ in range(5))),
    }
    changed, files = change({p: new for p, (_, new) in texts.items()}, {p: old for p, (old, _) in texts.items() if old})
    assert mask_change(changed, Masker(), files if known else NoFiles()).redactions == ()


def test_what_stands_in_a_known_file_that_holds_no_key_stays() -> None:
    changed, files = change({"image.b64": "\n".join(EDITED)}, {"image.b64": "\n".join(BODY)})
    assert mask_change(changed, Masker(), files).redactions == ()


# -- every string -----------------------------------------------------------------------------------------------------


def test_a_suggestion_whose_text_is_masked_is_no_longer_committable() -> None:
    given = (Suggestion(1, 1, "x", committable=True), Suggestion(1, 1, "y", committable=True))
    assert mask_all(given, lambda text: text.replace("x", "z")) == (
        Suggestion(1, 1, "z", committable=False),
        Suggestion(1, 1, "y", committable=True),
    )


PIECES = st.sampled_from(["password = '", "'", PASSWORD, TOKEN, "\n", " ", "x", BODY[3], "token: ", "[REDACTED:jwt:1]"])
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@given(TEXTS, TEXTS)
def test_masking_a_change_is_stable_and_keeps_its_lines(a: str, b: str) -> None:
    changed = ChangeSet(change({})[0].ref, (file_change("a", None, a + "\n"), file_change("b", None, b + "\n")))
    once = mask_change(changed, Masker())
    assert once == replace(mask_change(changed, Masker()), masker=once.masker)
    for path, text in (("a", a), ("b", b)):
        shown = "\n".join(lines(once, path))
        assert shown.count("\n") == text.count("\n")
        assert once.masker.mask(shown) == shown
        assert TOKEN not in shown
