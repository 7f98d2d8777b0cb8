"""The command line of a `run:` pipeline: split as a shell would, files put in, never a shell string made of names."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence

from loom.core.errors import ScriptError

FILES = "{files}"

BATCH_BYTES = 30_000 if sys.platform == "win32" else 100_000
"""Arguments of one call. Linux allows 2 MiB with the environment, macOS 1 MiB, Windows 32,767 characters."""

_SHELL_WORDS = frozenset(("&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "2>/dev/null"))
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_WORD_END = frozenset(" \t\n;|&()<>")


def words(run: str) -> list[str]:
    """`run` as arguments, `{files}` still in them. Raises ScriptError for what only a shell understands."""
    try:
        split = shlex.split(run)
    except ValueError as error:
        raise ScriptError(f"the command cannot be split: {error}", hint="check the quotes in `run`") from error
    if not split:
        raise ScriptError("the command is empty", hint="set `run` of this pipeline")
    shellish = next((word for word in split if word in _SHELL_WORDS), None)
    if shellish:
        raise ScriptError(f"`{shellish}` in the command needs a shell", hint="set `shell: true` for this pipeline")
    if _ASSIGNMENT.match(split[0]):
        raise ScriptError(
            f"`{split[0].partition('=')[0]}=…` before the command needs a shell", hint="set the variable in `env:`"
        )
    return split


def fill(split: Sequence[str], files: Sequence[str]) -> list[str]:
    """The arguments with every file in place of `{files}`; a word around it (`--file={files}`) is repeated."""
    out: list[str] = []
    for word in split:
        out += [word.replace(FILES, argument(file)) for file in files] if FILES in word else [word]
    return out


def shell_words(run: str, files: Sequence[str], *, shell: str) -> list[str]:
    """A call of `shell` for `run`. The files are its positional parameters and `{files}` becomes `"$@"`: no name is
    ever part of what the shell reads as a program. Raises ScriptError where `{files}` stands in quotes or in a word."""
    if any(not alone for alone in _placeholders_alone(run)):
        raise ScriptError(
            "with `shell: true`, {files} must be a word of its own, without quotes around it",
            hint="write `tool {files}`; the names are quoted already",
        )
    return [shell, "-c", run.replace(FILES, '"$@"'), "loom", *map(argument, files)]


def batches(files: Sequence[str]) -> Iterator[list[str]]:
    """The files in order, in groups that fit one call."""
    batch: list[str] = []
    size = 0
    for file in files:
        length = len(file.encode("utf-8", "surrogateescape")) + 3
        if batch and size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch


def argument(file: str) -> str:
    """A path that no tool takes for an option or for a file of arguments (`@list`)."""
    return f"./{file}" if file.startswith(("-", "@", "+")) else file


def _placeholders_alone(run: str) -> Iterator[bool]:
    """For every `{files}`: whether it stands outside of quotes and between the ends of words."""
    quote = ""
    position = 0
    while position < len(run):
        char = run[position]
        if run.startswith(FILES, position):
            before = run[position - 1] if position else " "
            after = run[position + len(FILES)] if position + len(FILES) < len(run) else " "
            yield not quote and before in _WORD_END and after in _WORD_END
            position += len(FILES)
            continue
        if char == "\\" and quote != "'":
            position += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        position += 1
