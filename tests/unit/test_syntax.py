"""Syntax trees: languages, whether a text parses, scopes, matches, and what a hostile text cannot do."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.infra import syntax
from loom.infra.syntax import RuleError
from loom.infra.syntax_scopes import FUNCTION_VALUES, SCOPE_KINDS

STDLIB = Path(sysconfig.get_paths()["stdlib"])


@pytest.mark.parametrize("language", sorted(syntax.LANGUAGES))
def test_every_language_in_the_list_has_a_grammar_and_its_scopes_exist_there(language: str) -> None:
    assert syntax.parse("", language) is not None
    for kind in SCOPE_KINDS.get(language, ()):
        syntax.check({"rule": {"kind": kind}}, language)
    for rule in FUNCTION_VALUES.get(language, []):
        syntax.check({"rule": rule}, language)


@pytest.mark.parametrize("language", ["sql", "toml", "dockerfile", "", "Python"])
def test_a_language_without_a_grammar_is_never_asked_for(language: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert syntax.parses("x = 1", language) is None
    assert syntax.scope_at("x = 1", language, 1) is None
    assert syntax.matches("x = 1", language, {"rule": {"pattern": "x"}}) == ()
    with pytest.raises(RuleError, match="no grammar"):
        syntax.check({"rule": {"pattern": "x"}}, language)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("src/a.py", "python"),
        ("a.b.TSX", "tsx"),
        ("x/Rakefile", "ruby"),
        (".bashrc", "bash"),
        ("main.tf", "hcl"),
        ("py", None),
        (".py", "python"),
        ("Dockerfile", None),
        ("q.sql", None),
        ("", None),
    ],
)
def test_a_path_promises_a_language(path: str, language: str | None) -> None:
    assert syntax.language_of(path) == language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "def f(:\n    x\n"),
        ("python", "x = (1"),
        ("python", "if x\n    y\n"),
        ("javascript", "f(1;"),
        ("javascript", "if (x { y }"),
        ("typescript", "let x: = 1;"),
        ("go", "package p\nfunc f( {\n}\n"),
        ("rust", "fn f( {\n}\n"),
        ("json", '{"a": }'),
    ],
)
def test_a_text_with_an_error_does_not_parse_also_where_the_parser_invents_the_missing_token(
    language: str, text: str
) -> None:
    assert syntax.parses(text, language) is False


@pytest.mark.parametrize("name", ["ast", "asyncio/base_events", "dataclasses", "typing", "subprocess", "argparse"])
def test_python_itself_agrees_about_its_standard_library(name: str) -> None:
    text = (STDLIB / f"{name}.py").read_text(encoding="utf-8")
    assert syntax.parses(text, "python") is True
    whole = text.rstrip()
    cut = whole[: whole.rindex("(") + 1]
    with pytest.raises(SyntaxError):
        ast.parse(cut)
    assert syntax.parses(cut, "python") is False


def test_a_change_damages_a_file_only_where_it_adds_an_error() -> None:
    odd = "const x = a satisfies @ 1;\n"
    assert syntax.damages("f(1)\n", "f(2)\n", "python") is False
    assert syntax.damages("f(1)\n", "f(2\n", "python") is True
    assert syntax.damages(odd, odd + "f(2);\n", "typescript") is False
    assert syntax.damages(odd, odd + "f(2;\n", "typescript") is True
    assert syntax.damages("a", "b", "sql") is None


def test_a_scope_is_named_from_the_outside_in() -> None:
    text = (
        "class Cart:\n    def total(self):\n        def rate():\n            return 1\n        return rate()\n\nx = 1\n"
    )
    names = [syntax.scope_at(text, "python", line) for line in range(1, 8)]
    assert names == ["Cart", "Cart.total", "Cart.total.rate", "Cart.total.rate", "Cart.total", None, None]


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("javascript", "const total = (items) => {\n  return 1;\n};", "total"),
        ("javascript", "class A {\n  m() {\n    return 1; } }", "A.m"),
        ("typescript", "namespace N {\n export interface I {\n a: 1 } }", "N.I"),
        ("go", "package p\nfunc (c *Cart) Total() int {\n return 1\n}", "Total"),
        ("java", "class A {\n  void f() {\n  } }", "A.f"),
        ("kotlin", "class A {\n  fun f() {\n  } }", "A.f"),
        ("ruby", "module M\n  def f\n    1\n  end\nend", "M.f"),
        ("php", "<?php class A {\n function f() {\n } }", "A.f"),
        ("csharp", "class A {\n void F() {\n } }", "A.F"),
        ("c", "static int\n*total(int a) {\n return 0; }", "total"),
        ("cpp", "namespace n { class A {\n int f() {\n return 0; } }; }", "n.A.f"),
        ("rust", "impl Cart {\n fn total() {\n } }", "Cart.total"),
        ("bash", "total() {\n  echo\n  echo\n}", "total"),
        ("swift", "class A {\n func f() {\n } }", "A.f"),
        ("scala", "object A {\n def f() = {\n 1 } }", "A.f"),
        ("lua", "function f()\n x()\n y()\nend", "f"),
        ("solidity", "contract A {\n function f() public {\n } }", "A.f"),
    ],
)
def test_functions_and_classes_of_many_languages_have_names(language: str, text: str, name: str) -> None:
    assert syntax.scope_at(text, language, 3) == name


def test_a_match_says_where_it_stands_in_lines_and_characters() -> None:
    text = 'é = "😀"; run(\n  "a", # why\n  b)\n'
    (match,) = syntax.matches(text, "python", {"rule": {"pattern": "run($A, $$$REST)"}}, captures=("A", "REST", "NONE"))
    assert (match.start_line, match.start_col, match.end_line) == (1, 10, 3)
    assert match.text == text[match.start : match.end] == 'run(\n  "a", # why\n  b)'
    assert match.captures == {"A": '"a"', "REST": "# why\n  b"}


def test_several_captured_pieces_keep_what_stands_between_them() -> None:
    (match,) = syntax.matches("f(1,  2, 3)", "python", {"rule": {"pattern": "f($$$ALL)"}}, captures=("ALL",))
    assert match.captures == {"ALL": "1,  2, 3"}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"rule": {"kind": "nope"}}, "Kind `nope` is invalid."),
        ({"rule": {"patern": "x"}}, "unknown field `patern`"),
        ({"rule": {"regex": "("}}, "unclosed group"),
        ({"rule": {}}, "Rule must have one positive matcher."),
        ({}, "missing field `rule`"),
        ({"rule": {"matches": "other"}}, "Rule `other` is not defined."),
        ({"rule": {"pattern": "a; b"}}, "Multiple AST nodes are detected"),
    ],
)
def test_a_rule_that_is_none_is_refused_in_one_line(rule: dict[str, object], says: str) -> None:
    with pytest.raises(RuleError) as caught:
        syntax.check(rule, "python")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "backtrace" not in str(caught.value)


def test_a_match_inside_of_what_the_parser_did_not_understand_is_left_out() -> None:
    rule = {"rule": {"kind": "call", "regex": "^eval"}}
    assert len(syntax.matches("eval(x)\n", "python", rule)) == 1
    assert syntax.matches("class ) ( eval(x eval(y\n", "python", rule) == ()


@pytest.mark.parametrize(
    "text",
    ["f(" * 20_000 + "1" + ")" * 20_000, "x = " + "1+" * 20_000 + "1", "x = " + "not " * 20_000 + "1", "[" * 100_000],
)
def test_a_rule_is_not_run_on_a_tree_so_deep_that_it_would_take_minutes(text: str) -> None:
    rule = {"rule": {"kind": "call", "has": {"kind": "string", "stopBy": "end"}}}
    tree = syntax.parse(text, "python")
    assert tree is not None
    assert tree.matches(rule) == ()
    assert tree.scope_at(1) is None


def test_a_rule_about_all_siblings_is_not_run_on_a_tree_so_wide_that_it_would_take_minutes() -> None:
    text = "x = {" + ",".join(f"{n}: 1" for n in range(20_000)) + "}\n"
    far = {"rule": {"kind": "pair", "follows": {"kind": "pair", "stopBy": "end", "regex": "^no"}}}
    near = {"rule": {"kind": "pair", "follows": {"regex": "^,$"}, "regex": "^19999:"}}
    tree = syntax.parse(text, "python")
    assert tree is not None
    assert tree.too_wide
    assert tree.matches(far) == ()
    assert len(tree.matches(near)) == 1


def test_a_text_over_the_limit_is_not_parsed() -> None:
    assert syntax.parses("x = 1\n" * 100_000, "python") is None


def test_a_byte_order_mark_and_a_lone_surrogate_do_no_harm() -> None:
    assert syntax.parses("\ufeffx = 1\n", "python") is True
    (match,) = syntax.matches("x = '\udcff'; f(1)", "python", {"rule": {"pattern": "f($A)"}})
    assert match.start_col == 10


# The same texts on every run: a native parser that dies takes the whole test run with it (seen once, on Python 3.13,
# and not again in 160,000 texts). Looking for more such texts is a fuzzer's work, not a gate's.
@settings(derandomize=True)
@given(st.text(max_size=200), st.sampled_from(sorted(syntax.LANGUAGES)))
def test_no_text_breaks_the_parser(text: str, language: str) -> None:
    assert syntax.parses(text, language) in (True, False)
    syntax.scope_at(text, language, 1)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        (r"^\w+\s*$", r"^[0-9A-Za-z_]+[ \t\r\n\f\x0b]*$"),
        (r"[\w.-]+[^\s\d]", r"[0-9A-Za-z_.-]+[^ \t\r\n\f\x0b0-9]"),
        (r"\bname\b|\W\S\D", r"(?-u:\b)name(?-u:\b)|[^0-9A-Za-z_][^ \t\r\n\f\x0b][^0-9]"),
        (r"\\w[]\w][^]\s]\[\d", r"\\w[]0-9A-Za-z_][^] \t\r\n\f\x0b]\[[0-9]"),
        ("plain [a-z] (?i)", "plain [a-z] (?i)"),
    ],
)
def test_classes_of_a_rules_regular_expression_know_ascii_only(written: str, asked: str) -> None:
    assert syntax.ascii_classes(written) == asked
    assert syntax.matches("a = 'x'", "python", {"rule": {"regex": written}}) is not None


def test_a_rule_made_once_is_asked_of_many_trees() -> None:
    query = syntax.Query.of({"rule": {"kind": "identifier", "regex": r"^\w+$"}})
    found = [tree.matches(query)[0].text for text in ("a = 1", "b = 2") if (tree := syntax.parse(text, "python"))]
    assert found == ["a", "b"]
