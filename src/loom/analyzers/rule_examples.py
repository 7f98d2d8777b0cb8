"""A rule's examples as its tests: every bad one is found, no good one is, and a rewrite mends what it rewrites."""

from __future__ import annotations

from collections.abc import Iterator

from loom.analyzers.rule_file import Rule, Variant, check_matchers
from loom.analyzers.subject import Subject
from loom.infra import syntax
from loom.infra.syntax import Match


def failures(rule: Rule) -> tuple[str, ...]:
    """What does not hold, one sentence each; nothing when the rule keeps its word."""
    refused = check_matchers(rule)
    if refused:
        return refused
    return tuple(failure for variant in rule.variants for failure in _of_variant(rule, variant))


def count(rule: Rule) -> int:
    """How many examples there are, counted once per language."""
    return sum(len(v.languages) * (len(v.bad) + len(v.good)) for v in rule.variants)


def _of_variant(rule: Rule, variant: Variant) -> Iterator[str]:
    for language in variant.languages:
        for text in variant.bad:
            yield from _bad(rule, variant, language, text)
        for text in variant.good:
            if _matches(variant, language, text):
                yield f"{rule.file}: good example in {language} is reported: {_short(text)}"


def _bad(rule: Rule, variant: Variant, language: str, text: str) -> Iterator[str]:
    if syntax.parses(text, language) is False:
        yield f"{rule.file}: bad example is not {language}: {_short(text)}"
    elif not (found := _matches(variant, language, text)):
        yield f"{rule.file}: bad example in {language} is not reported: {_short(text)}"
    elif (mended := _rewritten(variant, text, found[0])) is not None:
        if syntax.parses(mended, language) is False:
            yield f"{rule.file}: the rewrite does not parse in {language}: {_short(mended)}"
        elif len(_matches(variant, language, mended)) >= len(found):
            yield f"{rule.file}: the rewrite is reported again in {language}: {_short(mended)}"


def _matches(variant: Variant, language: str, text: str) -> tuple[Match, ...]:
    if variant.keywords and not any(keyword in text for keyword in variant.keywords):
        return ()
    return Subject(text, language).matches(variant)


def _rewritten(variant: Variant, text: str, match: Match) -> str | None:
    new = variant.rewritten(match.captures)
    return None if new is None else text[: match.start] + new + text[match.end :]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
