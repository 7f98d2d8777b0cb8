"""`loom rules list|show|test`: the rule pack and a team's own rules."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.analyzers.rule_file import Rule
    from loom.core.result import Notice

OWN_RULES = ".loom/rules"

_rules = typer.Typer(help="List, show and test the rules of builtin/rules.", no_args_is_help=True)

PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]...", help=f"Rule files or folders; default: {OWN_RULES}, if it is there."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the table."""
    app.add_typer(_rules, name="rules")


@_rules.command("list")
def list_command(paths: PathsArgument = None) -> None:
    """Print every rule: id, severity, category, languages and what it finds."""
    rules, notices = _load(paths)
    _print(list_rules(rules))
    _warn(notices)


@_rules.command("show")
def show_command(
    rule: Annotated[str, typer.Argument(metavar="ID", help="A rule's id, as findings and `list` show it.")],
    paths: PathsArgument = None,
) -> None:
    """Print one rule: why it matters, how to mend it, references and examples."""
    rules, notices = _load(paths)
    _warn(notices)
    _print(show_rule(find(rules, rule)))


@_rules.command("test")
def examples_command(paths: PathsArgument = None) -> None:
    """Run the examples of all rules: every bad one must be found, no good one may be. Exit code 2 when one is not."""
    rules, notices = _load(paths)
    text, ok = run_examples(rules, notices)
    _print(text)
    if not ok:
        raise typer.Exit(2)


def list_rules(rules: Sequence[Rule]) -> str:
    """A table of the rules, one per line, and their number."""
    width = max((len(rule.id) for rule in rules), default=0)
    lines = [
        f"{rule.id:<{width}}  {rule.severity.value:<7}  {rule.category:<14}  {_languages(rule)}\n"
        f"{'':<{width}}  {rule.message}"
        for rule in rules
    ]
    return "\n".join([*lines, "", f"{len(rules)} rules"]) + "\n"


def show_rule(rule: Rule) -> str:
    """Everything a person wants to know about a rule."""
    lines = [
        f"{rule.id} ({rule.severity.value}, {rule.category}; {_languages(rule)})",
        "",
        rule.message,
        "",
        f"Why: {rule.why}",
        f"Fix: {rule.fix}",
        *(f"See: {link}" for link in rule.links()),
        *(["Not reported in test code."] if rule.skip_tests else []),
    ]
    for variant in rule.variants:
        shown = ", ".join(variant.languages)
        lines += ["", f"Only in ({shown}): {' '.join(variant.paths)}"] if variant.paths else []
        lines += _examples(f"Reported ({shown}):", variant.bad)
        lines += _examples(f"Not reported ({shown}):", variant.good)
    return "\n".join([*lines, "", f"Defined in {rule.file}"]) + "\n"


def find(rules: Sequence[Rule], name: str) -> Rule:
    """The rule with this id. Raises UsageError that names the nearest one."""
    from loom.core.errors import UsageError, did_you_mean

    for rule in rules:
        if rule.id == name:
            return rule
    near = did_you_mean(name, [rule.id for rule in rules])
    raise UsageError(f'there is no rule "{name}".{near}', hint="`loom rules list` shows them all")


def run_examples(rules: Sequence[Rule], notices: Sequence[Notice] = ()) -> tuple[str, bool]:
    """(report, whether all is well): the examples of all rules, and the files that could not be read."""
    from loom.analyzers.rule_examples import count, failures

    wrong = [notice.message for notice in notices]
    wrong += [failure for rule in rules for failure in failures(rule)]
    checked = sum(count(rule) for rule in rules)
    ending = f"{len(wrong)} failed" if wrong else "all as they should be"
    return "\n".join([*wrong, f"{len(rules)} rules, {checked} examples: {ending}"]) + "\n", not wrong


def rule_files(paths: Iterable[Path]) -> list[tuple[str, bytes | None]]:
    """(name, content) of the rule files in `paths`, folders searched one level deep, in order of their names. What
    stands in a folder and is no regular file has no content, as in a review: a link may lead anywhere. Raises
    UsageError for a file that was named and cannot be read."""
    from loom.core.errors import UsageError
    from loom.infra.checkout import read_regular

    found: list[tuple[str, bytes | None]] = []
    for path in paths:
        if path.is_dir():
            files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
            # Of the repository's own folder no part of the way may be a link either.
            root = Path() if path == Path(OWN_RULES) else path
            found += [(file.as_posix(), read_regular(root, file.relative_to(root).as_posix())) for file in files]
            continue
        try:
            found.append((path.as_posix(), path.read_bytes()))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}", hint="name rule files or folders") from error
    return found


def _load(paths: Sequence[Path] | None) -> tuple[tuple[Rule, ...], tuple[Notice, ...]]:
    from loom.analyzers import rules

    chosen = list(paths or [])
    if not chosen and Path(OWN_RULES).is_dir():
        chosen = [Path(OWN_RULES)]
    return rules.load(rule_files(chosen))


def _languages(rule: Rule) -> str:
    return ", ".join(rule.languages)


def _examples(title: str, texts: Sequence[str]) -> list[str]:
    lines = ["", title]
    for number, text in enumerate(texts):
        lines += [""] if number else []
        lines += [f"    {line}" for line in text.rstrip("\n").split("\n")]
    return lines


def _warn(notices: Iterable[Notice]) -> None:
    from loom.infra.text import to_terminal

    for notice in notices:
        sys.stderr.write(to_terminal(f"loom: warning: {notice.message}") + "\n")


def _print(text: str) -> None:
    """On stdout, with nothing in it that a terminal would obey: a team's rule may be a stranger's."""
    from loom.infra.text import to_terminal

    sys.stdout.write("\n".join(to_terminal(line) for line in text.split("\n")))
