"""What is not said again: marks in files, the team's memory, the user's own list. Nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.changes import Known, change
from support.engine import Scripted, config, run_engine

from loom.analyzers.base import Report
from loom.core.change import NoFiles
from loom.core.finding import Finding, RawFinding, Severity, SourceRule
from loom.core.result import ReviewResult
from loom.engine.inline_ignores import Mark
from loom.engine.suppress import silenced_before, suppress
from loom.store.memory import Suppression

TODAY = date(2026, 11, 21)
LINT = {"name": "lint", "run": "lint", "filter": "file"}


class Says:
    """An analyzer that says the same whatever it is shown."""

    def __init__(self, *findings: RawFinding) -> None:
        self.findings = findings

    def run(self, *_: object) -> Report:
        return Report(self.findings)


def raw(line: int | None, rule: str | None = "S324", *, path: str = "a.py", severity: str = "warning") -> RawFinding:
    return RawFinding(path=path, message=f"{rule} here", line=line, rule=rule, severity=Severity(severity))


def review(
    head: Mapping[str, str],
    base: Mapping[str, str] | None,
    *findings: RawFinding,
    pipelines: list[dict[str, Any]] | None = None,
    **job: Any,
) -> ReviewResult:
    made, files = change(head, base)
    settings = config(pipelines=pipelines or [LINT])
    return run_engine(made, files, models=Scripted([]), settings=settings, analyzer=lambda _: Says(*findings), **job)


def told(result: ReviewResult) -> list[tuple[str | None, int | None]]:
    return [(f.rule, f.line) for f in result.findings]


def silenced(result: ReviewResult) -> list[tuple[str, object]]:
    found = [d.finding["suppressed_by"] for d in result.dropped if d.reason == "suppressed"]
    return [(by["where"], by["reason"]) for by in found if isinstance(by, dict)]


def notices(result: ReviewResult, slug: str = "own-ignore") -> list[str]:
    return [n.message for n in result.warnings if n.slug == slug]


OLD = "import hashlib\nx = hashlib.md5(a)  # loom: ignore[S324] a checksum\ny = 1\n"


def test_a_mark_of_the_target_branch_silences_what_is_on_its_line() -> None:
    result = review({"a.py": OLD + "z = 2\n"}, {"a.py": OLD}, raw(2, severity="blocker"))
    assert told(result) == []
    assert silenced(result) == [("a.py:2", "a checksum")]
    assert result.outcome.exit_code == 0
    assert notices(result) == []


def test_a_mark_that_the_change_adds_does_not_silence_a_blocker_and_is_listed() -> None:
    result = review({"a.py": OLD}, {"a.py": "import hashlib\ny = 1\n"}, raw(2, severity="blocker"))
    assert told(result) == [("S324", 2)]
    assert result.outcome.exit_code == 1
    assert notices(result) == [
        'a.py:2: the change itself adds `loom: ignore[S324]` (a checksum): it does not silence the blocker "S324 here" '
        "(S324)"
    ]


def test_a_mark_that_the_change_adds_silences_the_rest_and_is_listed() -> None:
    result = review({"a.py": OLD}, {"a.py": "import hashlib\ny = 1\n"}, raw(2))
    assert (told(result), silenced(result)) == ([], [("a.py:2", "a checksum")])
    assert notices(result) == [
        'a.py:2: the change itself adds `loom: ignore[S324]` (a checksum): it silences "S324 here" (S324)'
    ]


def test_a_mark_that_the_change_adds_for_nothing_is_listed_all_the_same() -> None:
    result = review({"a.py": OLD}, {"a.py": "import hashlib\ny = 1\n"})
    assert notices(result)[0].endswith("it silences nothing that was found")


def test_changing_the_line_that_a_mark_stands_on_makes_it_the_changes_own() -> None:
    head = OLD.replace("md5(a)", "md5(password)")
    assert told(review({"a.py": head}, {"a.py": OLD}, raw(2, severity="blocker"))) == [("S324", 2)]


def test_a_mark_without_a_reason_silences_no_blocker() -> None:
    old = OLD.replace(" a checksum", "")
    result = review({"a.py": old + "z = 2\n"}, {"a.py": old}, raw(2, severity="blocker"))
    assert told(result) == [("S324", 2)]
    assert notices(result, "idle-ignore") == ['a.py:2: `loom: ignore[S324]` does not silence "S324 here" (S324)']
    assert told(review({"a.py": old + "z = 2\n"}, {"a.py": old}, raw(2))) == []


def test_a_bare_mark_needs_a_reason_and_silences_all_of_its_line() -> None:
    for reason, left in (("legacy", []), ("", [("E1", 2), ("S324", 2)])):
        old = f"a = 1\nb = 2  # loom: ignore {reason}\n"
        result = review({"a.py": old + "z = 2\n"}, {"a.py": old}, raw(2), raw(2, "E1"))
        assert sorted(told(result)) == left
        assert len(notices(result, "idle-ignore")) == len(left)


BELOW = "".join(f"l{n} = 1\n" for n in range(14))
DORMANT = {
    "moved up to where it counts": (
        BELOW + "# loom: ignore-file[S324] fixtures\ny = 1\n",
        BELOW[7 * 9 :] + "# loom: ignore-file[S324] fixtures\ny = 1\nx = md5()\n",
    ),
    "taken out of a string": (
        's = """\n# loom: ignore[S324] why\nx = md5()\n"""\n',
        "\n# loom: ignore[S324] why\nx = md5()\n\n",
    ),
}


