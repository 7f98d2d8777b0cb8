"""The catalogue of linters, `linters.toml`: what a row may say, read and checked. What is done with it: linters.py."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Literal, get_args

from loom.core.finding import CATEGORIES, Category, Severity

Stream = Literal["stdout", "stderr", "both"]
AUTO = "auto"
"""`uses: linter/auto` stands for every linter that the repository configures: no row can be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linter:
    """One row. Patterns are written as in .gitignore; those of configuration also as `path: text that stands in it`."""

    name: str
    title: str
    """As people write it."""
    docs: str
    files: tuple[str, ...]
    """Which changed files it gets."""
    command: tuple[str, ...]
    """The program and its arguments, `{files}` among them; without it, it runs on the folder as a whole. A word with
    `{config}` gets the file of `configured_by` that is one of `config` too, and is left out where there is none."""
    format: str
    """A name of analyzers/formats."""
    stream: Stream = "stdout"
    """Where it prints its findings. both: which of them depends on its version; they are read one after the other."""
    findings: tuple[int, ...] = ()
    """Exit codes that mean findings. 0 means that it ran, any other that it failed."""
    configured_by: tuple[str, ...]
    """Any of these, in a changed file's folder or above it, makes `linter/auto` choose it."""
    config: tuple[str, ...] = ()
    """Every file that steers it: a change to one of them is told."""
    runs_code: tuple[str, ...] = ()
    """Those files by which code of the checkout runs. Empty: its configuration cannot run code."""
    local: tuple[str, ...] = ()
    """Where in the checkout it may be installed; looked at first, and only where the checkout is trusted."""
    install: str
    version: tuple[str, ...]
    """A command that prints its version."""
    checked: str | None = None
    """The version it was really run with; None: the row is written from the documentation."""
    category: Category = "other"
    """Of findings that come without one."""
    pattern: str | None = None
    """For the format `regex`."""
    rule_url: str | None = None
    """Where the output has no link: `{rule}` as printed, `{rule_lower}`."""
    rule_urls: Mapping[str, str] = field(default_factory=dict)
    """For rules documented elsewhere, such as those of plugins: `begin*` -> their address, with `{rest}` for what
    follows the beginning, empty where there is none. `*/` stands for all with a `/` in them. Goes before `rule_url`;
    the first that matches counts."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Fixed variables: offline, no colour, no telemetry."""
    severity: Mapping[str, Severity] = field(default_factory=dict)
    """A level, a rule id, or a rule's beginning and `*` -> ours. A `*` alone is for what has neither level nor rule."""

    @property
    def program(self) -> str:
        """What is looked up on PATH."""
        return self.command[0]

    def link(self, rule: str) -> str | None:
        """The documentation of a rule, where the row knows how it is addressed."""
        url, rest = self.rule_url or "", rule
        for pattern, its_url in self.rule_urls.items():
            begin, _, end = pattern.partition("*")
            if rule.startswith(begin) and end in rule[len(begin) :]:
                url, rest = its_url, rule[len(begin) :]
                break
        return url.replace("{rest}", rest).replace("{rule_lower}", rule.lower()).replace("{rule}", rule) or None


@cache
def catalogue() -> Mapping[str, Linter]:
    """Every row by its name, in the order of the file."""
    return read(resources.files("loom.analyzers").joinpath("linters.toml").read_text("utf-8"))


def read(text: str) -> Mapping[str, Linter]:
    """Rows out of TOML. Raises ValueError that names the row and the key."""
    return {name: _row(name, table) for name, table in tomllib.loads(text).items()}


def _row(name: str, table: object) -> Linter:
    if not isinstance(table, dict) or name == AUTO:
        raise ValueError(f"linters.toml: [{name}] is not a linter")
    known = {f.name: f for f in fields(Linter) if f.name != "name"}
    if unknown := sorted(table.keys() - known.keys()):
        raise ValueError(f"linters.toml: [{name}] {unknown[0]}: unknown key")
    required = (key for key, f in known.items() if f.default is MISSING and f.default_factory is MISSING)
    if missing := sorted(set(required) - table.keys()):
        raise ValueError(f"linters.toml: [{name}] {missing[0]} is missing")
    given = {key: _value(f"[{name}] {key}", str(known[key].type), value) for key, value in table.items()}
    # Every value has just been checked against the annotation of its field.
    return Linter(name=name, **given)  # type: ignore[arg-type]


def _value(where: str, kind: str, value: object) -> object:
    """A TOML value as the field of that annotation holds it."""
    if kind == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(item, str) and item for item in value):
        return tuple(value)
    if kind == "tuple[int, ...]" and isinstance(value, list) and all(type(item) is int for item in value):
        return tuple(value)
    if kind.startswith("Mapping") and isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return {key: Severity(text) for key, text in value.items()} if "Severity" in kind else value
    choices = {"Stream": get_args(Stream), "Category": CATEGORIES}.get(kind)
    is_text = isinstance(value, str) and value and kind in ("str", "str | None", "Stream", "Category")
    if is_text and (choices is None or value in choices):
        return value
    raise ValueError(f"linters.toml: {where}: {value!r} is not {' or '.join(choices) if choices else kind}")
