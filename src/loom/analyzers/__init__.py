"""Analyzers: review without a model. One file each; `TABLE` names them for `uses:`."""

from __future__ import annotations

from collections.abc import Mapping

TABLE: Mapping[str, str] = {
    "builtin/hygiene": "loom.analyzers.hygiene:Hygiene",
    "builtin/rules": "loom.analyzers.rules:Rules",
    "builtin/secrets": "loom.analyzers.secrets:Secrets",
    "builtin/unicode": "loom.analyzers.unicode:Unicode",
}
"""Name -> "module:attribute" of a class that is made without arguments and satisfies `base.Analyzer`."""