@pytest.mark.parametrize("name", DORMANT)
def test_a_mark_that_only_the_change_puts_in_force_is_its_own(name: str) -> None:
    base, head = DORMANT[name]
    line = head[: head.index("md5")].count("\n") + 1
    result = review({"a.py": head}, {"a.py": base}, raw(line, severity="blocker"))
    assert told(result) == [("S324", line)]
    (notice,) = notices(result)
    assert "the change puts in force" in notice
    assert "it does not silence the blocker" in notice
    assert told(review({"a.py": head}, {"a.py": base}, raw(line))) == []


def renamed(head: str, base: str, *findings: RawFinding) -> ReviewResult:
    made, _ = change({"prod.py": head}, {"prod.py": base})
    moved = replace(made, files=tuple(replace(f, status="renamed", old_path="fixture.py") for f in made.files))
    files = Known({"prod.py": head.encode()}, {"fixture.py": base.encode()})
    return run_engine(
        moved,
        files,
        models=Scripted([]),
        settings=config(pipelines=[LINT]),
        analyzer=lambda _: Says(*findings),
    )


def test_a_mark_for_a_file_does_not_move_to_another_file() -> None:
    old = "# loom: ignore-file[S324] fixtures\ny = 1\n"
    found = raw(3, severity="blocker", path="prod.py")
    result = renamed(old + "x = md5()\n", old, found)
    assert told(result) == [("S324", 3)]
    assert "the change puts in force" in notices(result)[0]


def test_a_mark_for_a_line_goes_with_its_file() -> None:
    old = "x = md5()  # loom: ignore[S324] a checksum\n"
    result = renamed(old + "y = 1\n", old, raw(1, severity="blocker", path="prod.py"))
    assert (told(result), notices(result)) == ([], [])


def test_lines_above_and_below_a_mark_may_change() -> None:
    old = "a = 1\nb = 2\nx = md5()  # loom: ignore[S324] a checksum\nc = 1"
    head = "new = 1\nb = 2\nmore = 1\nx = md5()  # loom: ignore[S324] a checksum\nd = 1\n"
    assert told(review({"a.py": head}, {"a.py": old}, raw(4, severity="blocker"))) == []


def test_where_only_the_diff_is_known_no_mark_silences_a_blocker() -> None:
    made, _ = change({"a.py": OLD + "z = 2\n"}, {"a.py": OLD})
    for severity, left in (("blocker", [("S324", 2)]), ("warning", [])):
        result = run_engine(
            made,
            NoFiles(),
            models=Scripted([]),
            settings=config(pipelines=[LINT]),
            analyzer=lambda _, severity=severity: Says(raw(2, severity=severity)),  # type: ignore[misc]  # bound early
        )
        assert told(result) == left
        assert "only the diff is known" in notices(result)[0]


