"""What Loom's own comments on a pull request remember, and what people decided there. Pure, in any order of threads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from loom.core.finding import Finding
from loom.core.marker import Known, Marker, Seal
from loom.core.told import How, Silence
from loom.platforms.values import ACCESS_RANK, Access, Comment, Thread

MIN_PREFIX = 8
"""Characters of a fingerprint that a command must at least give."""
_COMMAND = re.compile(r"/loom[ \t]+(ignore|resolve)(?:[ \t]+(.*?))?[ \t]*")
_FINGERPRINT = re.compile(r"[0-9a-f]{8,16}")
_REASON = 300


@dataclass(frozen=True, slots=True)
class Own:
    """One of our own comments."""

    thread: Thread
    marker: Marker

    @property
    def editable(self) -> bool:
        """Whether our identity wrote it: another one's comment can be recognised, but not changed."""
        return self.thread.comments[0].by_self

    @property
    def answered(self) -> bool:
        """Whether somebody else had the last word."""
        return len(self.thread.comments) > 1 and not self.thread.comments[-1].by_self


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known from the pull request itself."""

    head: str | None = None
    """The head that the last run reviewed."""
    summaries: tuple[Own, ...] = ()
    """Oldest first: the first is the one that is kept up to date."""
    comments: Mapping[str, Own]
    """Fingerprint -> the comment that speaks for it, settled by us or not."""
    copies: tuple[Own, ...] = ()
    """Second comments for one finding, as two runs at once leave them. The older one stays."""
    settled: frozenset[str] = frozenset()
    """Fingerprints whose comment we settled ourselves as fixed: found again, they are told anew."""
    known: Mapping[str, Known]
    """Everything that was open when the last run ended: what the summary and the open comments say."""
    since: str | None = None
    """The head before that one, as the summary has it."""
    fixed: tuple[Finding, ...] = ()
    """What was no longer found at `head`."""
    refused: frozenset[str] = frozenset()
    """Fingerprints that the platform refused inline at `head`."""
    fresh: Mapping[str, str]
    """Fingerprint -> the head at which it was found first."""
    deleted: frozenset[str] = frozenset()
    """Had a comment of their own once, which is gone: somebody deleted it."""
    said: tuple[Silence, ...] = ()
    """What anybody decided about findings, allowed or not."""

    @property
    def summary(self) -> Own | None:
        """The summary to keep up to date."""
        return self.summaries[0] if self.summaries else None

    @property
    def actors(self) -> frozenset[str]:
        """Whose permission has to be known."""
        return frozenset(silence.who for silence in self.said)

    def earlier(self) -> tuple[Finding, ...]:
        """What was open, to recognise findings by: with the text of its comment, where it has one."""
        return tuple(
            known.finding(_message(self.comments[fp].thread.comments[0].body, fp) if fp in self.comments else "")
            for fp, known in sorted(self.known.items())
        )


def recall(threads: Iterable[Thread], seal: Seal) -> Memory:
    """Read the threads. A marker counts by `Seal.read`; where our own identity and another, signed one, speak for the
    same thing, ours counts, and of several the oldest."""
    ordered = sorted(threads, key=_age)
    own = list(_own(ordered, seal))
    summaries = _best([o for o in own if o.marker.kind == "summary" and o.marker.state != "copy"])
    about: dict[str, list[Own]] = {}
    for one in own:
        if one.marker.kind == "finding" and one.marker.state != "copy":
            about.setdefault(one.marker.fingerprint, []).append(one)
    comments: dict[str, Own] = {}
    copies: list[Own] = []
    for fp, several in about.items():
        live = _best([o for o in several if not _settled_by_us(o, seal)])
        comments[fp] = live[0] if live else several[-1]
        copies += [o for o in live[1:] if o.editable and len(o.thread.comments) == 1 and not o.thread.resolved]
    settled = frozenset(fp for fp, one in comments.items() if _settled_by_us(one, seal))
    last = summaries[0].marker if summaries else Marker(kind="summary", head="")
    listed = {k.fingerprint: k for k in last.known if not k.fixed}
    told = {fp: one.marker.known[0] for fp, one in comments.items() if fp not in settled}
    heads = {fp: one.marker.head for fp, one in comments.items() if fp not in listed}
    known = listed | told
    return Memory(
        head=last.head or None,
        since=last.done.get("since"),
        fixed=tuple(k.finding() for k in last.known if k.fixed),
        refused=frozenset(fp for fp, k in listed.items() if k.in_summary),
        fresh=heads | {fp: last.head for fp, k in listed.items() if k.new},
        summaries=tuple(summaries),
        comments=comments,
        copies=tuple(copies),
        settled=settled,
        known={fp: k for fp, k in known.items() if fp not in settled},
        deleted=frozenset(fp for fp, k in listed.items() if k.inline and fp not in comments),
        said=tuple(_said(ordered, comments, settled)),
    )


def silences(memory: Memory, access: Mapping[str, Access], least: Access = "write") -> dict[str, Silence]:
    """Fingerprint -> who silenced it. Only people with at least that permission count, and who is not in `access` has
    none. An ignore with a reason weighs most."""
    found: dict[str, Silence] = {}
    for silence in memory.said:  # in the order of the threads, so the same for the same pull request
        if ACCESS_RANK[access.get(silence.who, "none")] < ACCESS_RANK[least]:
            continue
        before = found.get(silence.fingerprint)
        if before is None or (_has_reason(silence) and not _has_reason(before)):
            found[silence.fingerprint] = silence
    return found


def _has_reason(silence: Silence) -> bool:
    return silence.how == "ignore" and bool(silence.reason)


def _age(thread: Thread) -> tuple[str, int, str]:
    return (thread.comments[0].created_at, len(thread.id), thread.id)


def _own(threads: Iterable[Thread], seal: Seal) -> Iterator[Own]:
    for thread in threads:
        root = thread.comments[0]
        if (marker := seal.read(root.body, by_self=root.by_self)) is not None and marker.kind != "note":
            yield Own(thread, marker)


def _best(several: list[Own]) -> list[Own]:
    """Those of our own identity; where there are none, another one's."""
    return [one for one in several if one.editable] or several


