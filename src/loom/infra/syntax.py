"""Syntax trees: which language a path is, whether a text parses, which function a line is in, where a rule matches.
The only user of ast-grep; what a rule file looks like is decided in `analyzers.rules`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from loom.infra.syntax_languages import LANGUAGES, LINE_LANGUAGES, language_of, rule_language_of
from loom.infra.syntax_scopes import FUNCTION_VALUES, NAME_FIELDS, SCOPE_KINDS

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = [
    "LANGUAGES", "LINE_LANGUAGES", "MAX_CHARS", "MAX_DEPTH", "MAX_DEPTH_LONG", "MAX_WIDTH", "Match", "Query",
    "RuleError", "Scope", "Tree", "ascii_classes", "check", "damages", "language_of", "matches", "parse", "parses",
    "rule_language_of", "scope_at",
]  # fmt: skip

T = TypeVar("T")

MAX_CHARS = 500_000
"""Longer texts are not parsed: such files are data or generated, and a rule may look at a node many times."""

MAX_DEPTH = 1_000
MAX_DEPTH_LONG = 300
"""Rules do not run on a deeper tree (the second for texts over LONG_CHARS): `f(f(f(…` 20,000 deep took one rule 27 s,
since finding a node's parent is linear in its depth. Of 1,500 files in Python packages none is deeper than 60; a
TypeScript union of 400 names is 400 deep."""
LONG_CHARS = 100_000
USUAL_DEPTH = 60
"""Asked first: a question about 1,000 levels takes 1.4 ms to read, whatever the tree."""

MAX_WIDTH = 1_000
"""Rules about any sibling before or after (`follows`, `precedes` with `stopBy`, `nthChild`) do not run on a tree with
more siblings than this: on a dictionary of 20,000 entries one took 82 s."""

# An escape; the beginning of a class with what is no end of it there; any other character.
_PIECE = re.compile(r"\\.|\[\^?\]?|.", re.DOTALL)
_ASCII = {r"\w": "0-9A-Za-z_", r"\d": "0-9", r"\s": r" \t\r\n\f\x0b"}
_ASCII_NOT = {
    r"\W": "[^0-9A-Za-z_]", r"\D": "[^0-9]", r"\S": r"[^ \t\r\n\f\x0b]", r"\b": r"(?-u:\b)", r"\B": r"(?-u:\B)",
}  # fmt: skip

_MAY_BE_EMPTY = frozenset({
    "block_continuation", "heredoc_content", "integer_value", "raw_string_literal_content", "raw_text",
})  # fmt: skip
"""Nodes that correct texts have without characters, as seen in 4,000 files of seven open-source projects."""


@cache
def _nested(depth: int) -> dict[str, Any]:
    """A rule for a node with so many levels below it."""
    rule: dict[str, Any] = {"all": []}
    for _ in range(depth):
        rule = {"all": [], "has": rule}
    return rule


@dataclass(frozen=True, slots=True)
class Query:
    """A rule as ast-grep gets it; made once and asked of many trees."""

    rule: Mapping[str, object]
    """With `\\w`, `\\d`, `\\s` and `\\b` of its regular expressions as ASCII knows them: ast-grep compiles them anew
    for each tree, and Unicode's tables were more than half of that (0.26 ms a rule, 0.11 without)."""
    all_siblings: bool
    """Whether it looks further than at the neighbour."""

    @classmethod
    def of(cls, rule: Mapping[str, object]) -> Query:
        """From ast-grep's `rule`, `constraints`, `utils`."""
        plain = _in_ascii(rule)
        assert isinstance(plain, Mapping)
        return cls(plain, _asks_all_siblings(rule))


class RuleError(ValueError):
    """A rule that ast-grep does not accept; the message says what is wrong with it, in one line."""


@dataclass(frozen=True, slots=True)
class Match:
    """A piece of text that a rule describes."""

    start_line: int
    """1-based."""
    end_line: int
    """1-based; the line of the last character."""
    start_col: int
    """1-based, in characters."""
    text: str
    captures: Mapping[str, str]
    """The source text of the metavariables that were asked for and matched; `$$$NAME` includes what stands between."""
    start: int
    """Offset of the first character."""
    end: int
    """Offset behind the last character."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A named piece of a program."""

    name: str
    start_line: int
    end_line: int


def parses(text: str, language: str) -> bool | None:
    """Whether `text` is free of syntax errors; None where that cannot be told (no grammar, too long)."""
    tree = parse(text, language)
    return None if tree is None else tree.clean


def damages(before: str, after: str, language: str) -> bool | None:
    """Whether going from `before` to `after` adds a syntax error; None where that cannot be told. What the grammar
    already did not understand before (2 % of real TypeScript files have such a place) is not held against `after`."""
    new = parse(after, language)
    if new is None:
        return None
    if new.clean:
        return False
    old = parse(before, language)
    return old is None or new.faults > old.faults