MARKED = {
    "alone above the line": ("# loom: ignore[S324] why\nx = md5()\n", 2, True),
    "on the line": ("y = 1\nx = md5()  # loom: ignore[S324] why\n", 2, True),
    "after another comment on the line": ("y = 1\nx = md5()  # noqa: S324 # loom: ignore[S324] why\n", 2, True),
    "two above": ("# loom: ignore[E1] why\n# loom: ignore[S324] why\nx = md5()\n", 3, True),
    "among other names": ("x = md5()  # loom: ignore[E1, S324] why\n", 1, True),
    "the name another tool has": ("x = md5()  # loom: ignore[B324] why\n", 1, True),
    "the pipeline": ("x = md5()  # loom: ignore[lint] why\n", 1, True),
    "in another case": ("x = md5()  # loom: ignore[s324] why\n", 1, True),
    "for the file": ("# loom: ignore-file[S324] why\n\n\n\n\nx = md5()\n", 6, True),
    "another rule": ("x = md5()  # loom: ignore[S325] why\n", 1, False),
    "at the end of the line above": ("y = 1  # loom: ignore[S324] why\nx = md5()\n", 2, False),
    "with a line between": ("# loom: ignore[S324] why\n\nx = md5()\n", 3, False),
    "below": ("x = md5()\n# loom: ignore[S324] why\n", 1, False),
    "for the file, too far down": ("\n" * 10 + "# loom: ignore-file[S324] why\nx = md5()\n", 12, False),
    "for the file, without a rule": ("# loom: ignore-file why\nx = md5()\n", 2, False),
    "in a string": ('x = "# loom: ignore[S324] why"\n', 1, False),
    "in a long string": ('x = """\n# loom: ignore[S324] why\n"""\n', 3, False),
    "within a sentence": ("x = 1  # say loom: ignore[S324] why\n", 1, False),
    "not that word": ("x = 1  # loom: ignored[S324] why\n", 1, False),
    "without a comment": ("loom: ignore[S324] = 1\n", 1, False),
}


@pytest.mark.parametrize("name", MARKED)
def test_where_a_mark_stands_decides_what_it_is_about(name: str) -> None:
    text, line, works = MARKED[name]
    result = review({"a.py": text + "more = 1\n"}, {"a.py": text}, raw(line))
    assert (silenced(result) != []) == works


LANGUAGES = {
    "a.js": "f(); // loom: ignore[S324] why\n",
    "b.js": "f(); /* loom: ignore[S324] why */\n",
    "a.tsx": "let a = <b>{/* loom: ignore[S324] why */}</b>;\n",
    "a.go": "package a\nvar x = 1 // loom: ignore[S324] why\n",
    "a.java": "class A { int x; // loom: ignore[S324] why\n}\n",
    "a.kt": "val x = 1 // loom: ignore[S324] why\n",
    "a.rs": "const A: u8 = 1; // loom: ignore[S324] why\n",
    "a.rb": "x = 1 # loom: ignore[S324] why\n",
    "a.php": "<?php\n$x = 1; // loom: ignore[S324] why\n",
    "a.cs": "class A { int x; // loom: ignore[S324] why\n}\n",
    "a.c": "int x; /* loom: ignore[S324] why */\n",
    "a.swift": "let x = 1 // loom: ignore[S324] why\n",
    "a.scala": "val x = 1 // loom: ignore[S324] why\n",
    "a.dart": "int x = 1; // loom: ignore[S324] why\n",
    "a.sh": "x=1 # loom: ignore[S324] why\n",
    "a.lua": "x = 1 -- loom: ignore[S324] why\n",
    "a.hs": "x = 1 -- loom: ignore[S324] why\n",
    "a.yaml": "a: 1 # loom: ignore[S324] why\n",
    "a.tf": "a = 1 # loom: ignore[S324] why\n",
    "a.css": "a { b: c; } /* loom: ignore[S324] why */\n",
    "a.html": "<p>x</p> <!-- loom: ignore[S324] why -->\n",
    "a.md": "text <!-- loom: ignore[S324] why -->\n",
    "Dockerfile": "FROM x # loom: ignore[S324] why\n",
    "a.sql": "select 1 -- loom: ignore[S324] why\n",
    "a.toml": "a = 1 # loom: ignore[S324] why\n",
    "a.ini": "a = 1 ; loom: ignore[S324] why\n",
    "Makefile": "x = 1 # loom: ignore[S324] why\n",
    "a.unknown": "x # loom: ignore[S324] why\n",
    "broken.py": "def f(:\nx = 1  # loom: ignore[S324] why\n",
}


