"""The schema as people and editors read it: the JSON Schema, and the tables of docs/configuration.md."""

from __future__ import annotations

import json
import typing
from typing import Any

from pydantic.fields import FieldInfo

from loom.config import not_yet
from loom.config.aliases import ADVANCED_ALIASES, FORMAT_ALIASES, IGNORED, LLM_TIMEOUT, OUTPUT_ALIASES, PIPELINE_ALIASES
from loom.config.problems import bare, piece_of
from loom.config.schema import Config
from loom.config.types import Strict

_ALIASES = {"Pipeline": PIPELINE_ALIASES, "Output": OUTPUT_ALIASES, "Advanced": ADVANCED_ALIASES}
_WAITING = {
    "When": frozenset(not_yet.WHEN),
    "Pipeline": frozenset((*not_yet.PIPELINE, "context")),
    "Config": frozenset(not_yet.SECTIONS),
}
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def json_schema() -> dict[str, Any]:  # JSON
    """The JSON Schema (draft 2020-12) of a file: canonical keys, their aliases (deprecated) and `key+` for lists."""
    schema = Config.model_json_schema()
    for name, piece in (("Config", schema), *schema["$defs"].items()):
        properties: dict[str, Any] = piece.get("properties", {})
        _widen(name, properties)
        properties.update({f"{key}+": value for key, value in properties.items() if _is_list(value)})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Loom's configuration file, .loom/config.yaml",
        **schema,
    }


def _widen(name: str, properties: dict[str, Any]) -> None:
    """Let through what aliases.canonical understands."""
    for alias, key in _ALIASES.get(name, {}).items():
        properties[alias] = {**properties[key], "deprecated": True}
    if name == "Config":
        extends = properties["extends"]
        properties["extends"] = {**extends, "type": ["string", "array"]}
    if name == "Output":
        properties["format"]["enum"] = [*properties["format"]["enum"], *FORMAT_ALIASES]
        properties["group_by_file"] = {"type": "boolean", "deprecated": True}
    if name == "Pipeline":
        listed = {"type": "array", "items": {"type": ["string", "object"]}}
        properties["context"] = {"anyOf": [{"$ref": "#/$defs/Context"}, listed]}
    if name == "Advanced":
        properties.update({key: {"deprecated": True} for key in IGNORED})
        properties[LLM_TIMEOUT] = {"type": "integer", "exclusiveMinimum": 0, "deprecated": True}


def _is_list(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") == "array"


def reference() -> str:
    """The tables of docs/configuration.md, one per part of the file, in the order of the schema."""
    parts = [_table("The file", "", Config)]
    for key, found in Config.model_fields.items():
        piece = piece_of(found.annotation) or _entry_piece(found.annotation)
        if piece is not None:
            parts += _tables(key, _path(key, found), piece)
    return "\n".join(parts)


def _tables(title: str, path: str, piece: type[Strict]) -> list[str]:
    tables = [_table(title, path, piece)]
    for key, found in piece.model_fields.items():
        inner = piece_of(found.annotation) or _entry_piece(found.annotation)
        if inner is not None:
            where = f"{path}.{_path(key, found)}"
            tables += _tables(where, where, inner)
    return tables


def _path(key: str, found: FieldInfo) -> str:
    if piece_of(found.annotation) is not None:
        return key
    return f"{key}[]" if typing.get_origin(bare(found.annotation)) is tuple else f"{key}.NAME"


def _entry_piece(annotation: Any) -> type[Strict] | None:  # a type expression
    arguments = [a for a in typing.get_args(bare(annotation)) if a is not Ellipsis]
    return piece_of(arguments[-1]) if arguments else None


def _table(title: str, path: str, piece: type[Strict]) -> str:
    heading = (
        "## `.loom/config.yaml`" if not path else f"### `{title}`" if title == path else f"### `{title}` (`{path}`)"
    )
    rows = ["| key | kind | default | meaning |", "|---|---|---|---|"]
    waiting = _WAITING.get(piece.__name__, frozenset())
    whole = path in not_yet.SECTIONS
    for key, found in piece.model_fields.items():
        note = " *Not yet in effect.*" if key in waiting or whole else ""
        meaning = (found.description or "").replace("|", "\\|")
        rows.append(f"| `{key}` | {_kind(found.annotation)} | {_default(found)} | {meaning}{note} |")
    about = (piece.__doc__ or "").strip().split("\n\n")[0]
    return f"{heading}\n\n{about}\n\n" + "\n".join(rows) + "\n"


def _default(found: FieldInfo) -> str:
    if found.is_required():
        return "required"
    value: object = found.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Strict):
        return "see below"
    if isinstance(value, dict):
        return "`{}`" if not value else "see below"
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`" if value else '`""`'


def _kind(annotation: Any) -> str:  # a type expression
    kind = bare(annotation)
    arguments = [a for a in typing.get_args(kind) if a is not Ellipsis]
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{a}`" for a in arguments)
    if origin is tuple:
        return f"list of {_plural(arguments[0])}"
    if origin is dict:
        return f"mapping: {_kind(arguments[0])} → {_kind(arguments[1])}"
    if piece_of(kind) is not None:
        return "mapping"
    return _WORDS.get(kind, "text")


def _plural(annotation: Any) -> str:  # a type expression
    return "mappings" if piece_of(annotation) else "texts"
