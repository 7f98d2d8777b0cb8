"""What a hidden marker in one of Loom's own comments says: how it is written, signed, and read again.

Comments are the only memory there is between two runs, and anybody may write one: a marker counts only in a comment
by our own identity, or with a valid signature (docs/adr/0014-posting.md). How a platform hides the text is its own
business (`Platform.hide`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from loom.core.finding import Finding, Severity

Kind = Literal["finding", "summary", "note"]
"""note: an answer of ours in a thread."""
MarkerState = Literal["open", "fixed", "copy"]
"""copy: a second comment for the same thing, made by two runs at once."""

_VERSION = 1
_LETTERS: Mapping[Kind, str] = {"finding": "f", "summary": "s", "note": "n"}
_KINDS: Mapping[str, Kind] = {letter: kind for kind, letter in _LETTERS.items()}
_STATES: tuple[MarkerState, ...] = get_args(MarkerState)
_SEVERITIES = {"b": Severity.BLOCKER, "w": Severity.WARNING, "i": Severity.INFO}
_SHORT = {severity: letter for letter, severity in _SEVERITIES.items()}

# Only letters that end neither an HTML comment (`--`, `>`) nor a link reference (`]`, a space): base64 with `.` and
# `_` for `+` and `/`, without padding.
_TEXT = re.compile(rf"loom:{_VERSION}:([fsn]):([A-Za-z0-9._]+)(?::([A-Za-z0-9._]+))?(?![A-Za-z0-9._:])")
_HIDDEN = re.compile(
    rf"^[ \t]*(?:<!--[ \t]*(?P<html>{_TEXT.pattern})[ \t]*-->"
    rf"|\[[^\[\]\n]{{1,200}}\]:[ \t]*\S*?(?P<link>{_TEXT.pattern}))[ \t]*$"
)
"""A line that is nothing but a hidden marker. Text of a change or a model that looks so is escaped before it is posted
(`infra.text.to_comment`); only in a code block it is not, and there ours comes after it."""
_MAX_BYTES = 256 * 1024
"""Of a payload unpacked; ours are far smaller."""
_TITLE = 120
LONGEST_PATH = 300
"""Characters of a path that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A finding as the marker remembers it."""

    fingerprint: str
    severity: Severity
    deterministic_severity: Severity | None = None
    """None for a claim of models only."""
    path: str
    line: int | None = None
    side: Literal["new", "old"] = "new"
    title: str = ""
    rule: str | None = None
    sources: tuple[str, ...] = ()
    """The pipelines that reported it."""
    in_summary: bool = False
    """It stands in the summary only, for good: the platform refused it inline, at this head."""
    inline: bool = False
    """It has a comment of its own: when that is gone, somebody deleted it."""
    new: bool = False
    """First found at this head: a second run at the same head says so again."""
    fixed: bool = False
    """No longer found at this head; remembered for the same reason."""

    @classmethod
    def of(cls, finding: Finding, *, in_summary: bool = False, inline: bool = False, fixed: bool = False) -> Known:
        """What is worth remembering of a finding."""
        return cls(
            fingerprint=finding.fingerprint,
            severity=finding.severity,
            deterministic_severity=finding.deterministic_severity,
            path=finding.path[:LONGEST_PATH],
            line=finding.line,
            side=finding.side,
            title=finding.title[:_TITLE],
            rule=finding.rule,
            sources=finding.sources or (finding.pipeline,),
            in_summary=in_summary,
            inline=inline,
            new=finding.state == "new" and not fixed,
            fixed=fixed,
        )

    def finding(self, message: str = "") -> Finding:
        """The finding as far as it is known, to be recognised by or listed."""
        return Finding(
            fingerprint=self.fingerprint, pipeline=self.sources[0] if self.sources else "", sources=self.sources,
            rule=self.rule, category="other", severity=self.severity, title=self.title, message=message,
            path=self.path, line=self.line, end_line=self.line, column=None, side=self.side, quote=None,
            suggestion=None, confidence=None, anchor="none", deterministic=self.deterministic_severity is not None,
            deterministic_severity=self.deterministic_severity, rule_url=None, state="open",
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What one marker says."""

    kind: Kind
    head: str
    """The head that was reviewed when the comment was written last."""
    digest: str = ""
    """Of what the comment says, without what differs from run to run: a second run writes only when it differs."""
    state: MarkerState = "open"
    known: tuple[Known, ...] = ()
    """The finding itself; for a summary all that are open, the most important first."""
    more: int = 0
    """How many open findings did not fit."""
    done: Mapping[str, str] = field(default_factory=dict)
    """What else was written for this head, name -> digest: `status`, `verdict`."""

    @property
    def fingerprint(self) -> str:
        """Of the finding that the comment is about; empty for a summary."""
        return self.known[0].fingerprint if self.kind != "summary" and self.known else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """For which pull request markers are written and read, and with which key."""

    repo: str
    number: int
    key: str = field(default="", repr=False)
    """`LOOM_STATE_KEY`; without one only our own identity's comments count."""

    def write(self, marker: Marker, *, limit: int = 20_000) -> str:
        """`encode` for this pull request."""
        return encode(marker, key=self.key, repo=self.repo, number=self.number, limit=limit)

    def read(self, body: str, *, by_self: bool) -> Marker | None:
        """`read` for this pull request."""
        return read(body, by_self=by_self, key=self.key, repo=self.repo, number=self.number)