@pytest.mark.parametrize("path", LANGUAGES)
def test_a_comment_of_any_language_carries_a_mark(path: str) -> None:
    text = LANGUAGES[path]
    line = next(n for n, row in enumerate(text.split("\n"), 1) if "loom:" in row)
    result = review({path: text + "\n"}, {path: text}, raw(line, path=path))
    assert silenced(result) == [(f"{path}:{line}", "why")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", 'let a = "// loom: ignore[S324] why";\n'),
        ("b.js", "let a = `\n// loom: ignore[S324] why\n`;\n"),
        ("a.go", 'package a\nvar x = "// loom: ignore[S324] why"\n'),
        ("a.md", "# loom: ignore[S324] a heading\n"),
        ("a.sh", "echo '# loom: ignore[S324] why'\n"),
        ("a.unknown", 'x = "# loom: ignore[S324] why"\n'),
        ("broken.py", 'def f(:\nx = "# loom: ignore[S324] why"\n'),
        ("a.json", '{"a": "// loom: ignore[S324] why"}\n'),
    ],
)
def test_what_stands_in_a_string_or_in_prose_is_no_mark(path: str, text: str) -> None:
    line = next(n for n, row in enumerate(text.split("\n"), 1) if "loom:" in row)
    assert told(review({path: text + "\n"}, {path: text}, raw(line, path=path))) == [("S324", line)]


def test_a_finding_over_several_lines_is_silenced_on_its_first() -> None:
    old = "f(  # loom: ignore[S324] why\n  1,\n)\n"
    whole = replace(raw(1), end_line=3)
    assert told(review({"a.py": old + "\n"}, {"a.py": old}, whole)) == []
    moved = "f(\n  1,  # loom: ignore[S324] why\n)\n"
    assert told(review({"a.py": moved + "\n"}, {"a.py": moved}, whole)) == [("S324", 1)]


def test_a_line_of_a_million_signs_before_a_mark_is_read_in_no_time() -> None:
    line = "#" * 1_000_000 + " loom: ignore[S324] why"
    assert told(review({"a.txt": line + "\n"}, {"a.txt": line}, raw(1, path="a.txt"))) == []
    many = "# loom: ignore[ " * 100_000
    assert told(review({"a.txt": many + "\n"}, {"a.txt": many}, raw(1, path="a.txt"))) == [("S324", 1)]


def test_a_reason_is_masked_and_cannot_write_anything_else() -> None:
    key = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    old = f"x = 1  # loom: ignore[S324] see {key} \x1b[31m <!-- x -->\n"
    result = review({"a.py": old + "z = 1\n"}, {"a.py": old}, raw(1))
    ((_, reason),) = silenced(result)
    assert key not in repr(result)
    assert "\x1b" not in str(reason)


# -- memory -----------------------------------------------------------------------------------------------------------


def word(**given: Any) -> Suppression:
    return Suppression(**{"source": "memory", "where": ".loom/memory.yaml:3", "reason": "legacy", **given})


def after(memory: Iterable[Suppression], *findings: RawFinding, head: str = "x = 1\n") -> ReviewResult:
    made, files = change({"a.py": head}, {"a.py": "x = 0\n"})
    return run_engine(
        made,
        files,
        models=Scripted([]),
        settings=config(pipelines=[LINT]),
        analyzer=lambda _: Says(*findings),
        memory=tuple(memory),
    )


def test_a_rule_of_the_memory_is_silent_where_its_paths_say() -> None:
    assert told(after([word(rule="S324")], raw(1, severity="blocker"))) == []
    assert told(after([word(rule="S324", paths=("a.*",))], raw(1))) == []
    assert told(after([word(rule="S324", paths=("tests/**",))], raw(1))) == [("S324", 1)]


