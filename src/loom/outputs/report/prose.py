"""What models and linters write, as HTML: the Markdown that people read in reviews, and nothing that acts.

Paragraphs, lists, quotes, fenced and indented code, code spans, emphasis and http(s) links. Every piece of text goes
through `infra.text.to_html`; there is no raw HTML, no image, and a link whose words hide its host shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from loom.infra.text import to_html

_REL = "noopener noreferrer nofollow"

_FENCE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_BULLET = re.compile(r"^(?P<indent> {0,8})(?:[-*+]|(?P<number>\d{1,6})[.)]) +(?P<text>\S.*)$")
_HEADING = re.compile(r"^ {0,3}#{1,6} +(?P<text>.*?)(?: +#+)? *$")
_QUOTE = re.compile(r"^ {0,3}> ?")
_CODE_INDENT = "    "

# Runs are bounded, so that no text of a stranger makes a search quadratic.
_INLINE = re.compile(
    r"(?P<ticks>`{1,8})(?!`)(?P<code>[^\n]{1,500}?)(?<!`)(?P=ticks)(?!`)"
    r"|\[(?P<label>[^\[\]\n`]{1,300})\]\((?P<target>https?://[^\s()<>`\\\[\]\"']{1,2000})\)"
    r"|(?P<url>https?://[^\s<>()\[\]`|\"'\\]{1,2000})"
    r"|\*\*(?P<strong>(?=\S)[^*\n]{1,500}(?<=\S))\*\*"
    r"|(?<![\w*])\*(?P<em>(?=\S)[^*\n]{1,500}(?<=\S))\*(?![\w*])"
    r"|\\(?P<escaped>[\\`*_\[\]#>-])"
)
_URL_TAIL = ".,;:!?*_~"


LONGEST = 20_000
"""Characters of one text. What a model says at such length is no message any more."""


def prose(text: str) -> str:
    """A message as HTML blocks. Safe inside any element that holds blocks."""
    cut = "<p>… (cut: the result file has all of it)</p>" if len(text) > LONGEST else ""
    return "".join(_blocks(text[:LONGEST].expandtabs(4).replace("\r\n", "\n").split("\n"))) + cut


def title(text: str) -> str:
    """One line with its code spans; never a link, since titles stand inside links."""
    out, at = [], 0
    for found in _INLINE.finditer(text):
        if found["code"] is not None:
            out += [to_html(text[at : found.start()]), _code(found["code"])]
            at = found.end()
    return "".join([*out, to_html(text[at:])])


def link(url: str | None, label: str) -> str:
    """`label` as a link to `url` when that is a web address, else the label alone."""
    if url is None or not _host(url):
        return to_html(label)
    return f'<a href="{to_html(url)}" rel="{_REL}">{to_html(label)}</a>'


def _host(url: str) -> str:
    """The host that a link would lead to; empty for anything that is no plain web address."""
    if re.fullmatch(r"https?://[^\s<>\"'`\\]{1,2000}", url) is None:
        return ""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # "Invalid IPv6 URL"
        return ""


# ---- blocks


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif fence := _FENCE.match(line):
            code, at = _fenced(lines, at, fence)
            yield f"<pre><code>{to_html(code)}</code></pre>"
        elif line.startswith(_CODE_INDENT):
            end = _while(lines, at, lambda text: text.startswith(_CODE_INDENT) or not text.strip())
            code = "\n".join(text[len(_CODE_INDENT) :] for text in lines[at:end]).rstrip("\n")
            yield f"<pre><code>{to_html(code)}</code></pre>"
            at = end
        elif _QUOTE.match(line):
            end = _while(lines, at, lambda text: _QUOTE.match(text) is not None)
            yield f"<blockquote>{_paragraph([_QUOTE.sub('', text, count=1) for text in lines[at:end]])}</blockquote>"
            at = end
        elif _BULLET.match(line):
            html, at = _list(lines, at)
            yield html
        elif heading := _HEADING.match(line):
            yield f"<p><strong>{_inline(heading['text'])}</strong></p>"  # headings would break the page's outline
            at += 1
        else:
            end = _while(lines, at, _is_plain)
            yield _paragraph(lines[at:end])
            at = end


def _while(lines: Sequence[str], start: int, holds: Callable[[str], bool]) -> int:
    """The end of the run of lines after `start` for which `holds`; the first one is part of it in any case."""
    end = start + 1
    while end < len(lines) and holds(lines[end]):
        end += 1
    return end


def _is_plain(line: str) -> bool:
    """Whether a line goes on with a paragraph."""
    starts = (_FENCE, _BULLET, _HEADING, _QUOTE)
    return bool(line.strip()) and not any(pattern.match(line) for pattern in starts)


def _fenced(lines: Sequence[str], start: int, fence: re.Match[str]) -> tuple[str, int]:
    """The code of the fence that opens at `start`, and where to go on. An open one ends with the text."""
    closing = re.compile(rf"^ {{0,3}}{re.escape(fence['mark'][0])}{{{len(fence['mark'])},}} *$")
    end = _while(lines, start, lambda text: closing.match(text) is None)
    return "\n".join(lines[start + 1 : end]), end + 1


def _list(lines: Sequence[str], start: int) -> tuple[str, int]:
    """The list that begins at `start`; deeper ones are set flat, which reviews rarely have."""
    items: list[list[str]] = []
    first = _BULLET.match(lines[start])
    assert first is not None
    at = start
    while at < len(lines):
        bullet = _BULLET.match(lines[at])
        if bullet:
            if (bullet["number"] is None) != (first["number"] is None) and len(bullet["indent"]) < 2:
                break
            items.append([bullet["text"]])
        elif lines[at].startswith("  ") and lines[at].strip():
            items[-1].append(lines[at].strip())
        elif not lines[at].strip() and at + 1 < len(lines) and _BULLET.match(lines[at + 1]):
            pass  # a loose list: a blank line between its items
        else:
            break
        at += 1
    body = "".join(f"<li>{_inline(' '.join(item))}</li>" for item in items)
    tag = "ul" if first["number"] is None else "ol"
    begin = f' start="{int(first["number"])}"' if first["number"] not in (None, "1") else ""
    return f"<{tag}{begin}>{body}</{tag}>", at


def _paragraph(lines: Sequence[str]) -> str:
    parts = [_inline(line.strip()) for line in lines if line.strip()]
    return f"<p>{'<br>'.join(parts)}</p>" if parts else ""


# ---- inline


def _inline(text: str) -> str:
    out, at = [], 0
    for found in _INLINE.finditer(text):
        out.append(to_html(text[at : found.start()]))
        html, at = _token(found)
        out.append(html)
    return "".join([*out, to_html(text[at:])])


def _token(found: re.Match[str]) -> tuple[str, int]:
    """What a token becomes, and where the text goes on."""
    match found.lastgroup:
        case "code":
            return _code(found["code"]), found.end()
        case "target":
            return _named_link(found["label"], found["target"]), found.end()
        case "url":
            url = found["url"].rstrip(_URL_TAIL)
            return link(url, url), found.start() + len(url)
        case "strong":
            return f"<strong>{_inline(found['strong'])}</strong>", found.end()
        case "em":
            return f"<em>{_inline(found['em'])}</em>", found.end()
        case _:
            return to_html(found["escaped"] or found[0]), found.end()


def _code(text: str) -> str:
    inner = text[1:-1] if text.startswith(" ") and text.endswith(" ") and text.strip() else text
    return f"<code>{to_html(inner)}</code>"


def _named_link(label: str, target: str) -> str:
    """A link says where it leads unless its words do: `[Log in](https://evil.example)` must not look like ours."""
    host = _host(target)
    where = f' <span class="host">({to_html(host)})</span>' if host and label.strip() not in (host, target) else ""
    return link(target, label) + where
