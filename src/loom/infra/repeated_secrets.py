"""The same secret once more, where nothing beside it tells: which values to look for, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from loom.infra import regex
from loom.infra.key_blocks import runs_of
from loom.infra.secret_context import like_password, random_looking

_ANYWHERE = 8
"""Characters. A value this long is found glued to others too (in JSON, `\\n` stands before it)."""
_AS_A_WORD = 6
_CODE = re.compile(r"""[\s()\[\]{}<>;,"'`\\\x00]|=(?!=*$)""")


def lasting(secret: str, *, guess: bool, key: bool) -> Iterator[str]:
    """What of a masked secret is looked for elsewhere: the lines of a private key, or the value itself.

    `guess`: it was taken for a secret because of what stands beside it. Who writes the change can put anything there
    (`postgres://u:eval(x)@h`), so words and code are not looked for: that would hide them from the review.
    """
    if key:
        yield from runs_of(secret)
    elif not guess:
        if len(secret) >= _ANYWHERE:
            yield secret
    elif _says_much(secret):
        yield secret


class RepeatedSecrets:
    """Finds given values. `rules`: value -> the rule that it goes by."""

    __slots__ = ("_patterns", "_rules")

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._rules = dict(rules)
        # The longest first: where one value begins with another, the whole one is meant.
        self._patterns = tuple(regex.any_of(sorted(rules, key=lambda value: (-len(value), value))))

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """(rule, start, end) of each, those of one pattern in order."""
        for pattern in self._patterns:
            for match in pattern.finditer(text):
                start, end = match.span()
                rule = self._rules.get(text[start:end])
                if rule is not None and (end - start >= _ANYWHERE or _stands_alone(text, start, end)):
                    yield rule, start, end


def _says_much(guess: str) -> bool:
    if len(guess) < _AS_A_WORD or _CODE.search(guess) or not (like_password(guess) or random_looking(guess)):
        return False
    return len(guess) >= _ANYWHERE or (any(map(str.isdigit, guess)) and any(map(str.isalpha, guess)))


def _stands_alone(text: str, start: int, end: int) -> bool:
    around = text[start - 1 : start] + text[end : end + 1]
    return not any(char.isalnum() or char == "_" for char in around)