def test_a_fingerprint_of_the_memory_is_silent_and_no_other() -> None:
    both = (raw(1, severity="blocker"), raw(1, "E1"))
    print_ = next(f.fingerprint for f in after([], *both).findings if f.rule == "S324")
    result = after([word(fingerprint=print_)], *both)
    assert told(result) == [("E1", 1)]
    assert silenced(result) == [(".loom/memory.yaml:3", "legacy")]


def test_what_became_worse_is_said_again() -> None:
    mild = word(rule="S324", severity=Severity.WARNING)
    assert told(after([mild], raw(1))) == []
    assert told(after([mild], raw(1, severity="blocker"))) == [("S324", 1)]


def test_an_own_entry_without_a_reason_silences_no_blocker() -> None:
    bare = word(rule="S324", source="personal", reason="")
    assert told(after([bare], raw(1))) == []
    assert told(after([bare], raw(1, severity="blocker"))) == [("S324", 1)]


def test_an_expired_entry_does_not_count_and_is_told_once() -> None:
    # The clock of these tests stands at 1970-01-12.
    old = [word(rule="S324", expires=date(1970, 1, 11)), word(rule="E1", expires=date(1970, 1, 12))]
    result = after(old, raw(1), raw(1, "E1"))
    assert told(result) == [("S324", 1)]
    assert notices(result, "expired-ignore") == [
        "1 ignored entry has expired: S324 (.loom/memory.yaml:3, until 1970-01-11)"
    ]


def test_what_is_silenced_is_neither_new_nor_fixed_nor_new_when_it_is_said_again() -> None:
    first = after([], raw(1))
    made, files = change({"a.py": "x = 1\n"}, {"a.py": "x = 0\n"})

    def then(memory: tuple[Suppression, ...], previous: ReviewResult, *findings: RawFinding) -> ReviewResult:
        return run_engine(
            made,
            files,
            models=Scripted([]),
            settings=config(pipelines=[LINT]),
            analyzer=lambda _: Says(*findings),
            memory=memory,
            previous=previous,
        )

    quiet = then((word(rule="S324"),), first, raw(1))
    assert (quiet.findings, quiet.fixed) == ((), ())
    again = then((), quiet, raw(1))
    assert [(f.fingerprint, f.state) for f in again.findings] == [(first.findings[0].fingerprint, "open")]
    assert then((), quiet).fixed == ()


# -- laws -------------------------------------------------------------------------------------------------------------


def finding(n: int, rule: str | None, severity: Severity, *, deterministic: bool, also: tuple[str, ...]) -> Finding:
    return Finding(
        fingerprint=f"{n:016x}",
        pipeline="p",
        sources=("p",),
        rule=rule,
        category="other",
        severity=severity,
        title=f"t{n}",
        message="m",
        path="a.py",
        line=n,
        end_line=n,
        column=None,
        side="new",
        quote=None,
        suggestion=None,
        confidence=None,
        anchor="exact",
        deterministic=deterministic,
        deterministic_severity=severity if deterministic else None,
        rule_url=None,
        also=tuple(SourceRule("q", name) for name in also) if deterministic else (),
    )


RULES = st.sampled_from(["S324", "B324", "E1", "x", "weak-password-hash"])
FINDINGS = st.lists(
    st.builds(
        finding,
        st.integers(1, 9),
        st.none() | RULES,
        st.sampled_from(Severity),
        deterministic=st.booleans(),
        also=st.lists(RULES, max_size=2).map(tuple),
    ),
    max_size=8,
    unique_by=lambda f: f.fingerprint,
)
MARKS = st.lists(
    st.builds(
        Mark,
        path=st.just("a.py"),
        line=st.integers(1, 9),
        names=st.lists(RULES | st.just("p"), max_size=2).map(tuple),
        reason=st.sampled_from(["", "why"]),
        whole_file=st.booleans(),
        alone=st.booleans(),
        own=st.booleans(),
    ),
    max_size=6,
)
MEMORY = st.lists(
    st.builds(
        Suppression,
        source=st.sampled_from(["memory", "personal"]),
        where=st.sampled_from(["m:1", "m:2"]),
        reason=st.sampled_from(["", "why"]),
        rule=RULES,
        expires=st.sampled_from([None, date(2020, 1, 1), TODAY]),
        severity=st.none() | st.sampled_from(Severity),
    ),
    max_size=6,
)


