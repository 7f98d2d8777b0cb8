"""The result file: a ReviewResult as JSON, version 1, and back (docs/result.md; result.schema.json beside this file).

The same result gives the same bytes. A file that is read is checked as strictly as the schema does it, without a
schema library: it may come from a job that handled somebody's fork.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from loom.core.change import ChangeRef
from loom.core.diff import show_path
from loom.core.errors import LoomError
from loom.core.result import ReviewResult
from loom.infra import json_text

VERSION = 1
TOOL = "loom"
TIMINGS = ("source", "config", "plan", "run", "publish", "total")
MAX_BYTES = 256 * 1024 * 1024
"""A larger file is refused unread. A 7 MB diff makes a result of 10 MB."""

_CHANGE = (
    "source", "platform", "repo", "number", "url", "title", "author", "base_sha", "head_sha", "merge_base", "trusted",
)  # fmt: skip
"""What the file tells of a ChangeRef. The description and the labels stay on the platform."""

_SCHEMA_FILE = Path(__file__).with_name("result.schema.json")
_T = TypeVar("_T")


class ResultFileError(LoomError):
    """A result file cannot be read, or is not one that this version understands."""

    default_slug = "result-file"


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the result file. Any: it is a JSON document."""
    loaded: dict[str, Any] = json.loads(_SCHEMA_FILE.read_bytes())
    return loaded


# ---- writing


def dumps(result: ReviewResult) -> str:
    """The file's text, ending with a line feed."""
    return json_text.dumps(to_json(result)) + "\n"


def to_json(result: ReviewResult) -> dict[str, object]:
    """The result as JSON values. No string in it holds a lone surrogate, no number is infinite."""
    plain = {f.name: _plain(getattr(result, f.name)) for f in dataclasses.fields(result)}
    version, change, timings = plain.pop("tool_version"), result.change, result.timings_ms
    plain["change"] = {name: _plain(getattr(change, name)) for name in _CHANGE}
    plain["timings_ms"] = {name: timings.get(name, 0) for name in TIMINGS}
    head: dict[str, object] = {"version": VERSION, "tool": {"name": TOOL, "version": version}}
    return head | {name: plain[name] for name in _TOP_LEVEL}


_TOP_LEVEL = (
    "change", "config_hash", "shard", "outcome", "files", "findings", "fixed", "dropped", "pipelines", "placements",
    "actions", "redactions", "timings_ms", "usage", "warnings", "errors", "raw",
)  # fmt: skip
"""In the order of the manual, after `version` and `tool`."""


def _plain(value: object) -> object:
    match value:
        case str():
            return _clean(value)
        case enum.Enum():
            return value.value
        case float() if not math.isfinite(value):
            return None  # JSON has no word for it, and "not known" is what it means
        case Mapping():
            return {_clean(str(key)): _plain(inner) for key, inner in value.items()}
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case _ if dataclasses.is_dataclass(value):
            return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case _:
            return value


