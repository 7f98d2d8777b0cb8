"""Data: which nodes of each grammar are definitions with a name (kinds as the grammars of ast-grep call them)."""

from __future__ import annotations

from typing import Any

NAME_FIELDS = ("name", "declarator", "type")
"""Where a definition keeps its name, in order of preference; `type` is Rust's `impl T`."""

_JAVASCRIPT = (
    "function_declaration", "generator_function_declaration", "class_declaration", "method_definition",
)  # fmt: skip
_TYPESCRIPT = (
    *_JAVASCRIPT, "abstract_class_declaration", "interface_declaration", "enum_declaration", "internal_module",
)  # fmt: skip

SCOPE_KINDS: dict[str, tuple[str, ...]] = {
    "python": ("function_definition", "class_definition"),
    "javascript": _JAVASCRIPT,
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "go": ("function_declaration", "method_declaration", "type_spec"),
    "java": (
        "method_declaration", "constructor_declaration", "class_declaration", "interface_declaration",
        "enum_declaration", "record_declaration",
    ),
    "kotlin": ("function_declaration", "class_declaration", "object_declaration"),
    "ruby": ("method", "singleton_method", "class", "module"),
    "php": (
        "function_definition", "method_declaration", "class_declaration", "interface_declaration", "trait_declaration",
    ),
    "csharp": (
        "method_declaration", "constructor_declaration", "class_declaration", "struct_declaration",
        "interface_declaration", "record_declaration", "enum_declaration",
    ),
    "c": ("function_definition",),
    "cpp": ("function_definition", "class_specifier", "struct_specifier", "namespace_definition"),
    "rust": ("function_item", "impl_item", "struct_item", "enum_item", "trait_item", "mod_item"),
    "bash": ("function_definition",),
    "swift": ("function_declaration", "class_declaration", "protocol_declaration"),
    "scala": ("function_definition", "class_definition", "object_definition", "trait_definition"),
    "lua": ("function_declaration",),
    "solidity": ("contract_declaration", "function_definition", "interface_declaration", "library_declaration"),
}  # fmt: skip

_FUNCTION = {"any": [{"kind": "arrow_function"}, {"kind": "function_expression"}]}
_NAMED_FUNCTION: list[dict[str, Any]] = [{"kind": "variable_declarator", "has": {"field": "value", **_FUNCTION}}]
FUNCTION_VALUES: dict[str, list[dict[str, Any]]] = dict.fromkeys(("javascript", "typescript", "tsx"), _NAMED_FUNCTION)
"""Definitions that take more than a kind to recognise: `const total = (items) => …`."""
