"""Rules without a grammar: statements against regular expressions, and where they stand in the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.changes import change

from loom.analyzers import rule_examples, rules
from loom.analyzers.line_matcher import LineMatcher, Statements
from loom.analyzers.rules import Rules
from loom.core.change import NoFiles
from loom.core.errors import ConfigError
from loom.infra import syntax

OWN = """\
id: old-base
severity: info
category: bug
message: The old base image.
why: It is not built any more.
fix: Use the new one.
references: ["https://example.invalid/base"]
languages: [dockerfile]
keywords: [team/base]
lines:
  regex: '^FROM (?P<HOST>[a-z.]+)/team/base:1'
  not: '--platform'
rewrite: FROM $HOST/team/base:2
bad: ["FROM reg.example/team/base:1"]
good: ["FROM reg.example/team/base:2", "# FROM reg.example/team/base:1"]
"""


def statements(text: str, language: str) -> list[str]:
    found = Statements(text, language).matches(LineMatcher(pattern=r"(?s)^.*$"))
    return [match.text for match in found]


def shown(text: str, language: str, pattern: str) -> list[tuple[int, int, str]]:
    found = Statements(text, language).matches(LineMatcher(pattern=pattern))
    return [(match.start_line, match.end_line, match.text) for match in found]


class TestDockerfile:
    """Instructions."""

    def test_continued_lines_and_the_comments_between_them_are_one_instruction(self) -> None:
        text = "# first\nFROM a:1\nRUN apt-get update && \\\n  # why\n  apt-get install curl\nUSER me\n"
        assert shown(text, "dockerfile", r"^RUN .*update && +apt-get install curl$") == [
            (3, 5, "RUN apt-get update && \\\n  # why\n  apt-get install curl")
        ]
        assert len(statements(text, "dockerfile")) == 3

    def test_a_match_stands_where_its_text_stands(self) -> None:
        text = "FROM a:1\nRUN one \\\n && curl -k x\n"
        assert shown(text, "dockerfile", "curl -k") == [(3, 3, "curl -k")]

    def test_blanks_behind_the_backslash_and_other_line_ends_do_not_matter(self) -> None:
        assert shown("RUN a \\  \n b\nRUN c\n", "dockerfile", r"^RUN a\s+b$") != []
        assert shown("RUN a \\\r\n b\r\nRUN c\r\n", "dockerfile", r"^RUN a\s+b$") != []

    def test_the_escape_directive_is_heeded(self) -> None:
        text = "# escape=`\nFROM a:1\nRUN dir C:\\\nRUN a `\n  b\n"
        assert statements(text, "dockerfile") == ["FROM a:1", "RUN dir C:\\", "RUN a `\n  b"]

    def test_a_here_document_belongs_to_its_instruction(self) -> None:
        text = "RUN <<EOF\napt-get update\ncd /x\nEOF\nUSER me\n"
        assert statements(text, "dockerfile") == ["RUN <<EOF\napt-get update\ncd /x\nEOF", "USER me"]
        assert statements("RUN echo $((1<<COUNT))\nUSER me\n", "dockerfile") == ["RUN echo $((1<<COUNT))", "USER me"]

    def test_an_earlier_stage_is_not_an_image(self) -> None:
        text = "FROM golang:1 AS Build\nFROM build\nFROM other\n"
        assert shown(text, "dockerfile", r"^FROM \w+$") == [(3, 3, "FROM other")]


class TestSql:
    """Statements."""

    def test_a_statement_ends_at_its_semicolon_and_not_at_one_in_a_text_or_comment(self) -> None:
        text = "UPDATE a SET b = 'x;y'; -- no; more\nDELETE\n/* where; */ FROM c;\nSELECT 1"
        assert shown(text, "sql", r"^(UPDATE|DELETE|SELECT).*$") == [
            (1, 1, "UPDATE a SET b = 'x;y'"),
            (2, 3, "DELETE\n/* where; */ FROM c"),
            (4, 4, "SELECT 1"),
        ]

    def test_what_stands_in_a_comment_is_not_seen(self) -> None:
        assert shown("-- WHERE 1\nDELETE FROM a /* WHERE */;\n", "sql", "WHERE") == []

    def test_quotes_that_never_end_do_not_break_it(self) -> None:
        assert shown("SELECT 'open\n; DELETE FROM a", "sql", "DELETE") == [(2, 2, "DELETE")]


class TestLines:
    """Any other text."""

    @pytest.mark.parametrize(
        ("language", "text", "expected"),
        [
            ("properties", "a=1\\\n  2\n! b=3\n", ["a=1\\\n  2"]),
            ("ini", "; a=1\nb=2\n", ["b=2"]),
            ("yaml", "a: 1\n  # b\n  c: 2\n", ["a: 1", "c: 2"]),
            ("json", '{"a": "//"}\n', ['{"a": "//"}']),
            ("javascript", "// a\nb();\n", ["b();"]),
        ],
    )
    def test_lines_without_comments_and_joined_where_they_are_continued(
        self, language: str, text: str, expected: list[str]
    ) -> None:
        assert statements(text, language) == expected

    @given(
        st.text(alphabet="aR \\\n#;'\"-*/<`\r=é", max_size=60), st.sampled_from(["dockerfile", "sql", "ini", "bash"])
    )
    def test_every_match_is_the_text_that_stands_there(self, text: str, language: str) -> None:
        lines = text.split("\n")
        for match in Statements(text, language).matches(LineMatcher(pattern=r"[aR=é].*")):
            assert text[match.start : match.end] == match.text
            assert lines[match.start_line - 1][match.start_col - 1 :].startswith(match.text.split("\n")[0])
            assert match.end_line == match.start_line + match.text.count("\n")


class TestRule:
    """A rule file with `lines`."""

    def run(self, head: str, base: str = "", own: str = OWN) -> rules.Report:
        return Rules([("own.yaml", own.encode())]).run(*change({"Dockerfile": head}, {"Dockerfile": base}))

    def test_its_examples_are_its_tests(self) -> None:
        assert rule_examples.failures(rules.read(OWN.encode(), file="own.yaml")) == ()

    def test_a_named_group_goes_into_the_rewrite(self) -> None:
        (finding,) = self.run("FROM reg.example/team/base:1 AS build\n").findings
        assert (finding.rule, finding.line, finding.column) == ("old-base", 1, 1)
        assert finding.suggestion == "FROM reg.example/team/base:2 AS build"

    def test_a_statement_that_matches_not_is_left_alone(self) -> None:
        assert self.run("FROM --platform=x reg.example/team/base:1\n").findings == ()

    def test_only_statements_that_the_change_touches_are_reported(self) -> None:
        base = "FROM reg.example/team/base:1\nRUN a\n"
        assert self.run(base + "RUN b\n", base).findings == ()

    def test_it_runs_on_hunks_alone(self) -> None:
        files, _ = change({"Dockerfile": "FROM a:1\n" * 9 + "FROM reg.example/team/base:1\n"}, {"Dockerfile": "x\n"})
        report = Rules([("own.yaml", OWN.encode())]).run(files, NoFiles())
        assert [(finding.rule, finding.line, finding.suggestion) for finding in report.findings] == [
            ("old-base", 10, None)
        ]

    def test_with_a_rule_lines_are_looked_for_inside_of_what_it_finds(self) -> None:
        own = OWN.replace("[dockerfile]", "[yaml]").replace(
            "lines:\n", "rule: {kind: block_mapping_pair, regex: '^run:'}\nlines:\n"
        )
        own = own.replace("^FROM (?P<HOST>[a-z.]+)/team/base:1", "danger").replace("keywords: [team/base]\n", "")
        own = own.replace("FROM $HOST/team/base:2", "safe")
        text = "a:\n  name: danger\n  run: |\n    one\n    # danger\n    two danger\n  end: danger\n"
        report = Rules([("own.yaml", own.encode())]).run(*change({"x.yml": text}))
        assert [(finding.line, finding.column, finding.suggestion) for finding in report.findings] == [
            (6, 9, "    two safe")
        ]

    @pytest.mark.parametrize(
        ("change_it", "says"),
        [
            (
                ("lines:\n  regex", "lines:\n  regexp"),
                'own.yaml:11:3: lines.regexp: unknown key. Did you mean "regex"?',
            ),
            (("(?P<HOST>", "(?=x)(?P<HOST>"), "own.yaml:10: rule for dockerfile: regular expression: RE2, which"),
            (("lines:\n", "rule: {pattern: x}\nlines:\n"), "rule: dockerfile has no grammar: describe its lines"),
            (("lines:\n  regex: '^FROM (?P<HOST>[a-z.]+)/team/base:1'\n  not: '--platform'\n", ""), "has no grammar"),
            (("  not: '--platform'", "  not: 3"), "lines.not: `not` is a list of texts"),
            (("languages: [dockerfile]", "languages: [dockerfil]"), 'Did you mean "dockerfile"?'),
            (("keywords:", "paths: x\nkeywords:"), "own.yaml:9:8: paths: `paths` is a list of texts"),
        ],
    )
    def test_an_error_is_named_with_its_place_and_the_pack_runs(self, change_it: tuple[str, str], says: str) -> None:
        report = self.run("RUN cd /x\nFROM reg.example/team/base:1\n", own=OWN.replace(*change_it))
        assert [finding.rule for finding in report.findings] == ["lost-shell-state"]
        assert any(says in notice.message for notice in report.notices), report.notices

    def test_lines_that_are_no_mapping_are_refused(self) -> None:
        wrong = OWN.replace(
            "lines:\n  regex: '^FROM (?P<HOST>[a-z.]+)/team/base:1'\n  not: '--platform'", "lines: FROM"
        )
        with pytest.raises(ConfigError, match="a mapping with `regex`"):
            rules.read(wrong.encode(), file="own.yaml")


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("Dockerfile", "dockerfile"),
        ("x/Dockerfile.prod", "dockerfile"),
        ("x/app.dockerfile", "dockerfile"),
        ("Containerfile", "dockerfile"),
        ("a.sql", "sql"),
        ("Makefile", "make"),
        ("app.properties", "properties"),
        ("setup.cfg", "ini"),
        ("a.py", "python"),
        ("a.xyz", None),
        ("README", None),
    ],
)
def test_a_path_tells_the_language_that_rules_know(path: str, language: str | None) -> None:
    assert syntax.rule_language_of(path) == language
