"""builtin/secrets: secrets on added lines are reported where they stand, and never repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.data import shared

from loom.analyzers.secrets import Secrets
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.diff import FileChange, Hunk
from loom.core.finding import RawFinding, Severity

TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
PEM = [
    "-----BEGIN " + "PRIVATE KEY-----",
    "MIIEpAIBAAKCAQEA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y",
    "-----END " + "PRIVATE KEY-----",
]


def findings(body: str, path: str = "src/app.py", start: int = 10) -> list[RawFinding]:
    hunk = Hunk(start, body.count("\n") + 1, start, body.count("\n") + 1, "", body.encode())
    change = ChangeSet(ChangeRef("diff"), (FileChange(path, "modified", hunks=(hunk,)),))
    return list(Secrets().run(change, NoFiles()).findings)


def test_a_finding_says_what_it_is_and_what_to_do_and_not_the_secret() -> None:
    (finding,) = findings(f" x\n+token = '{TOKEN}'")
    assert finding == RawFinding(
        path="src/app.py",
        line=11,
        severity=Severity.BLOCKER,
        category="secret",
        rule="secrets/github-token",
        title="A GitHub token in the code",
        message="This line holds what has the form of a GitHub token. Everyone who can read the repository can use it, "
        "and git keeps it in the history after the line is gone. Revoke it and make a new one where it was issued, "
        "then read it at run time from an environment variable or a secret store.",
    )


def test_removed_and_kept_lines_are_not_reported() -> None:
    assert findings(f" a = '{TOKEN}'\n-b = '{TOKEN}'\n+c = 1") == []


def test_a_key_over_several_lines_is_one_finding_on_its_first_added_line() -> None:
    assert [(f.line, f.rule) for f in findings("".join(f"+{line}\n" for line in PEM).rstrip())] == [
        (10, "secrets/private-key")
    ]
    changed = f" {PEM[0]}\n-{PEM[1][::-1]}\n+{PEM[1]}\n {PEM[2]}"
    assert [(f.line, f.rule) for f in findings(changed)] == [(11, "secrets/private-key")]


def test_two_secrets_of_one_kind_on_a_line_are_one_finding() -> None:
    assert [f.rule for f in findings(f"+{TOKEN} {TOKEN}x\n+password = 'hunter2Hunter!'")] == [
        "secrets/github-token",
        "secrets/password-assignment",
    ]


@pytest.mark.parametrize(
    ("path", "token", "guess"),
    [
        ("src/app.py", Severity.BLOCKER, Severity.BLOCKER),
        ("src/latest/config.ts", Severity.BLOCKER, Severity.BLOCKER),
        ("tests/test_app.py", Severity.WARNING, Severity.INFO),
        ("web/login.spec.ts", Severity.WARNING, Severity.INFO),
        ("src/main/AppTest.java", Severity.WARNING, Severity.INFO),
        ("README.md", Severity.WARNING, Severity.INFO),
        (".env.example", Severity.WARNING, Severity.INFO),
    ],
)
def test_where_secrets_are_mostly_made_up_they_do_not_block(path: str, token: Severity, guess: Severity) -> None:
    assert [f.severity for f in findings(f"+'{TOKEN}'\n+password = 'hunter2Hunter!'", path)] == [token, guess]


@pytest.mark.parametrize(
    "line",
    [
        "aws = 'AKIA" + "IOSFODNN7EXAMPLE'",
        "hook = 'https://hooks.slack.com/services/T00000000/B00000000/" + "X" * 24 + "'",
        "password = 'changeme'",
        "password = os.environ['PASSWORD']",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        '"integrity": "sha512-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PQ=="',
    ],
)
def test_placeholders_are_not_reported(line: str) -> None:
    assert findings("+" + line) == []


def corpus() -> list[Any]:
    return json.loads(shared("data", "hostile", "fake-secrets.json").read_text())


def test_no_finding_about_the_fake_secrets_holds_a_part_of_one() -> None:
    for case in corpus():
        secret = "".join(case["secret_parts"])
        body = "\n".join("+" + line for line in case["template"].format(secret).split("\n"))
        for finding in findings(body):
            assert finding.quote is None
            assert finding.suggestion is None
            told = finding.title + finding.message
            assert not any(secret[at : at + 6] in told for at in range(len(secret) - 5))


def test_every_secret_of_the_corpus_but_made_up_ones_is_reported() -> None:
    silent = [
        case["name"]
        for case in corpus()
        if case["is_secret"]
        and not findings(
            "\n".join("+" + line for line in case["template"].format("".join(case["secret_parts"])).split("\n"))
        )
    ]
    assert silent == ["slack webhook"]  # …/XXXXXXXXXXXXXXXXXXXXXXXX: masked, but no finding
