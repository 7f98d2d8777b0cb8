"""What a Gitea or Forgejo server can do, by its version and the rights of the token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loom.platforms.answers import at, flag
from loom.platforms.base import Cap, Limits, Profile

Version = tuple[int, ...]

_ALWAYS = (
    Cap.BATCH_REVIEW | Cap.OLD_SIDE | Cap.CONTEXT_LINES | Cap.EDIT_COMMENT | Cap.DELETE_COMMENT | Cap.REACTIONS
    | Cap.APPROVE | Cap.REQUEST_CHANGES | Cap.COMMIT_STATUS | Cap.HTML_MARKER | Cap.DETAILS_TAG | Cap.ACCESS_LOOKUP
    | Cap.RAW_DIFF
)  # fmt: skip
_NEVER = (2**31,)
# Which version brought what: (Gitea, Forgejo, how to get it). Facts: platforms, sections 6.5 and 7; the description of
# Forgejo 16's API has `extra_lines_count`, those of its predecessors and of Gitea have not.
_SINCE: Mapping[Cap, tuple[Version, Version, str]] = {
    Cap.RESOLVE: ((1, 26), _NEVER, "needs Gitea 1.26; Forgejo's API cannot resolve conversations"),
    Cap.MULTILINE: (_NEVER, (16,), "needs Forgejo 16; Gitea's comments stand on one line"),
}
_REPLIES: Version = (1, 27)
_NOWHERE = {
    "file_comment": "Gitea and Forgejo have no comments on whole files",
    "suggestions": "Gitea and Forgejo do not commit suggestions that came over the API",
    "check_run": "Gitea and Forgejo have commit statuses only",
    "minimise": "Gitea and Forgejo cannot fold a comment away",
}
# Neither limits comments (facts: platforms, section 1.4); a page with longer ones is no pleasure to read.
_LIMITS = Limits(comment=65_000, summary=250_000)
HOW_TO_RESOLVE = _SINCE[Cap.RESOLVE][2]
BEFORE = Profile(caps=_ALWAYS | Cap.RESOLVE | Cap.MULTILINE, limits=_LIMITS, missing=_NOWHERE)
"""What every version and token can do."""


@dataclass(frozen=True, slots=True)
class Server:
    """Which program in which version."""

    forgejo: bool = False
    version: Version | None = None
    """None: it does not tell."""

    @classmethod
    def of(cls, version: str | None, *, platform: str) -> Server:
        """From `/version`: "1.23.6", "1.27.0+dev-12-g0a1b2c3", "16.0.1+gitea-1.22.0"."""
        if version is None:
            return cls(platform == "forgejo")
        numbers = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
        parsed = tuple(int(n) for n in numbers[1].split(".")) if numbers else None
        return cls("gitea-" in version or "forgejo" in version.lower(), parsed)

    def has(self, cap: Cap) -> bool:
        """Whether this version brought it. Where the version is not known, a route is tried, a field is not sent."""
        gitea, forgejo, _ = _SINCE[cap]
        if self.version is None:
            return cap is Cap.RESOLVE
        return self.version >= (forgejo if self.forgejo else gitea)

    @property
    def has_replies(self) -> bool:
        """Whether there is a route to answer in a conversation. Forgejo takes comments into a review instead."""
        return self.forgejo or self.version is None or self.version >= _REPLIES


def profile(server: Server, version: str | None, login: str | None, repository: object) -> Profile:
    """What can be done; `repository` is the server's answer, with what the token's user may do in it."""
    caps, missing = _ALWAYS, dict(_NOWHERE)
    for cap, (_, _, how) in _SINCE.items():
        if server.has(cap):
            caps |= cap
        else:
            missing[str(cap.name).lower()] = how
    rights = at(repository, "permissions")
    if rights is not None and not flag(rights, "push"):
        caps &= ~Cap.COMMIT_STATUS
        missing["commit_status"] = "the token's user needs write access to the repository's code"
    if rights is not None and not flag(rights, "admin"):
        caps &= ~Cap.ACCESS_LOOKUP
        missing["access_lookup"] = "only a token of an administrator of the repository may ask what others may do"
    if login is None:
        missing["login"] = "grant the token `read:user`, or set LOOM_STATE_KEY, so that Loom knows its own comments"
    return Profile(caps=caps, limits=_LIMITS, server_version=version, login=login, missing=missing)
