"""Comment commands: what a comment on a pull request asks for, and whether its author may. Pure (docs/commands.md).

A comment is a stranger's text with a stranger's name on it: exact words only, no flag that configures anything, and
whatever is unclear is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loom.engine.recall import MIN_PREFIX
from loom.infra.text import one_line
from loom.platforms.values import ACCESS_RANK, Access

if TYPE_CHECKING:
    from loom.config.schema import Commands

Verb = Literal["review", "help", "ignore", "resolve"]

GRAMMAR: tuple[tuple[str, str], ...] = (
    ("/loom review", "review the pull request now; `--full` leaves out nothing that was reviewed before"),
    ("/loom ignore FINGERPRINT reason", "say that finding no more; in reply to it, `/loom ignore reason` is enough"),
    ("/loom resolve FINGERPRINT", "the finding is dealt with; in reply to it, `/loom resolve` is enough"),
    ("/loom help", "this text"),
)
"""(command, what it does)"""

_NAME = "/loom"
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{MIN_PREFIX},16}}")
_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as it was written."""

    verb: Verb
    full: bool = False
    """`review --full`."""
    fingerprint: str | None = None
    """The beginning of one, in lower case; None: the finding whose thread the comment stands in."""
    reason: str = ""
    """Untrusted."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Meant for Loom, and not understood."""

    why: str
    """Untrusted words in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Who wrote a comment, as its event tells it."""

    author: str
    by_bot: bool
    action: str
    """What happened to it: only `created` counts."""


def parse(body: str, *, in_thread: bool) -> Command | Mistake | None:
    """What the first line of a comment asks for; None where Loom is not meant. `in_thread`: whether it stands under
    one comment on the diff, so that a finding need not be named."""
    line = body.split("\n", 1)[0].rstrip("\r")
    name, *words = re.split(r"[ \t]+", line.rstrip(" \t"))
    if name != _NAME:
        return None
    verb, *rest = words or ["help"]
    match verb:
        case "help":
            return Command(verb="help")
        case "review":
            return _review(rest)
        case "ignore" | "resolve":
            return _about_finding("ignore" if verb == "ignore" else "resolve", rest, in_thread=in_thread)
    return Mistake(f'there is no command "{one_line(verb, 40)}"')


def ignored(said: Said, *, own_login: str | None = None) -> str | None:
    """Why the comment is not listened to, whatever it says; None: it is. `own_login`: whose token the job has."""
    if said.action != "created":
        return f"the comment was {one_line(said.action, 20) or 'not created'}: only new comments are commands"
    if not said.author:
        return "the event names no author"
    if said.by_bot:
        return "it was written by a bot"
    if own_login is not None and said.author.casefold() == own_login.casefold():
        return "it was written by Loom itself"
    return None


def least(verb: Verb, settings: Commands) -> Access:
    """The lowest permission that the command takes. Help costs a comment, and takes what a review takes."""
    needed: dict[Verb, Access] = {
        "review": settings.review,
        "help": settings.review,
        "ignore": settings.ignore,
        "resolve": settings.resolve,
    }
    return needed[verb]


def may(access: Access, needed: Access) -> bool:
    """Whether that access is enough."""
    return ACCESS_RANK[access] >= max(ACCESS_RANK[needed], ACCESS_RANK["read"])


def help_text(*, quote: str = "") -> str:
    """The answer to `help` and to a mistake, as Markdown. `quote`: what was wrong, escaped for comments."""
    head = [f"That is no command of Loom: {quote}.", ""] if quote else []
    rows = [f"- `{command}`: {what}" for command, what in GRAMMAR]
    foot = "The command is the first line of a new comment, and takes write permission unless the team says otherwise."
    return "\n".join([*head, *rows, "", foot])


def _review(rest: list[str]) -> Command | Mistake:
    unknown = next((word for word in rest if word != "--full"), None)
    if unknown is not None:
        return Mistake(f'review takes no "{one_line(unknown, 60)}", only --full')
    return Command(verb="review", full=bool(rest))


def _about_finding(verb: Literal["ignore", "resolve"], rest: list[str], *, in_thread: bool) -> Command | Mistake:
    """As `engine.recall` reads it: the fingerprint first, and then the reason."""
    named = rest[0].strip("`").lower() if rest else ""
    if named.startswith("--"):
        return Mistake(f'{verb} takes no "{one_line(named, 60)}"')
    if _FINGERPRINT.fullmatch(named):
        return Command(verb=verb, fingerprint=named, reason=" ".join(rest[1:])[:_REASON])
    if not in_thread:
        return Mistake(f"{verb} needs a fingerprint, {MIN_PREFIX} to 16 characters, or stands in reply to the finding")
    return Command(verb=verb, reason=" ".join(rest)[:_REASON])
