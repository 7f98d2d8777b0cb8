"""The rules that come with Loom, as files that are only read when a text may need them: what a rule is about stands in
two of its lines, and most of a hundred YAML files have nothing to say about a change."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from loom.analyzers.rule_file import Rule, Variant, read

# As the pack's files write them: the variant's first key, its keywords on one line. A test compares with the real YAML.
_HEADER = re.compile(rb"^(?: {2}- | {4}|)(languages|keywords): \[(.*)\][ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"""\s*(?:"((?:[^"\\]|\\["\\])*)"|'((?:[^']|'')*)'|([^,"'\s][^,]*?))\s*(?:,|$)""")


@dataclass(frozen=True, slots=True)
class About:
    """What a variant is tried on."""

    languages: tuple[str, ...]
    keywords: tuple[str, ...]


class Entry:
    """A rule that may not have been read yet."""

    def __init__(self, id: str, about: tuple[About, ...], load: Callable[[], Rule]) -> None:  # noqa: A002 (a rule's own word)
        self.id = id
        self.about = about
        self._load = load

    @functools.cached_property
    def rule(self) -> Rule:
        """The whole rule."""
        return self._load()


def entry_of(rule: Rule) -> Entry:
    """A rule that is known already."""
    about = tuple(About(variant.languages, variant.keywords) for variant in rule.variants)
    return Entry(rule.id, about, lambda: rule)


def header(data: bytes) -> tuple[About, ...]:
    """What each variant of a rule file of the pack is about, without reading the file as YAML."""
    found: list[About] = []
    for key, items in _HEADER.findall(data):
        texts = _items(items.decode())
        if key == b"languages":
            found.append(About(texts, ()))
        elif found:
            found[-1] = About(found[-1].languages, texts)
    return tuple(found)


@functools.cache
def entries() -> tuple[Entry, ...]:
    """The rules that come with Loom, sorted by id."""
    return tuple(_entry(file) for file in _files())


def pack() -> tuple[Rule, ...]:
    """All of them, read."""
    return tuple(entry.rule for entry in entries())


class Catalogue:
    """Rules by language, for asking which may match a text."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        table: dict[str, list[tuple[Entry, int, tuple[str, ...]]]] = {}
        for entry in entries:
            for number, about in enumerate(entry.about):
                for language in about.languages:
                    table.setdefault(language, []).append((entry, number, about.keywords))
        self._by_language: Mapping[str, list[tuple[Entry, int, tuple[str, ...]]]] = table

    def knows(self, language: str) -> bool:
        """Whether any rule is about this language."""
        return language in self._by_language

    def applicable(self, text: str, language: str) -> Iterator[tuple[Rule, Variant]]:
        """The rules whose language it is and one of whose keywords it has."""
        seen: dict[str, bool] = {}
        for entry, number, keywords in self._by_language.get(language, ()):
            if keywords and not any(_has(text, keyword, seen) for keyword in keywords):
                continue
            yield entry.rule, entry.rule.variants[number]


def _has(text: str, keyword: str, seen: dict[str, bool]) -> bool:
    """Several rules share a keyword."""
    known = seen.get(keyword)
    if known is None:
        known = seen[keyword] = keyword in text
    return known


def _files() -> list[Traversable]:
    folder = resources.files("loom.analyzers") / "rules"
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name)


def _entry(file: Traversable) -> Entry:
    data = file.read_bytes()
    shown = f"loom/rules/{file.name}"
    return Entry(file.name.removesuffix(".yaml"), header(data), lambda: read(data, file=shown))


def _items(text: str) -> tuple[str, ...]:
    """The entries of a YAML list on one line."""
    found = []
    for double, single, plain in _ITEM.findall(text):
        found.append(re.sub(r"\\(.)", r"\1", double) or single.replace("''", "'") or plain)
    return tuple(found)