def apply(findings: list[Finding], marks: list[Mark], memory: list[Suppression]) -> Any:
    def about(f: Finding) -> list[Mark]:
        return [m for m in marks if m.line == f.line]

    return suppress(findings, marks=about, own=[m for m in marks if m.own], memory=memory, today=TODAY)


@given(FINDINGS, MARKS, MEMORY)
def test_suppression_adds_nothing_and_loses_nothing(f: list[Finding], m: list[Mark], s: list[Suppression]) -> None:
    result = apply(f, m, s)
    assert sorted((*result.findings, *result.silenced), key=repr) == sorted(f, key=repr)
    assert len(result.dropped) == len(result.silenced)


@given(FINDINGS, MARKS, MEMORY)
def test_no_blocker_is_silenced_without_a_reason_or_by_the_change(
    f: list[Finding], m: list[Mark], s: list[Suppression]
) -> None:
    result = apply(f, m, s)
    whole = apply(f, [mark for mark in m if not mark.own and mark.reason], [e for e in s if e.reason])
    blockers = {x.fingerprint for x in result.silenced if x.severity is Severity.BLOCKER}
    assert blockers == {x.fingerprint for x in whole.silenced if x.severity is Severity.BLOCKER}


@given(FINDINGS, MARKS, MEMORY, st.randoms())
def test_the_order_of_findings_marks_and_entries_does_not_matter(
    f: list[Finding], m: list[Mark], s: list[Suppression], rng: random.Random
) -> None:
    before = {x.fingerprint for x in apply(f, m, s).silenced}
    for items in (f, m, s):
        rng.shuffle(items)
    assert {x.fingerprint for x in apply(f, m, s).silenced} == before


@given(FINDINGS)
def test_without_suppressions_all_is_as_it_was(f: list[Finding]) -> None:
    assert apply(f, [], []).findings == tuple(f)


def test_a_blocker_that_several_tools_report_needs_all_their_rules_named() -> None:
    """A model's words can make two facts look like one: the name of the lesser must not silence the other."""
    both = finding(1, "E1", Severity.BLOCKER, deterministic=True, also=("x",))
    mark = Mark(path="a.py", line=1, names=("E1",), reason="r", whole_file=False, alone=False, own=False)
    assert apply([both], [mark], []).findings == (both,)
    assert apply([both], [replace(mark, names=("E1", "x"))], []).findings == ()
    assert apply([both], [mark], [word(rule="x")]).findings == ()


def test_a_models_name_for_its_claim_does_not_open_a_tools_fact() -> None:
    both = replace(finding(1, "E1", Severity.WARNING, deterministic=True, also=()), sources=("lint", "review"))
    mark = Mark(path="a.py", line=1, names=("review",), reason="r", whole_file=False, alone=False, own=False)
    assert apply([both], [mark], []).findings == (both,)


def test_what_was_ignored_under_another_fingerprint_of_the_finding_stays_ignored() -> None:
    told = replace(finding(1, "S324", Severity.WARNING, deterministic=True, also=()), aliases=("abcdef0123456789",))
    assert apply([told], [], [word(fingerprint="abcdef0123456789")]).findings == ()
    mark = Mark(path="a.py", line=1, names=("abcdef01",), reason="r", whole_file=False, alone=False, own=False)
    quiet = apply([told], [mark], [])
    assert quiet.findings == ()
    [again] = silenced_before(quiet.dropped)
    assert again.prints == told.prints


def test_ten_thousand_entries_and_findings_are_matched_by_name_not_one_by_one() -> None:
    entries = [word(fingerprint=f"{n:016x}") for n in range(10_000)] + [word(rule=f"R{n}") for n in range(10_000)]
    findings = [finding(n, f"R{n}", Severity.INFO, deterministic=True, also=()) for n in range(10_000)]
    assert apply(findings, [], entries).findings == ()
