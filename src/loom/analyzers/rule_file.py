"""The rule file: one YAML file, one fact about code, for one or more languages. Its examples are its tests.
The format is explained in docs/rules.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from loom.analyzers.line_matcher import LineMatcher
from loom.core.errors import ConfigError, Problem, did_you_mean
from loom.core.finding import CATEGORIES, Category, Severity
from loom.infra import syntax

if TYPE_CHECKING:
    from loom.infra.yaml import Document

FORMAT = "the format of a rule file: docs/rules.md"

_TEXTS = ("id", "severity", "category", "message", "why", "fix")
_TOP_KEYS = (*_TEXTS, "references", "skip_tests", "variants")
_MATCHER_KEYS = ("rule", "constraints", "utils")
_VARIANT_KEYS = ("languages", "paths", *_MATCHER_KEYS, "lines", "keywords", "rewrite", "whole_file", "bad", "good")
_LINES_KEYS = ("regex", "not")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_CWE = re.compile(r"CWE-(\d{1,5})")
_METAVARIABLE = re.compile(r"\$\$\$([A-Z_][A-Z0-9_]*)|\$([A-Z_][A-Z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How the fact looks in some languages."""

    languages: tuple[str, ...]
    paths: tuple[str, ...]
    """Globs; only tried on a path that they match. Empty: on every path."""
    matcher: Mapping[str, object]
    """ast-grep's `rule`, `constraints` and `utils`: https://ast-grep.github.io/reference/rule.html; empty for a variant
    that knows lines only."""
    query: syntax.Query
    """The matcher, ready to be asked."""
    lines: LineMatcher | None
    """Statements to find; with a `matcher` only inside of what that finds."""
    keywords: tuple[str, ...]
    """The rule is not tried on a text without any of these; empty: always tried."""
    rewrite: str | None
    """Replacement of the matched text, `$NAME` standing for captured pieces."""
    whole_file: bool
    """Does not run on hunks alone: what is around the match decides."""
    bad: tuple[str, ...]
    good: tuple[str, ...]
    line: int
    """Where its matcher stands in the file."""

    def rewritten(self, captures: Mapping[str, str]) -> str | None:
        """The replacement for one match; None without a rewrite or where a capture is missing."""
        if self.rewrite is None or any(name not in captures for name in self.captured()):
            return None
        return _METAVARIABLE.sub(lambda found: captures[found[1] or found[2]], self.rewrite)

    def captured(self) -> tuple[str, ...]:
        """Names of the metavariables that the rewrite needs."""
        return tuple(one or other for one, other in _METAVARIABLE.findall(self.rewrite or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fact: what is wrong, why it matters, how to mend it, and where it shows."""

    id: str
    severity: Severity
    category: Category
    message: str
    """What is wrong, in one sentence."""
    why: str
    fix: str
    references: tuple[str, ...]
    """`CWE-n` or a link."""
    variants: tuple[Variant, ...]
    file: str
    skip_tests: bool = False
    """Not tried in test code, where the same is done on purpose."""

    @property
    def url(self) -> str | None:
        """The first reference as a link."""
        return next(iter(self.links()), None)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of all variants, sorted."""
        return tuple(sorted({language for variant in self.variants for language in variant.languages}))

    def links(self) -> tuple[str, ...]:
        """All references as links."""
        return tuple(_CWE.sub(r"https://cwe.mitre.org/data/definitions/\1.html", text) for text in self.references)


def read(data: bytes, *, file: str) -> Rule:
    """The rule in a file. Raises ConfigError with everything that is wrong with it, each with its line."""
    from loom.infra import yaml  # PyYAML is loaded where rules are used, not with the table of analyzers

    document = yaml.load(data, file=file)
    checked = _Checked(document)
    rule = checked.rule()
    if rule is None or checked.problems:
        raise ConfigError(checked.problems, hint=FORMAT, slug="rule-file")
    return rule


def check_matchers(rule: Rule) -> tuple[str, ...]:
    """What ast-grep and RE2 say against the matchers of a rule; nothing when they accept them for all its languages."""
    said = []
    for variant in rule.variants:
        for language in variant.languages:
            try:
                if variant.matcher:
                    syntax.check(variant.matcher, language)
                if variant.lines:
                    variant.lines.check()
            except syntax.RuleError as error:
                said.append(f"{rule.file}:{variant.line}: rule for {language}: {error}")
    return tuple(said)


class _Checked:
    """A document on its way to a Rule; collects what is wrong."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def rule(self) -> Rule | None:
        """The rule, as far as it can be read; None when the file is not a mapping."""
        value = self._document.value
        if not isinstance(value, dict):
            self._wrong((), "a rule file is a mapping (key: value)")
            return None
        short = "variants" not in value
        self._unknown_keys((), value, (*_TOP_KEYS, *_VARIANT_KEYS) if short else _TOP_KEYS)
        texts = {key: self._text((), value, key) for key in _TEXTS}
        severity = self._one_of(("severity",), texts["severity"], [s.value for s in Severity])
        category = self._one_of(("category",), texts["category"], CATEGORIES)
        if texts["id"] and not _ID.fullmatch(texts["id"]):
            self._wrong(("id",), "an id is lower-case words with hyphens, like `mutable-default-argument`")
        references = self._texts((), value, "references")
        for number, reference in enumerate(references):
            if not (_CWE.fullmatch(reference) or reference.startswith("https://")):
                self._wrong(("references", number), "a reference is `CWE-123` or an https:// link")
        skip_tests = self._flag((), value, "skip_tests")
        variants = (self._variant((), value),) if short else self._variants(value["variants"])
        if self.problems:
            return None
        return Rule(
            id=texts["id"], severity=Severity(severity), category=_category(category), message=texts["message"],
            why=texts["why"], fix=texts["fix"], references=references, variants=variants, file=self._document.file,
            skip_tests=skip_tests,
        )  # fmt: skip

    def _variants(self, value: object) -> tuple[Variant, ...]:
        if not isinstance(value, list) or not value:
            self._wrong(("variants",), "a list of at least one mapping is needed")
            return ()
        found = []
        for number, item in enumerate(value):
            path = ("variants", number)
            if isinstance(item, dict):
                self._unknown_keys(path, item, _VARIANT_KEYS)
                found.append(self._variant(path, item))
            else:
                self._wrong(path, "a mapping (key: value) is needed")
        return tuple(found)

    def _variant(self, path: tuple[str | int, ...], value: Mapping[str, object]) -> Variant:
        languages = self._texts(path, value, "languages", needed=True)
        for number, language in enumerate(languages):
            self._one_of((*path, "languages", number), language, sorted(syntax.LANGUAGES | syntax.LINE_LANGUAGES))
        matcher = self._matcher(path, value, languages)
        return Variant(
            languages=languages,
            paths=self._texts(path, value, "paths"),
            matcher=matcher,
            query=syntax.Query.of(matcher),
            lines=self._lines((*path, "lines"), value["lines"]) if "lines" in value else None,
            keywords=self._texts(path, value, "keywords"),
            rewrite=self._text(path, value, "rewrite") if "rewrite" in value else None,
            whole_file=self._flag(path, value, "whole_file"),
            bad=self._texts(path, value, "bad", needed=True),
            good=self._texts(path, value, "good", needed=True),
            line=self._document.key_place((*path, "rule" if "rule" in value else "lines"))[0],
        )

    def _matcher(
        self, path: tuple[str | int, ...], value: Mapping[str, object], languages: Iterable[str]
    ) -> Mapping[str, object]:
        """The variant's part for ast-grep; optional where it has `lines`, impossible without a grammar."""
        matcher = {key: value[key] for key in _MATCHER_KEYS if key in value}
        without = [language for language in languages if language in syntax.LINE_LANGUAGES]
        if without:
            needs = "has no grammar: describe its lines with `lines: {regex: …}`"
            if matcher or "lines" not in value:
                self._wrong((*path, next(iter(matcher), "lines")), f"{without[0]} {needs}")
            return {}
        for key in _MATCHER_KEYS:
            optional = key != "rule" or ("lines" in value and not matcher)
            if not isinstance(matcher.get(key, {} if optional else None), dict):
                self._wrong((*path, key), "an ast-grep mapping is needed, such as `pattern: eval($X)`")
        return matcher

    def _lines(self, path: tuple[str | int, ...], value: object) -> LineMatcher | None:
        if not isinstance(value, dict):
            self._wrong(path, "a mapping with `regex`, and `not` if need be, is wanted")
            return None
        self._unknown_keys(path, value, _LINES_KEYS)
        excluded = value.get("not", [])
        excluded = {"not": [excluded] if isinstance(excluded, str) else excluded}
        return LineMatcher(pattern=self._text(path, value, "regex"), excluded=self._texts(path, excluded, "not"))

    def _text(self, path: tuple[str | int, ...], value: Mapping[str, object], key: str) -> str:
        found = value.get(key)
        if isinstance(found, str) and found.strip():
            return found.strip() if key != "rewrite" else found
        self._wrong((*path, key), f"`{key}` is needed, as text")
        return ""

    def _texts(
        self, path: tuple[str | int, ...], value: Mapping[str, object], key: str, *, needed: bool = False
    ) -> tuple[str, ...]:
        found = value.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            self._wrong((*path, key), f"`{key}` is a list of texts")
            return ()
        if needed and not found:
            self._wrong((*path, key), f"`{key}` is needed, with at least one entry")
        return tuple(str(item) for item in found)

    def _flag(self, path: tuple[str | int, ...], value: Mapping[str, object], key: str) -> bool:
        found = value.get(key, False)
        if not isinstance(found, bool):
            self._wrong((*path, key), "true or false is needed")
        return found is True

    def _one_of(self, path: tuple[str | int, ...], found: str, allowed: Iterable[str]) -> str:
        allowed = list(allowed)
        if found and found not in allowed:
            self._wrong(path, f'"{found[:60]}" is not one of {", ".join(allowed)}.{did_you_mean(found, allowed)}')
        return found

    def _unknown_keys(self, path: tuple[str | int, ...], value: Mapping[str, object], known: tuple[str, ...]) -> None:
        for key in value:
            if key not in known:
                self._wrong((*path, key), f"unknown key.{did_you_mean(key, known)}", at_key=True)

    def _wrong(self, path: tuple[str | int, ...], message: str, *, at_key: bool = False) -> None:
        self.problems.append(self._document.problem(path, message, at_key=at_key))


def _category(name: str) -> Category:
    """The checked name with its type."""
    return next(known for known in get_args(Category) if known == name)