def encode(marker: Marker, *, key: str = "", repo: str, number: int, limit: int = 20_000) -> str:
    """The marker as one word of at most `limit` characters (at least 1,000), signed when there is a key. Where it does
    not fit, what is known gets shorter from its end, which is the least important: first titles and rules go, then
    whole findings, which are counted in `more`."""

    def fits(shortened: Marker) -> bool:
        return len(_sealed(shortened, key, repo, number)) <= limit

    count = len(marker.known)
    if not fits(marker):
        whole = _most(count, lambda n: fits(_bare_after(marker, n)))
        marker = _bare_after(marker, whole)
        marker = marker if whole else _first(marker, _most(count, lambda n: fits(_first(marker, n))))
    return _sealed(marker, key, repo, number)


def read(body: str, *, by_self: bool, key: str = "", repo: str, number: int) -> Marker | None:
    """The marker of a comment, when it counts: the last hidden line that is one, in a comment by our own identity or
    signed for this pull request. Whatever else, forged or damaged, is None; never raises."""
    found = next((hit for line in reversed(body.splitlines()) if (hit := _HIDDEN.match(line))), None)
    if found is None:
        return None
    text = found["html"] or found["link"]
    word = _TEXT.fullmatch(text)
    if word is None:
        return None
    letter, payload, signature = word[1], word[2], word[3] or ""
    signed = bool(key) and hmac.compare_digest(signature, _sign(key, repo, number, letter, payload))
    if not (by_self or signed):
        return None
    marker = _unpacked(_KINDS[letter], payload)
    return marker if marker is not None and (marker.kind == "summary" or marker.known) else None


def digest(*parts: str) -> str:
    """A short digest of texts, to tell whether something changed."""
    raw = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(raw).hexdigest()[:16]


def without(body: str) -> str:
    """The text of a comment without its hidden marker lines."""
    return "\n".join(line for line in body.splitlines() if not _HIDDEN.match(line)).rstrip()


# ---- writing