def scope_at(text: str, language: str, line: int) -> str | None:
    """The dotted name of the functions and classes around a line, outermost first; None outside of any."""
    tree = parse(text, language)
    return None if tree is None else tree.scope_at(line)


def matches(text: str, language: str, rule: Mapping[str, object], *, captures: Iterable[str] = ()) -> tuple[Match, ...]:
    """Where `rule` (ast-grep's `rule`, `constraints`, `utils`) matches, in order of the text; nothing where there is
    no tree to look at. Raises RuleError."""
    tree = parse(text, language)
    return () if tree is None else tree.matches(rule, captures=captures)


def parse(text: str, language: str) -> Tree | None:
    """The tree of `text`, for several questions about one text; None without a grammar or over MAX_CHARS."""
    if language not in LANGUAGES or len(text) > MAX_CHARS:
        return None
    from ast_grep_py import SgRoot  # 10 ms, only where there is something to parse

    # A lone surrogate cannot be handed to Rust; one character for another keeps every offset.
    plain = text.encode("utf-8", "replace").decode("utf-8")
    root = _contained(lambda: SgRoot(plain, language).root())
    return None if root is None else Tree(text=plain, language=language, root=root)


@dataclass(frozen=True)
class Tree:
    """One parsed text. To be used by one thread."""

    text: str
    language: str
    root: SgNode = field(repr=False)

    @property
    def clean(self) -> bool:
        """Whether the text has no syntax error."""
        return self.faults == 0

    @cached_property
    def faults(self) -> int:
        """How many places the grammar does not understand: ERROR nodes, and tokens that the parser had to invent,
        which show as nodes without text (`def f(:` has no ERROR, but a `)` of no length)."""
        errors = len(self.root.find_all(kind="ERROR"))
        empty = self.root.find_all({"rule": {"regex": "^$"}})
        return errors + sum(node.parent() is not None and node.kind() not in _MAY_BE_EMPTY for node in empty)

    @cached_property
    def too_deep(self) -> bool:
        """Whether the tree is nested beyond MAX_DEPTH (MAX_DEPTH_LONG), where rules are not run."""
        if not self.root.matches(**_nested(USUAL_DEPTH)):
            return False
        return self.root.matches(**_nested(MAX_DEPTH_LONG if len(self.text) > LONG_CHARS else MAX_DEPTH))

    @cached_property
    def too_wide(self) -> bool:
        """Whether a node has more than MAX_WIDTH children, where rules about all siblings are not run."""
        open_nodes = [self.root]
        while open_nodes:
            children = open_nodes.pop().children()
            if len(children) > MAX_WIDTH:
                return True
            open_nodes += [child for child in children if len(child.text()) > MAX_WIDTH]
        return False

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """All named functions, classes and the like, in order of their first line, outer before inner."""
        rules = [{"kind": kind} for kind in SCOPE_KINDS.get(self.language, ())]
        rules += FUNCTION_VALUES.get(self.language, [])
        if not rules or self.too_deep:
            return ()
        nodes = _find_all(self.root, {"rule": {"any": rules}})
        found = [Scope(name, *_lines(node)) for node in nodes if (name := _name(node))]
        return tuple(sorted(found, key=lambda scope: (scope.start_line, -scope.end_line)))

    def scope_at(self, line: int) -> str | None:
        """See the function of the same name."""
        names = [scope.name for scope in self.scopes if scope.start_line <= line <= scope.end_line]
        return ".".join(names) or None

    def kinds_at(self, line: int, column: int) -> tuple[str, ...]:
        """The kinds of the nodes around a character, outermost first. `line` is 1-based, `column` counts characters
        from 0; empty behind the end of the text."""
        kinds: list[str] = []
        node: SgNode | None = self.root
        while node is not None and len(kinds) < MAX_DEPTH:
            kinds.append(node.kind())
            node = next((child for child in node.children() if _holds(child, line - 1, column)), None)
        return tuple(kinds) if _holds(self.root, line - 1, column) else ()

    def matches(self, rule: Mapping[str, object] | Query, *, captures: Iterable[str] = ()) -> tuple[Match, ...]:
        """See the function of the same name. Also nothing where the tree is too deep or too wide for the rule."""
        query = rule if isinstance(rule, Query) else Query.of(rule)
        if self.too_deep or (query.all_siblings and self.too_wide):
            return ()
        try:
            nodes = _contained(lambda: _find_all(self.root, query.rule))
        except Exception as error:  # noqa: BLE001  # ast-grep raises bare Exception and RuntimeError for bad rules
            _refuse(error)
        wanted = tuple(captures)
        return tuple(self._match(node, wanted) for node in nodes or () if self.clean or not _in_doubt(node))

    def _match(self, node: SgNode, wanted: tuple[str, ...]) -> Match:
        where = node.range()
        first, last = _lines(node)
        found = {name: text for name in wanted if (text := self._captured(node, name)) is not None}
        return Match(
            first, last, where.start.column + 1, node.text(), found, start=where.start.index, end=where.end.index
        )

    def _captured(self, node: SgNode, name: str) -> str | None:
        one = node.get_match(name)
        if one is not None:
            return one.text()
        many = node.get_multiple_matches(name)
        if not many:
            return None
        return self.text[many[0].range().start.index : many[-1].range().end.index]


