"""Names that look like others: identifiers in which letters of other scripts stand for Latin ones.

A small part of https://www.unicode.org/reports/tr39/ (confusables.txt, version 16), made for source code: only letters
that look like one of ASCII in common fonts. `Привет` is a word, `pаypal` with a Cyrillic `а` is a trap.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loom.infra import syntax

_SINGLE = {
    # Cyrillic
    "а": "a", "в": "b", "е": "e", "ѕ": "s", "і": "i", "ј": "j", "о": "o", "р": "p", "с": "c", "у": "y", "х": "x",
    "һ": "h", "ԁ": "d", "ԛ": "q", "ԝ": "w", "ѵ": "v", "ӏ": "l", "ь": "b", "г": "r", "п": "n", "к": "k", "м": "m",
    "т": "t", "н": "h", "А": "A", "В": "B", "Е": "E", "Ѕ": "S", "І": "I", "Ј": "J", "К": "K", "М": "M", "Н": "H",
    "О": "O", "Р": "P", "С": "C", "Т": "T", "У": "Y", "Х": "X", "Ԁ": "D", "Ԍ": "G", "Ԛ": "Q", "Ԝ": "W", "Ѵ": "V",
    "Ү": "Y", "Ӏ": "I", "З": "3", "б": "6",
    # Greek
    "α": "a", "γ": "y", "ε": "e", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "σ": "o", "τ": "t", "υ": "u",
    "χ": "x", "ϲ": "c", "ϳ": "j", "η": "n", "ω": "w", "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I",
    "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P", "Τ": "T", "Υ": "Y", "Χ": "X", "Ϲ": "C", "Ϳ": "J",
    # Armenian
    "ա": "w", "գ": "q", "զ": "q", "հ": "h", "ո": "n", "ռ": "n", "ս": "u", "օ": "o", "ց": "g", "ք": "p", "ւ": "i",
    "Լ": "L", "Տ": "S", "Օ": "O", "Ս": "U",
    # Cherokee
    "Ꭰ": "D", "Ꭱ": "R", "Ꭲ": "T", "Ꭺ": "A", "Ꭻ": "J", "Ꭼ": "E", "Ꮃ": "W", "Ꮇ": "M", "Ꮋ": "H", "Ꮐ": "G", "Ꮓ": "Z",
    "Ꮞ": "4", "Ꮟ": "b", "Ꮢ": "R", "Ꮤ": "W", "Ꮥ": "S", "Ꮩ": "V", "Ꮪ": "S", "Ꮮ": "L", "Ꮯ": "C", "Ꮲ": "P", "Ꮶ": "K",
    "Ᏼ": "B", "Ꭵ": "i",
    # Latin letters that are not ASCII and cannot be told apart from it
    "ı": "i", "ȷ": "j", "ɡ": "g", "ɑ": "a", "ɩ": "i", "ʋ": "u", "ᴄ": "c", "ᴏ": "o", "ᴠ": "v", "ᴡ": "w", "ᴢ": "z",
    "ꜱ": "s", "ʟ": "L", "ɪ": "i", "ǃ": "l", "ǀ": "l",
}  # fmt: skip

# Letters that stand for themselves in formulas; `Δx`, `µs`, `σ2` and `λ1` are names as mathematicians write them.
_FORMULA = frozenset("αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΦΨΩµ∂∇ℓℏ")
_SCRIPTS = (
    ("Cyrillic", re.compile("[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]")),
    ("Greek", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("Armenian", re.compile("[\u0530-\u058f]")),
    ("Cherokee", re.compile("[\u13a0-\u13ff\uab70-\uabbf]")),
    ("full-width", re.compile("[\uff10-\uff5a]")),
    ("mathematical", re.compile("[\U0001d400-\U0001d7ff]")),
)
_OTHER = re.compile(
    "[\u0131\u0237\u0250-\u02af\u01c0-\u01c3\u0370-\u058f\u13a0-\u13ff\u1c80-\u1d7f\u1f00-\u1fff\u2de0-\u2dff"
    "\ua640-\ua69f\ua730-\ua731\uab70-\uabbf\uff10-\uff5a\U0001d400-\U0001d7ff]"
)
_ASCII_LETTER = re.compile(r"[A-Za-z]")
_WORD = re.compile(r"[^\W\d]\w*")

# Nodes whose text is content rather than code, and those that are names, in the words of the grammars.
_CONTENT = re.compile(
    r"string|comment|char(?:acter)?_literal|rune_literal|heredoc|template|raw_text|regex|text$|quasi|nowdoc|shebang|word$"
)
_NAME = re.compile(r"identifier|^name$|variable|constant$|^alias$|simple_symbol|constructor$")
_NO_CODE = frozenset(("html", "css", "json", "yaml", "markdown"))
# Without a grammar: files that hold code all the same. In others, words of any script are at home.
_CODE_ENDINGS = frozenset((
    "ps1", "psm1", "bat", "cmd", "pl", "pm", "r", "jl", "sql", "groovy", "gradle", "m", "mm", "vb", "fs", "fsx", "clj",
    "cljs", "erl", "hrl", "proto", "thrift", "graphql", "gql", "cmake", "vue", "svelte", "zig", "nim", "v", "sv", "vhd",
    "vhdl", "lisp", "el", "scm", "rkt", "ml", "mli", "d", "pas", "cr", "astro", "tcl", "awk", "asm", "s", "cu", "glsl",
    "hcl", "bicep", "rego", "cue", "mk", "just", "bzl", "star",
))  # fmt: skip
_CODE_NAMES = frozenset(("dockerfile", "containerfile", "makefile", "jenkinsfile", "justfile", "procfile"))
_BEHIND = re.compile(r"""#|//|/\*|<!--|--|^\s*\*|;\s|%\s""")
_MAX_SUSPECTS = 1_000  # names of one file that are looked up in its tree


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A name that can be taken for another."""

    line: int
    column: int
    """1-based, in characters."""
    name: str
    looks_like: str
    """What it reads as, in ASCII."""
    scripts: tuple[str, ...]
    """The other scripts in it."""
    twin: bool
    """Whether that very name is used in the file too."""


def may_hold(text: str) -> bool:
    """Whether a text has any letter that this is about; false for nearly all."""
    return not text.isascii() and _OTHER.search(text) is not None


def skeleton(name: str) -> str:
    """The name in the ASCII letters that it looks like; other letters stay."""
    return "".join(_SINGLE.get(char) or unicodedata.normalize("NFKC", char) for char in name)


def lookalikes(lines: Iterable[tuple[int, str]], *, whole: str | None, path: str) -> Iterator[Lookalike]:
    """Such names on `lines` (number, text), in order. `whole` is the file they are in; with a grammar for it, names in
    strings and comments are left alone, without one those in quotes and behind signs of comments."""
    suspects = [
        (number, found.start(), found[0], text)
        for number, text in lines
        if may_hold(text)
        for found in _WORD.finditer(text)
        if _OTHER.search(found[0]) and skeleton(found[0]).isascii() and not _is_formula(found[0])
    ]
    if not suspects:
        return
    names = frozenset(_WORD.findall(whole)) if whole is not None else frozenset[str]()
    language = syntax.language_of(path)
    tree = syntax.parse(whole, language) if whole is not None and language and language not in _NO_CODE else None
    for number, start, name, text in suspects[:_MAX_SUSPECTS]:
        read = skeleton(name)
        twin = read in names
        if not twin and not _ASCII_LETTER.search(name):
            continue
        if _in_code(tree, number, start) if tree else _looks_like_code(text[:start], path):
            yield Lookalike(number, start + 1, name, read, scripts(name), twin)


def in_name(path: str) -> str | None:
    """The first word of a file's name that mixes scripts so, or None."""
    words = _WORD.findall(path.rpartition("/")[2])
    return next((word for word in words if _mixes(word)), None)