def _most(count: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `count` that fits; 0 when none does."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _bare_after(marker: Marker, count: int) -> Marker:
    """The first `count` as they are, of the others what recognises and weighs them."""
    bare = (replace(known, title="", rule=None, sources=known.sources[:1]) for known in marker.known[count:])
    return replace(marker, known=(*marker.known[:count], *bare))


def _first(marker: Marker, count: int) -> Marker:
    return replace(marker, known=marker.known[:count], more=marker.more + len(marker.known) - count)


def _sealed(marker: Marker, key: str, repo: str, number: int) -> str:
    letter = _LETTERS[marker.kind]
    payload = _to_word(zlib.compress(_json(marker), 9))
    signature = f":{_sign(key, repo, number, letter, payload)}" if key else ""
    return f"loom:{_VERSION}:{letter}:{payload}{signature}"


def _json(marker: Marker) -> bytes:
    """Only what differs from the default, so that a marker stays short."""
    entries: dict[str, object] = {"h": marker.head}
    optional: dict[str, object] = {
        "d": marker.digest,
        "s": _STATES.index(marker.state),
        "m": marker.more,
        "w": dict(sorted(marker.done.items())),
        "k": [_row(known) for known in marker.known],
    }
    entries |= {name: value for name, value in optional.items() if value}
    return json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _row(known: Known) -> list[object]:
    row: list[object] = [
        known.fingerprint,
        _SHORT[known.severity] + (_SHORT[known.deterministic_severity] if known.deterministic_severity else ""),
        known.path,
        known.line or 0,
        known.title,
        known.rule or "",
        list(known.sources),
        _flags(known),
    ]
    while len(row) > 3 and not row[-1]:
        row.pop()
    return row


def _flags(known: Known) -> int:
    flags = (known.side == "old", known.in_summary, known.inline, known.new, known.fixed)
    return sum(1 << n for n, flag in enumerate(flags) if flag)


def _to_word(raw: bytes) -> str:
    return base64.b64encode(raw, b"._").decode("ascii").rstrip("=")


def _sign(key: str, repo: str, number: int, letter: str, payload: str) -> str:
    said = "\0".join((str(_VERSION), repo, str(number), letter, payload))
    mac = hmac.new(key.encode("utf-8", "surrogateescape"), said.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return _to_word(mac.digest()[:16])


# ---- reading: every field is checked, since a person may have edited the comment


def _unpacked(kind: Kind, payload: str) -> Marker | None:
    try:
        raw = base64.b64decode(payload + "=" * (-len(payload) % 4), b"._", validate=True)
        unpack = zlib.decompressobj()
        text = unpack.decompress(raw, _MAX_BYTES)
        if not unpack.eof:
            return None
        return _marker(kind, json.loads(text.decode("utf-8", "surrogatepass")))
    except (ValueError, TypeError, KeyError, IndexError, binascii.Error, zlib.error, RecursionError):
        return None


def _marker(kind: Kind, entries: object) -> Marker:
    if not isinstance(entries, dict):
        raise TypeError("a marker is an object")
    done = entries.get("w", {})
    return Marker(
        kind=kind,
        head=_string(entries["h"]),
        digest=_string(entries.get("d", "")),
        state=_STATES[_count(entries.get("s", 0))],
        more=_count(entries.get("m", 0)),
        done={_string(name): _string(value) for name, value in done.items()},
        known=tuple(_known(row) for row in _list(entries.get("k", []))),
    )


_DEFAULTS: tuple[object, ...] = (0, "", "", [], 0)


def _known(row: object) -> Known:
    fingerprint, severities, path, *rest = _list(row)
    line, title, rule, sources, flags = (*rest, *_DEFAULTS[len(rest) :])
    letters = _string(severities)
    return Known(
        fingerprint=_string(fingerprint),
        severity=_SEVERITIES[letters[0]],
        deterministic_severity=_SEVERITIES[letters[1]] if len(letters) > 1 else None,
        path=_string(path),
        line=_count(line) or None,
        title=_string(title),
        rule=_string(rule) or None,
        sources=tuple(_string(source) for source in _list(sources)),
        side="old" if _count(flags) & 1 else "new",
        in_summary=bool(_count(flags) & 2),
        inline=bool(_count(flags) & 4),
        new=bool(_count(flags) & 8),
        fixed=bool(_count(flags) & 16),
    )


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("not a count")
    return value


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value
