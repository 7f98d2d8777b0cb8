"""`${VAR}` and `${VAR:-default}` inside the text of a configuration: which variables it may read, and what it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loom.config import secrecy
from loom.config.aliases import Findings
from loom.config.nodes import Node, Path, show_path

# `$${` is how to write a plain `${`.
_REFERENCE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment as far as a configuration may see it."""

    environ: Mapping[str, str]
    named: frozenset[str]
    """What LOOM_CONFIG_VARS names."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Variables:
        """From the environment, LOOM_CONFIG_VARS (comma- or space-separated) included."""
        return cls(environ, frozenset(re.split(r"[,\s]+", environ.get("LOOM_CONFIG_VARS", ""))) - {""})

    def readable(self, name: str) -> bool:
        """Whether a configuration may read the variable: one that the host named, or a LOOM_ one without a secret."""
        if name.startswith("LOOM_"):
            return not secrecy.secret_variable(name)
        return name in self.named


def expand(root: Node, variables: Variables, found: Findings) -> Node:
    """The tree with every reference replaced, once: what a variable holds is not looked at again."""

    def change(path: Path, node: Node) -> Node:
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        return _expanded(node, show_path(root, path), variables, found)

    return root.map(change)


def _expanded(node: Node, key: str, variables: Variables, found: Findings) -> Node:
    def put(reference: re.Match[str]) -> str:
        escaped, name, default = reference.groups()
        if escaped:
            return "${"
        if variables.readable(name):
            if not (value := variables.environ.get(name, "")) and default is None:
                found.notice("config-variable", f"{node.origin}: {key}: ${{{name}}} is not set; it counts as empty")
            return value or default or ""
        if default is None and secrecy.secret_variable(name):
            found.problems.append(node.origin.problem(key, _refusal(key, name)))
        else:
            message = f"{node.origin}: {key}: ${{{name}}} may not be read by a configuration; it counts as unset"
            found.notice("config-variable", message, f"to allow it, name it in the job: LOOM_CONFIG_VARS={name}")
        return default or ""

    assert isinstance(node.value, str)
    return Node(_REFERENCE.sub(put, node.value), node.origin, raw=node.value)


def _refusal(key: str, name: str) -> str:
    message = f"${{{name}}} may not be read by a configuration, since its name says that it holds a secret"
    if key.endswith(".api_key_env"):
        return f"{message}; write the variable's name alone: api_key_env: {name}"
    if name.startswith("LOOM_"):
        return message
    return f"{message}; only the job itself can allow it: LOOM_CONFIG_VARS={name}"