def _mixes(word: str) -> bool:
    letters = _OTHER.search(word) and _ASCII_LETTER.search(word)
    return bool(letters) and skeleton(word).isascii() and not _is_formula(word)


def scripts(name: str) -> tuple[str, ...]:
    """The scripts in a name that are not ASCII's."""
    found = tuple(script for script, letters in _SCRIPTS if letters.search(name))
    return found or ("special Latin",)


def _is_formula(name: str) -> bool:
    """Whether a name is written as in a formula: `σ_total`, `Δx`, `λmax`, a Greek letter with a few others."""
    others = [char for char in name if _OTHER.match(char)]
    if not all(char in _FORMULA for char in others):
        return False
    parts = re.split(r"[_\d]+", name)
    return all(part.isascii() or len(_ASCII_LETTER.findall(part)) <= 3 for part in parts)


def _in_code(tree: syntax.Tree, line: int, start: int) -> bool:
    """Whether the characters there are a name, or at least not in a string or comment."""
    kinds = tree.kinds_at(line, start)
    return bool(kinds) and (_NAME.search(kinds[-1]) is not None or not any(map(_CONTENT.search, kinds)))


def _looks_like_code(before: str, path: str) -> bool:
    """By what stands before it on its line, and by the kind of file."""
    name = path.rpartition("/")[2].lower()
    ending = name.rpartition(".")[2] if "." in name else ""
    if ending not in _CODE_ENDINGS and name not in _CODE_NAMES:
        language = syntax.language_of(path)  # a grammar, but no whole file to look into
        if language is None or language in _NO_CODE:
            return False
    quoted = any(before.count(quote) % 2 for quote in "\"'`")
    return not quoted and _BEHIND.search(before) is None
