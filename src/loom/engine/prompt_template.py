"""Prompt texts: the built-in ones, and `{{name}}` substitution in them and in a team's own. Nothing executes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from loom.core.errors import ConfigError, Problem, did_you_mean

BUILTINS: Final = ("architecture", "docs", "logic", "performance", "review", "security", "style", "tests")
"""Names of the built-in pipeline prompts."""

VARIABLES: Final = (
    "author", "context", "conventions", "description", "diff", "files", "findings", "target_branch", "title",
)  # fmt: skip
"""What a team's prompt may insert besides `{{builtin:NAME}}`."""

_INCLUDE = "builtin:"
_FOLDER = Path(__file__).parent / "prompts"
# A backslash keeps the braces: a prompt about Jinja or Vue has to be able to write them.
_SLOT = re.compile(r"(\\?)\{\{([^{}\n]{0,200})\}\}")


@cache
def text_of(name: str) -> str:
    """A prompt file of the package by its name, without a last line feed. `name` comes from this package."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8").rstrip("\n")


def builtin_for(name: str) -> str:
    """The built-in prompt for a pipeline called `name`: its own, else `review`."""
    return name if name in BUILTINS else "review"


def names_in(template: str) -> frozenset[str]:
    """Every name a template inserts, known or not."""
    return frozenset(slot[2].strip() for slot in _SLOT.finditer(template) if not slot[1])


def includes_builtin(template: str, name: str) -> bool:
    """Whether a template includes the built-in prompt `name`."""
    return any(_included(used) == name for used in names_in(template))


def validate_template(template: str, where: str) -> None:
    """Raises ConfigError with every unknown name in a prompt. `where` is the file, or the pipeline of an inline
    prompt, as the reader knows it."""
    problems = [
        Problem(where, *_place(template, slot.start()), "", _complaint(slot[2].strip()))
        for slot in _SLOT.finditer(template)
        if not slot[1] and not _known(slot[2].strip())
    ]
    if problems:
        raise ConfigError(problems, hint="write \\{{ to keep two braces as they are", slug="prompt-variable")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each name replaced by its value, once: braces inside a value stay text. Built-in prompts
    are included as they are. Raises KeyError for a name without a value; `validate_template` comes first."""
    return replace_slots(template, lambda name: text_of(_included(name)) if _included(name) else values[name])


def replace_slots(template: str, value_of: Callable[[str], str]) -> str:
    """One pass over the slots of a template."""
    return _SLOT.sub(lambda slot: slot[0][1:] if slot[1] else value_of(slot[2].strip()), template)


def _included(name: str) -> str:
    """`security` for `builtin:security`, else nothing."""
    return name.removeprefix(_INCLUDE).strip() if name.startswith(_INCLUDE) else ""


def _known(name: str) -> bool:
    return name in VARIABLES or _included(name) in BUILTINS


def _complaint(name: str) -> str:
    if name.startswith(_INCLUDE):
        near = did_you_mean(_included(name), BUILTINS)
        return f'there is no built-in prompt "{_included(name)}".{near} Built-in prompts: {", ".join(BUILTINS)}'
    near = did_you_mean(name, (*VARIABLES, *(_INCLUDE + known for known in BUILTINS)))
    return f'unknown variable "{name}".{near} Variables: {", ".join(VARIABLES)}, {_INCLUDE}NAME'


def _place(text: str, offset: int) -> tuple[int, int]:
    """1-based line and column of an offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
