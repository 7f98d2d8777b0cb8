"""Looking into JSON that somebody else wrote: each function gives an empty value where another type stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """The value if it is a string, a number as its digits, else an empty string."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def whole(value: object) -> int | None:
    """The value if it is a whole number (or a string of up to nine digits), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 9 and value.isascii() and value.isdigit():
        return int(value)
    return None


def line_number(value: object) -> int | None:
    """A 1-based number; None for anything below 1."""
    number = whole(value)
    return number if number is not None and number >= 1 else None


def first(source: Mapping[str, object], names: Sequence[str]) -> object:
    """The value of the first of `names` that is there and not null, else None."""
    return next((source[name] for name in names if source.get(name) is not None), None)


def web(url: str) -> str | None:
    """The address if it is one of the web, else None: it becomes a link."""
    return url if url.startswith(("https://", "http://")) else None
