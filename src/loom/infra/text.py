"""The one exit for untrusted text: each function makes text safe for one place where it is shown.

Text from a change, a model, a linter or a configuration must pass one of these before a person or a CI runner sees
it. Any `str` may go in, lone surrogates included. All but `to_html`, `to_xml`, `to_command` and `code_fence` are
idempotent. Secrets are not their business: `infra.secrets` masks before. What Markdown needs is in `infra.markdown`,
offered here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from loom.infra.invisible import replaced
from loom.infra.markdown import code_fence, to_comment

__all__ = [
    "code_fence",
    "one_line",
    "to_command",
    "to_comment",
    "to_html",
    "to_log",
    "to_terminal",
    "to_xml",
    "visible",
]

LOG_PREFIX = "loom| "

# The runner of GitHub Actions takes `::name props::data` at the start of a line, after any white space, and `##[name]`
# anywhere in it (actions/runner ActionCommand.cs: TrimStart, IndexOf); Azure Pipelines and TeamCity `##vso[` and
# `##teamcity[`.
_HASH_COMMAND = re.compile(r"(##[A-Za-z]{0,20})\[")
_COLON_COMMAND = re.compile(r"^([^\S\n]*):(?=:[A-Za-z][^\n]*::)", re.MULTILINE)

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NOT_IN_XML = re.compile("[\ufffe\uffff]")  # what `to_terminal` leaves and https://www.w3.org/TR/xml/#charsets not
_LINE_END = re.compile(r"\r(?=\n|\Z)")
_BLANKS = re.compile(r"\s+")


def visible(text: str) -> str:
    """For prompts: invisible and control characters as `<U+XXXX>`, emoji left whole. Lines stay lines: line feeds,
    tabs and a carriage return at the end of a line are kept."""
    if "\r" not in text:
        return replaced(text)
    kept = text.split("\n")
    return "\n".join(replaced(line.rstrip("\r")) + "\r" * (len(line) - len(line.rstrip("\r"))) for line in kept)


def to_terminal(text: str) -> str:
    """For a person's screen, also where that is a CI log: nothing moves the cursor, sets a title or a colour, hides or
    reorders text, or is taken for a command by a CI runner. Line feeds and tabs are kept, line ends become LF."""
    return _break_commands(_shown(text))


def to_log(text: str, *, prefix: str = LOG_PREFIX) -> str:
    """For log lines, whole messages at a time: as `to_terminal`, and every line begins with `prefix`, so that no line
    is a command of the CI runner."""
    lines = to_terminal(text).split("\n")
    return "\n".join(line if line.startswith(prefix) else prefix + line for line in lines)


def to_html(text: str) -> str:
    """For an HTML page, as text or inside a quoted attribute."""
    return html.escape(_shown(text), quote=True)


def to_xml(text: str) -> str:
    """For XML 1.0, as text or inside a quoted attribute: characters that XML has no way to write are shown, and no
    line of it is a command, should the file be printed in a CI log."""
    return html.escape(_NOT_IN_XML.sub(lambda found: f"<U+{ord(found[0]):04X}>", to_terminal(text)), quote=True)


def to_command(name: str, properties: Mapping[str, str | int], text: str) -> str:
    """A workflow command of our own, `::name key=value,…::text`: the one line that a runner is meant to obey. Nothing
    in it can end the line, a property or the command, so that no other command begins.

    The escapes are those of https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
    """
    escaped = {key: _property(str(value)) for key, value in properties.items()}
    given = ",".join(f"{key}={value}" for key, value in escaped.items() if value)
    return f"::{name}{' ' if given else ''}{given}::{_data(text)}"


def _data(text: str) -> str:
    return to_terminal(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def one_line(text: str, limit: int) -> str:
    """For a title, a cell, the middle of a sentence: one line of at most `limit` (at least 1) characters, runs of
    white space as one space, a cut shown by `…`. Safe on a terminal inside a line; Markdown needs `to_comment`."""
    flat = replaced(_BLANKS.sub(" ", text).strip())
    flat = _HASH_COMMAND.sub(r"\1 [", flat)
    if len(flat) <= limit:
        return flat
    flat = flat[: limit - 1].rstrip()
    while replaced(flat) != flat:  # the cut went through an emoji
        flat = flat[:-1]
    return flat + "…"


def _shown(text: str) -> str:
    """Control characters as `\\x1b`, the other odd ones as `<U+202E>`, CR before LF dropped."""
    text = _LINE_END.sub("", text)
    return replaced(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text))


def _break_commands(text: str) -> str:
    return _COLON_COMMAND.sub(r"\1: ", _HASH_COMMAND.sub(r"\1 [", text))
