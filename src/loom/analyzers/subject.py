"""A text as rules look at it: its syntax tree and its statements, each made once, when a rule asks for it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from loom.analyzers.line_matcher import Statements
from loom.analyzers.rule_file import Variant
from loom.infra import syntax
from loom.infra.syntax import Match, Tree


class Subject:
    """A text in a language. To be used by one thread."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.language = language

    @cached_property
    def tree(self) -> Tree | None:
        """None in a language without a grammar, and where the text cannot be parsed."""
        return syntax.parse(self.text, self.language)

    @cached_property
    def statements(self) -> Statements:
        """The text cut into statements or lines."""
        return Statements(self.text, self.language)

    @property
    def readable(self) -> bool:
        """Whether rules can say anything about it."""
        return self.language in syntax.LINE_LANGUAGES or self.tree is not None

    @property
    def too_deep(self) -> bool:
        """Whether it is nested so deep that rules are not run."""
        return self.tree is not None and self.tree.too_deep

    def matches(self, variant: Variant, *, lines: Collection[int] | None = None) -> tuple[Match, ...]:
        """Where the variant matches, in order of the text. `lines`: what touches none of them may be left out. Raises
        RuleError."""
        if not variant.matcher:
            return () if variant.lines is None else tuple(self.statements.matches(variant.lines, lines=lines))
        if self.tree is None:
            return ()
        nodes = self.tree.matches(variant.query, captures=variant.captured())
        if variant.lines is None:
            return nodes
        found = {
            (match.start, match.end): match
            for node in nodes
            for match in self.statements.matches(variant.lines, within=(node.start, node.end), lines=lines)
        }
        return tuple(found[place] for place in sorted(found))
