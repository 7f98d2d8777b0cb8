"""Untrusted Markdown made harmless: what is meant as prose and code stays readable, nothing acts on its readers.

No image, no link to foreign hosts, no HTML, no mention or reference, no quick action, no forged marker, no
suggestion that was not proved. Fenced and inline code keep their text; so that our idea of what is code is also the
renderer's, fences are written anew at column 0 and every back-quote that opens nothing is escaped.
Reasons and incidents: docs/security-model.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from loom.infra.invisible import replaced

COMMENT_LIMIT = 60_000
"""Characters. GitHub refuses comments over 65,536 ("body is too long"), others allow more."""
CUT = "\n\n*(cut: too long for a comment)*"

# Fences whose content a forge runs or draws instead of showing it; `suggestion` would offer unproved code to commit.
_ACTIVE = re.compile(r"(?i)^(?:suggestion|mermaid|geojson|topojson|stl|math|plantuml|kroki|graphviz|dot|svg|html\+)")
_INFO = re.compile(r"[A-Za-z0-9_+#.-]{0,40}")
_OPEN = re.compile(r"^([ \t]*)(?:(`{3,})([^`]*)|(~{3,})(.*))$")
_RUNS = re.compile(r"`{3,}|~{3,}")
_COMMAND = re.compile(r"^/(?=[A-Za-z])", re.MULTILINE)
_TABLE = re.compile(r"^[ \t>]*(?:\|[ \t]*)?:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?$", re.MULTILINE)

_TOKEN = re.compile(
    r"(?P<entity>&(?:lt|gt|amp|\#8203);)"  # the ones written here: leaving them makes twice the same as once
    r"|(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|(?P<link>\[(?P<label>[^\[\]\n`<>@\\]{1,300})\]\((?P<target>https?://[^\s()<>`\\\[\]]{1,2000})\))"
    r"|(?P<url>(?:[A-Za-z][A-Za-z0-9+.-]{1,20}://|(?<![A-Za-z0-9])(?i:www)\.(?=\S)"
    r"|(?i:mailto|xmpp):(?=\S))[^\s<>()\[\]`|\"'\\]*)"
    r"|(?P<amp>&(?=\#|[A-Za-z]))"
    r"|(?P<less><)"
    r"|(?P<image>!\[)"
    r"|(?P<close>\](?=[(\[:]))"
    r"|(?P<mention>@(?=\w))"
    r"|(?P<number>(?:\#|!|\bGH-)(?=[0-9]))"
    r"|(?P<gitlab>[%&$](?=[0-9])|[%~](?=[A-Za-z\"]))"
    r"|(?P<slash>(?:(?<=\n)|\A)[ \t]*/(?=[A-Za-z]))"
)
_TICKS = re.compile("`+")
_KEPT_ESCAPES = frozenset("\\`*_{}[]()+-.>|/\"'=;,?^")  # escaping the others leaves what a forge still reacts to
_BREAK = "&#8203;"  # zero width space: renovate's way to break mentions and references
_URL_TAIL = ".,;:!?*_~"


def to_comment(
    text: str, *, link_hosts: frozenset[str] = frozenset(), gitlab: bool = False, limit: int = COMMENT_LIMIT
) -> str:
    """For a Markdown comment on a forge. Links stay links only to `link_hosts` (lower case); `gitlab` breaks its
    references `%1`, `&1`, `$1`, `~x` too. Cut at `limit` (at least 1,000) characters with a notice. Idempotent."""
    clean = _clean(text, link_hosts, gitlab)
    room = limit - len(CUT)
    while len(clean) > limit and room > 0:
        kept = clean[:room].rpartition("\n")[0] or clean[:room]
        clean = _clean(kept, link_hosts, gitlab).rstrip("\n") + CUT
        room -= 200  # closing a fence may have made it longer again
    return clean


def code_fence(code: str, info: str = "") -> str:
    """Code as a fenced block that it cannot leave: the fence is longer than any run of its kind inside. `info` is a
    language or our own `suggestion`, never untrusted. A line that GitLab would take for a quick action (it looks into
    fences too) gets a backslash."""
    return _fence("`", code.split("\n"), info)


def _fence(mark: str, body: list[str], info: str) -> str:
    inside = "\n".join(body)
    longest = max((len(run) for run in _RUNS.findall(inside) if run[0] == mark), default=0)
    fence = mark * max(3, longest + 1)
    shown = _COMMAND.sub(r"\\/", replaced(inside.replace("\r", "")))
    return f"{fence}{info}\n{shown}\n{fence}"


def _clean(text: str, link_hosts: frozenset[str], gitlab: bool) -> str:
    text = replaced(text.replace("\r", ""))
    return "\n".join(
        _fence(mark, lines, info) if mark else _prose("\n".join(lines), link_hosts, gitlab)
        for mark, info, lines in _blocks(text)
    )


def _blocks(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """(fence character or "", info, lines): prose and fenced blocks in turn. An open fence ends with the text."""
    prose: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        opened = _OPEN.match(line)
        if opened is None:
            prose.append(line)
            continue
        if prose:
            yield "", "", prose
            prose = []
        fence = opened[2] or opened[4]
        info = (opened[3] or opened[5] or "").split()
        yield fence[0], _harmless_info(info[0] if info else ""), list(_until_closed(lines, fence, len(opened[1])))
    if prose:
        yield "", "", prose


def _until_closed(lines: Iterator[str], fence: str, indent: int) -> Iterator[str]:
    closing = re.compile(rf"^[ \t]*{fence[0]}{{{len(fence)},}}[ \t]*$")
    for line in lines:
        if closing.match(line):
            return
        lead = len(line) - len(line.lstrip(" \t"))
        yield line[min(indent, lead) :]


def _harmless_info(info: str) -> str:
    return "" if _ACTIVE.match(info) or not _INFO.fullmatch(info) else info


def _prose(text: str, link_hosts: frozenset[str], gitlab: bool) -> str:
    has_table = any("|" in row[0] for row in _TABLE.finditer(text))
    out: list[str] = []
    at = 0
    while found := _TOKEN.search(text, at):
        out.append(text[at : found.start()])
        piece, at = _token(text, found, link_hosts, gitlab=gitlab, cells=has_table)
        if piece.startswith("`") and "".join(out[-2:]).endswith(("`", "\\")):
            out.append(" ")  # two runs of back-quotes that touch would be one, and a backslash would disarm ours
        out.append(piece)
    out.append(text[at:])
    return "".join(out)


def _token(
    text: str, found: re.Match[str], link_hosts: frozenset[str], *, gitlab: bool, cells: bool
) -> tuple[str, int]:
    """What a token becomes, and where to go on."""
    token, end = found[0], found.end()
    match found.lastgroup:
        case "ticks":
            code = _code_span(text, found, cells=cells)
            return (code, found.start() + len(code)) if code else ("\\`" * len(token), end)
        case "escape":
            return _escape(token, text, end)
        case "url":
            url = token.rstrip(_URL_TAIL)
            end = found.start() + len(url)
            return (url if _may_link(url, text[end : end + 1], link_hosts) else f"`{url}`"), end
        case "link" if not _may_link(found["target"], ")", link_hosts):
            return "[", found.start() + 1
        case "amp":
            return "&amp;", end
        case "less":
            return "&lt;", end
        case "image":
            return "!\\[", end
        case "close":
            return "\\]", end
        case "slash":
            return token[:-1] + "\\/", end
        case "mention" | "number":
            return token + _BREAK, end
        case "gitlab" if gitlab:
            return token + _BREAK, end
        case _:
            return token, end


def _escape(token: str, text: str, end: int) -> tuple[str, int]:
    """A backslash escape: kept, or its backslash dropped and its character looked at again."""
    escaped = token[1]
    if escaped in _KEPT_ESCAPES:
        return token, end
    if escaped == ":":  # GitLab links schemes after rendering, when the backslash is gone
        return ":" + (_BREAK if text.startswith("//", end) else ""), end
    return "", end - 1


def _code_span(text: str, opening: re.Match[str], *, cells: bool) -> str:
    """The inline code that begins here and ends on the same line, or nothing. In a table a `|` ends the cell, and so
    what looks like code there is none (GitHub Flavored Markdown, tables extension)."""
    end_of_line = text.find("\n", opening.end())
    for run in _TICKS.finditer(text, opening.end(), len(text) if end_of_line < 0 else end_of_line):
        if len(run[0]) == len(opening[0]):
            code = text[opening.start() : run.end()]
            return "" if cells and "|" in code else code
    return ""


def _may_link(url: str, after: str, link_hosts: frozenset[str]) -> bool:
    """Whether a URL goes to an allowed host whatever the renderer adds to it: without a path, what follows it
    (`https://good.example'.evil.example`) could still be taken into the host."""
    return _host(url) in link_hosts and ("/" in url.partition("://")[2] or not after.strip())


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower() if url.startswith(("https://", "http://")) else ""
    except ValueError:  # "Invalid IPv6 URL"
        return ""
