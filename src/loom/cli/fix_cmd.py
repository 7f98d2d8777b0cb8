"""`loom fix`: apply the suggestions that were proved to apply, after showing what they change."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from loom.core.finding import Finding
    from loom.engine.fix import FixedFile, Fixes, Refused

_COLOURS = {"+": "32", "-": "31", "@": "36"}


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("fix")(fix_command)


def fix_command(
    fingerprints: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FINGERPRINT]...", help="Findings to fix, or the first characters; default: all."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show the changes.")] = False,
    result: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="A result file instead of the last local result.")
    ] = None,
) -> None:
    """Apply the committable suggestions of the last review to the working tree, showing the changes first.

    Exit codes: 0 applied, or nothing to do; 2 wrong usage; 3 some could not be applied.
    """
    from loom.cli import results, wiring
    from loom.cli.host import this_host
    from loom.core.errors import UsageError
    from loom.engine.fix import DONE, fixes
    from loom.infra.checkout import read_regular

    if yes and dry_run:
        raise UsageError("--yes and --dry-run exclude each other", hint="give one of them")
    host = this_host()
    reviewed = results.kept_result(result, host)
    chosen = _chosen(reviewed.findings, fingerprints or ())
    if not chosen:
        sys.stdout.write("nothing to fix: no finding of the last review has a suggestion that was proved to apply\n")
        return
    with wiring.open_checkout(host) as checkout:
        if not checkout.has_files:
            raise UsageError("a bare repository has no files to fix", hint="run it in a working tree")
        root = checkout.root
    made = fixes(reviewed, chosen, lambda path: read_regular(root, path))
    _show(made, coloured=sys.stdout.isatty() and not host.environ.get("NO_COLOR"))
    if made.files and not dry_run and _agreed(made, yes=yes):
        _write(made.files, root)
    if any(refused.reason != DONE for refused in made.refused):
        raise typer.Exit(3)


def _chosen(findings: Sequence[Finding], given: Sequence[str]) -> list[Finding]:
    """The findings named, each once; else all that can be committed."""
    from loom.cli.results import find

    if given:
        return list({f.fingerprint: f for f in (find(findings, word) for word in given)}.values())
    return [f for f in findings if f.suggestion is not None and f.suggestion.committable]


def _show(made: Fixes, *, coloured: bool) -> None:
    for file in made.files:
        for finding in file.findings:
            _say(_about(finding))
        for line in _diff(file):
            colour = _COLOURS.get(line[:1]) if coloured else None
            text = _safe(line)
            sys.stdout.write(f"\x1b[{colour}m{text}\x1b[0m\n" if colour else f"{text}\n")
        sys.stdout.write("\n")
    for refused in made.refused:
        _say(_refusal(refused))
    sys.stdout.flush()


def _about(finding: Finding) -> str:
    return f"{finding.fingerprint}  {finding.path}:{finding.line}  {finding.title or finding.message}"


def _refusal(refused: Refused) -> str:
    from loom.engine.fix import DONE

    if refused.reason == DONE:
        return f"already there: {_about(refused.finding)}"
    return f"not applied: {_about(refused.finding)}: {refused.reason}"


def _diff(file: FixedFile) -> Iterator[str]:
    """A unified diff, line by line, without line ends; secrets masked, as in every output."""
    from loom.cli import wiring
    from loom.core.diff import decode_text

    old, new = (decode_text(data).removesuffix("\n").split("\n") for data in (file.before, file.after))
    shown, _ = wiring.masker().mask_lines([*old, *new])  # together: the same secret gets the same mark
    old, new = shown[: len(old)], shown[len(old) :]
    yield from difflib.unified_diff(old, new, f"a/{file.path}", f"b/{file.path}", lineterm="")


def _agreed(made: Fixes, *, yes: bool) -> bool:
    """Whether to go on. Without a terminal nobody can be asked."""
    from loom.core.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nothing was applied: nobody is there to ask", hint="--yes applies, --dry-run only shows")
    count = sum(len(file.findings) for file in made.files)
    return typer.confirm(f"Apply {_plural(count, 'fix', 'fixes')} to {_plural(len(made.files), 'file', 'files')}?")


def _write(files: Sequence[FixedFile], root: Path) -> None:
    from loom.core.errors import LoomError
    from loom.infra.checkout import write_regular

    done: list[str] = []
    for file in files:
        try:
            write_regular(root, file.path, file.after)
        except OSError as error:
            so_far = f"; written before: {', '.join(done)}" if done else ""
            message = f"cannot write {file.path}: {error.strerror or error}{so_far}"
            raise LoomError(message, hint="make it a regular file that you may write", slug="fix") from error
        done.append(file.path)
    count = sum(len(file.findings) for file in files)
    _say(
        f"applied {_plural(count, 'fix', 'fixes')} to {_plural(len(files), 'file', 'files')}; "
        "`loom review` looks at the result"
    )


def _plural(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _say(text: str) -> None:
    from loom.infra.text import one_line

    sys.stdout.write(_safe(one_line(text, 500)) + "\n")


def _safe(line: str) -> str:
    from loom.infra.text import to_terminal

    return to_terminal(line)