def _clean(text: str) -> str:
    """Bytes of a path that are not UTF-8 as `\\xNN`, any other lone surrogate as `\\uNNNN`."""
    if text.isascii():
        return text
    try:
        return show_path(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


# ---- reading


def loads(data: bytes, *, name: str = "the result file") -> ReviewResult:
    """The result in `data`. `name` says in the error which file it was. Raises ResultFileError."""
    try:
        return _result(_parse(data))
    except _WrongError as wrong:
        raise ResultFileError(
            f"{name}: {wrong}", hint="make it again with `loom review --output json:FILE` of this version"
        ) from wrong


class _WrongError(Exception):
    """What is wrong, and where in the document."""


def _wrong(where: str, message: str) -> NoReturn:
    raise _WrongError(f"{where}: {message}" if where else message)


def _parse(data: bytes) -> Mapping[str, object]:
    if len(data) > MAX_BYTES:
        _wrong("", f"it has {len(data):,} bytes, more than {MAX_BYTES:,}")
    try:
        document = json.loads(data.decode("utf-8-sig"), parse_constant=_constant)
    except RecursionError:
        _wrong("", "it is nested too deep")
    except ValueError as error:  # bad UTF-8, bad JSON, a number of 5,000 digits
        _wrong("", f"it is not JSON ({_brief(str(error))})")
    if not isinstance(document, dict):
        _wrong("", "it is not a JSON object")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        what = f"it has version {_brief(version)}" if "version" in document else "it has no version"
        _wrong("", f"{what}; this Loom reads version {VERSION}")
    return document


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _brief(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return ascii(shown[:60])[1:-1] + ("…" if len(shown) > 60 else "")


def _result(document: Mapping[str, object]) -> ReviewResult:
    _keys(document, ("version", "tool", *_TOP_LEVEL), "")
    tool = document["tool"]
    if not isinstance(tool, Mapping):
        _wrong("tool", "not an object")
    _keys(tool, ("name", "version"), "tool")
    if tool["name"] != TOOL:
        _wrong("tool.name", f'not "{TOOL}"')
    fields = _types(ReviewResult)
    values = {name: _value(document[name], fields[name], name) for name in _TOP_LEVEL if name != "change"}
    _keys(values["timings_ms"], TIMINGS, "timings_ms")
    change = _record(document["change"], ChangeRef, "change", only=_CHANGE)
    return ReviewResult(tool_version=_value(tool["version"], str, "tool.version"), change=change, **values)


def _keys(found: Mapping[str, object], wanted: Sequence[str], where: str) -> None:
    if lacking := [key for key in wanted if key not in found]:
        _wrong(where, f'"{lacking[0]}" is missing')
    if len(found) > len(wanted):
        unknown = next(key for key in found if key not in wanted)
        _wrong(where, f'"{_brief(unknown)}" is not known')


def _types(kind: type) -> dict[str, Any]:
    """Field -> its type. Any: what typing gives back has no common class."""
    if kind not in _known_types:
        _known_types[kind] = typing.get_type_hints(kind)
    return _known_types[kind]


_known_types: dict[type, dict[str, Any]] = {}  # a cache: resolving the hints of every line's class again is slow


def _record(value: object, kind: type[_T], where: str, only: Sequence[str] | None = None) -> _T:
    if not isinstance(value, dict):
        _wrong(where, "not an object")
    fields = _types(kind)
    names = only or tuple(fields)
    _keys(value, names, where)
    return kind(**{name: _value(value[name], fields[name], f"{where}.{name}") for name in names})


def _value(value: object, kind: Any, where: str) -> Any:
    """`value` as a field of type `kind` holds it. Any in and out: types and values of every field pass here."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):  # all of ours are `X | None`
        return None if value is None else _value(value, args[0], where)
    if origin is typing.Literal:
        return value if isinstance(value, str) and value in args else _not_one_of(value, args, where)
    if origin is tuple:
        return _items(value, args, where)
    if origin is not None:  # a Mapping with string keys
        return _mapping(value, args[1], where)
    if dataclasses.is_dataclass(kind):
        return _record(value, typing.cast("type[object]", kind), where)
    if issubclass(kind, enum.Enum):
        names = tuple(member.value for member in kind)
        return kind(value) if isinstance(value, str) and value in names else _not_one_of(value, names, where)
    return _scalar(value, kind, where)


def _items(value: object, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _wrong(where, "not an array")
    if args[-1] is Ellipsis:
        return tuple(_value(item, args[0], f"{where}[{n}]") for n, item in enumerate(value))
    if len(value) != len(args):
        _wrong(where, f"has {len(value)} items, not {len(args)}")
    return tuple(_value(item, kind, f"{where}[{n}]") for n, (item, kind) in enumerate(zip(value, args, strict=True)))


def _mapping(value: object, kind: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _wrong(where, "not an object")
    return {_text(key, where): _value(inner, kind, f"{where}.{_brief(key)}") for key, inner in value.items()}


def _scalar(value: object, kind: type, where: str) -> object:
    if kind is object:
        return _free(value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        _wrong(where, f"not a {_WORDS[kind]}")
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _at_least(1 if where.startswith("findings[") and kind is int else 0, value, where)
    return value


def _at_least(least: int, value: float, where: str) -> None:
    """Nothing in a result is negative, and a finding's lines and columns count from 1."""
    if not least <= value < math.inf:
        _wrong(where, f"not {least} or more")


_WORDS: Mapping[type, str] = {str: "string", int: "whole number", float: "number", bool: "boolean"}


def _free(value: object, where: str) -> object:
    """Any JSON value, with its strings checked."""
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, list):
        return [_free(inner, where) for inner in value]
    if isinstance(value, dict):
        return {_text(key, where): _free(inner, where) for key, inner in value.items()}
    return value


def _text(value: str, where: str) -> str:
    """JSON can spell half a surrogate pair (`\\ud800`); nothing that we write to can take it."""
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        _wrong(where, "holds half a surrogate pair")
    return value


def _not_one_of(value: object, allowed: Sequence[object], where: str) -> NoReturn:
    _wrong(where, f'"{_brief(value)}" is not one of {", ".join(map(str, allowed))}')