def _settled_by_us(own: Own, seal: Seal) -> bool:
    if own.marker.state == "fixed":
        return True
    if not own.thread.resolved:
        return False
    last = own.thread.comments[-1]
    noted = seal.read(last.body, by_self=last.by_self) if len(own.thread.comments) > 1 else None
    return own.thread.resolved_by_self or (
        own.thread.resolved_by is None and noted is not None and noted.kind == "note"
    )


def _said(threads: Sequence[Thread], comments: Mapping[str, Own], settled: frozenset[str]) -> Iterator[Silence]:
    """Everything that anybody said about findings, in the order of the threads."""
    mine = {id(own.thread): fp for fp, own in comments.items()}
    for thread in threads:
        fp = mine.get(id(thread))
        if fp is not None and fp not in settled:
            yield from _gestures(thread, fp)
        for comment in thread.comments if fp is None else thread.comments[1:]:
            if not (comment.by_self or comment.by_bot):
                yield from _command(comment, fp, comments)


def _gestures(thread: Thread, fp: str) -> Iterator[Silence]:
    if thread.resolved and thread.resolved_by and not thread.resolved_by_self:
        yield Silence(fingerprint=fp, who=thread.resolved_by, how="resolved")
    for who in sorted(thread.comments[0].reactions.get("-1", ())):
        if who:
            yield Silence(fingerprint=fp, who=who, how="thumbs_down")


def _command(comment: Comment, fp: str | None, comments: Mapping[str, Own]) -> Iterator[Silence]:
    """`/loom ignore [reason]` in the finding's own thread, `/loom ignore FINGERPRINT [reason]` anywhere. Only the first
    line counts, and only when the command is all that it begins with."""
    found = _COMMAND.fullmatch(comment.body.split("\n", 1)[0].rstrip("\r"))
    if found is None:
        return
    how: How = "ignore" if found[1] == "ignore" else "resolve"
    first, _, rest = (found[2] or "").partition(" ")
    named = first.strip("`").lower()
    known = next((known for known in sorted(comments) if known.startswith(named)), None)
    if _FINGERPRINT.fullmatch(named) and (known or fp is None):
        fp, reason = known or named, rest  # one without a comment of its own stands in the summary
    else:
        reason = found[2] or ""
    if fp is not None:
        yield Silence(fingerprint=fp, who=comment.author, how=how, reason=reason.strip()[:_REASON])


_TAGS = re.compile(r"&[#A-Za-z0-9]{1,8};|[\\*_]")


def _message(body: str, fp: str) -> str:
    """The message in one of our inline comments (`engine.comment_text`): between its heading and its last line."""
    lines = body.split("\n")[1:]
    end = next((n for n, line in enumerate(lines) if line.startswith("*") and f"`{fp}`" in line), len(lines))
    kept = [line for line in lines[:end] if not line.startswith("**Suggested")]
    return _TAGS.sub("", "\n".join(kept)).strip()