def check(rule: Mapping[str, object], language: str) -> None:
    """Raise RuleError where ast-grep does not accept `rule` for `language`."""
    if language not in LANGUAGES:
        raise RuleError(f'there is no grammar for "{language}"')
    matches("", language, rule)


def _holds(node: SgNode, line: int, column: int) -> bool:
    where = node.range()
    start, end = where.start, where.end
    return (start.line, start.column) <= (line, column) < (end.line, end.column)


def _contained(work: Callable[[], T]) -> T | None:
    """The result of `work`; None where ast-grep panicked: that text or rule is its bug, not the end of the review."""
    try:
        return work()
    except BaseException as error:
        # pyo3_runtime.PanicException derives from BaseException and cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        return None


def _in_ascii(part: object) -> object:
    """A part of a rule with its regular expressions for ASCII."""
    if isinstance(part, Mapping):
        return {
            key: ascii_classes(inner) if key == "regex" and isinstance(inner, str) else _in_ascii(inner)
            for key, inner in part.items()
        }
    return [_in_ascii(inner) for inner in part] if isinstance(part, list | tuple) else part


def ascii_classes(pattern: str) -> str:
    """A regular expression of Rust's whose `\\w`, `\\d`, `\\s`, `\\b` and their opposites know ASCII only."""
    out: list[str] = []
    in_class = False
    for piece in _PIECE.findall(pattern):
        if piece in _ASCII:
            out.append(_ASCII[piece] if in_class else f"[{_ASCII[piece]}]")
        elif piece in _ASCII_NOT and not in_class:
            out.append(_ASCII_NOT[piece])
        else:
            if piece.startswith("[") and not in_class:
                in_class = True
            elif piece == "]":
                in_class = False
            out.append(piece)
    return "".join(out)


def _asks_all_siblings(rule: object) -> bool:
    """Whether a rule looks further than at the neighbour."""
    if isinstance(rule, list | tuple):
        return any(_asks_all_siblings(part) for part in rule)
    if not isinstance(rule, Mapping):
        return False
    for key, part in rule.items():
        far = key == "nthChild" or (key in ("follows", "precedes") and isinstance(part, Mapping) and "stopBy" in part)
        if far or _asks_all_siblings(part):
            return True
    return False


def _refuse(error: Exception) -> NoReturn:
    """Raise RuleError with the last cause that ast-grep names, without its Rust backtrace."""
    text = str(error).partition("Stack backtrace:")[0]
    causes = re.findall(r"^\s*\d+: (.+?)(?=^\s*\d+: |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = " ".join((causes[-1] if causes else text).split())
    raise RuleError(lines or "not a rule") from error


def _find_all(node: SgNode, rule: Mapping[str, object]) -> list[SgNode]:
    return node.find_all(rule)  # type: ignore[call-overload,no-any-return]  # wants a TypedDict; our rules are data


def _in_doubt(node: SgNode) -> bool:
    """Whether the parser did not understand the node itself or what it stands in."""
    around = node.parent()
    return node.find(kind="ERROR") is not None or (around is not None and around.kind() == "ERROR")


def _lines(node: SgNode) -> tuple[int, int]:
    """First and last line, 1-based; a node that ends with a line feed ends on the line it closes."""
    where = node.range()
    last = where.end.line + (0 if where.end.column == 0 and where.end.line > where.start.line else 1)
    return where.start.line + 1, last


def _name(node: SgNode) -> str:
    """What a definition is called; empty for one without a name."""
    # Kotlin's grammar has no field for it.
    plain = next((child for child in node.children() if child.kind() in ("simple_identifier", "type_identifier")), None)
    for field_name in NAME_FIELDS:
        named = node.field(field_name)
        if named is None:
            continue
        inner = named
        while (deeper := inner.field("declarator")) is not None:  # C: the name is inside the pointers and brackets
            inner = deeper
        return " ".join(inner.text().split())[:80]
    return plain.text() if plain is not None else ""
