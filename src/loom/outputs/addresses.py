"""How foreign formats name what a finding names: its path, its rule, the rules of other tools, and their links."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from loom.core.finding import Finding
from loom.infra.text import one_line, visible

_LONGEST_LINK = 2_000
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def rule_id(finding: Finding) -> str:
    """The rule, or for a model's finding its pipeline and what it is about."""
    return one_line(visible(finding.rule or f"{finding.pipeline}/{finding.category}"), 200)


def also(finding: Finding) -> tuple[str, ...]:
    """`B105 of linter/bandit (https://…)`: what each of the other tools calls the same fact. One line each; the place
    where it is shown has to escape it."""
    rows = []
    for other in finding.also:
        name = f"{one_line(other.rule, 120)} of {one_line(other.source, 60)}"
        link = web_address(other.rule_url)
        rows.append(f"{name} ({link})" if link else name)
    return tuple(rows)


def file_of(hunk_id: str) -> str:
    """`src/a.py` of the hunk id `src/a.py#2` or `src/a.py#2.1`."""
    return re.sub(r"#\d+(\.\d+)?$", "", hunk_id)


def web_address(url: str | None) -> str | None:
    """The address when it is one that may become a link, with all else percent-encoded."""
    try:
        parts = urlsplit(url or "")
    except ValueError:  # "Invalid IPv6 URL"
        return None
    safe = quote((url or "").encode("utf-8", "replace"), safe="%/:?#@!$&'()*+,;=~-._")
    return safe if parts.scheme in ("https", "http") and parts.netloc and len(safe) < _LONGEST_LINK else None


def relative_uri(path: str) -> str:
    """A path as a relative URI that stays below the repository's root: bytes percent-encoded (a `:` too, so there is
    no scheme). Empty for one that leads out of it."""
    errors = "surrogateescape" if _from_bytes(path) else "replace"
    return "/".join(quote(part.encode("utf-8", errors), safe="") for part in _below(path))


def relative_path(path: str) -> str:
    """A path as text that stays below the repository's root, bytes that are not UTF-8 written out. Empty for one that
    leads out of it. Any other character may be in it: it is the file's name."""
    return re.sub("[\ud800-\udfff]", lambda found: visible(found[0]), "/".join(_below(path)))


def _below(path: str) -> list[str]:
    """The parts of a path below the repository's root; none for one that leads out of it (`/etc/passwd`, `../x.py`,
    `C:/x`). Without its beginning it would be another file's name, of one that may be in the repository."""
    if path.startswith("/") or _DRIVE.match(path):
        return []
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and not parts:
            return []
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts


def _from_bytes(path: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in path)
