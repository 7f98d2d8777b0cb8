"""What a configuration file is based on: reading `extends`, staying under `.loom/`, checking pinned hashes."""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from loom.core.errors import ConfigError, Problem

Fetch: TypeAlias = "Callable[[str], bytes]"
"""Reads an https address; raises LoomError when it cannot. Redirects and link-local hosts are its to refuse."""

MAX_FILES = 30
"""Files one configuration may be made of; more is a mistake or an attack."""

_PINNED = re.compile(r"(https://[^\s#]+)#sha256=([0-9a-fA-F]{64})")
_ORG = re.compile(r"org:(?P<repo>[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)//(?P<path>[^@\s]+?)(?:@(?P<ref>[^@\s]+))?")

FORMS = "./path.yaml under .loom/, https://host/x.yaml#sha256=<64 hex digits>, or org:group/repo//path.yaml@ref"


@dataclass(frozen=True, slots=True)
class Local:
    """Another file of the repository."""

    path: str
    """Relative to the repository's root, under `.loom/`."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file on the web whose content is fixed by its hash."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Org:
    """A file of another repository on the same platform."""

    repo: str
    path: str
    ref: str | None


def parse(text: str, *, file: str, in_repository: bool) -> Local | Pinned | Org:
    """What an entry of `extends` in `file` names. Raises ValueError saying what is allowed."""
    if text.startswith(("./", "../", "/")) or (
        text.endswith((".yaml", ".yml")) and "://" not in text and ":" not in text
    ):
        return _local(text, file=file, in_repository=in_repository)
    if text.startswith("org:"):
        return _org(text)
    if text.startswith("http://"):
        raise ValueError("plain http is not allowed; use https:// with #sha256=")
    if text.startswith("https://"):
        return pinned(text)
    raise ValueError(f"allowed: {FORMS}")


def pinned(text: str) -> Pinned:
    """An address with the hash of its content. Raises ValueError without one."""
    if found := _PINNED.fullmatch(text):
        return Pinned(found[1], found[2].lower())
    raise ValueError("an https address needs the hash of its content: https://host/x.yaml#sha256=<64 hex digits>")


def read_pinned(what: Pinned, fetch: Fetch) -> bytes:
    """The content, once its hash is found right. Raises ConfigError when it is not."""
    data = fetch(what.url)
    digest = hashlib.sha256(data).hexdigest()
    if not hmac.compare_digest(digest, what.sha256):
        message = f"the content's sha256 is {digest}, not the {what.sha256} that is pinned"
        raise ConfigError([Problem(what.url, 0, 0, "", message)], hint="look at what changed before you pin it anew")
    return data


def _local(text: str, *, file: str, in_repository: bool) -> Local:
    if not in_repository:
        raise ValueError("only a file of the repository can extend ./…; use https:// with #sha256=")
    clean = posixpath.normpath(posixpath.join(posixpath.dirname(file) or ".loom", text))
    if not clean.startswith(".loom/") or text.startswith("/") or "\\" in text:
        raise ValueError("the path must stay under .loom/")
    return Local(clean)


def _org(text: str) -> Org:
    head, found, path = text.rpartition("//")
    match = _ORG.fullmatch(text)
    if not found or match is None or ".." in path.split("/") or path.startswith("/"):
        raise ValueError("expected org:group/repo//path.yaml@ref (the last `//` splits repository and path)")
    assert head
    return Org(match["repo"], match["path"], match["ref"])
