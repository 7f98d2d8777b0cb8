"""Mask every text in a value at once, so that no field is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from loom.core.finding import Suggestion

T = TypeVar("T")

_NO_TEXT = frozenset(
    {
        *("fingerprint", "fixed", "config_hash", "base_sha", "head_sha", "merge_base"),  # digests, compared later
        "hunks",  # masked as a whole with their file
    }
)


def mask_all(value: T, mask: Callable[[str], str]) -> T:
    """The value with every string in it masked: dataclasses, tuples, lists and mappings are gone through, digests and
    hunks left alone. A suggestion that changed is no longer committable."""
    masked: object = value
    if isinstance(value, str):
        masked = mask(value)
    elif isinstance(value, tuple | list):
        masked = type(value)(mask_all(each, mask) for each in value)
    elif isinstance(value, Mapping):
        masked = {key: each if key in _NO_TEXT else mask_all(each, mask) for key, each in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: mask_all(getattr(value, f.name), mask) for f in fields(value) if f.name not in _NO_TEXT}
        if isinstance(value, Suggestion):
            changed["committable"] = value.committable and changed["text"] == value.text
        masked = replace(value, **changed)
    return masked  # type: ignore[return-value] # each branch keeps the type, which no checker can follow


def remembering(mask: Callable[[str], str]) -> Callable[[str], str]:
    """The same, each text once: paths and names come many times."""
    known: dict[str, str] = {}

    def masked(text: str) -> str:
        if text not in known:
            known[text] = mask(text)
        return known[text]

    return masked
