"""What a GitLab server in its version, and a token with its scopes and role, can do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from loom.platforms import gitlab_wire as wire
from loom.platforms.answers import items, number_or_none, text_or_none
from loom.platforms.base import AuthError, Cap, DeniedError, Limits, MissingError, PlatformError, Profile, RejectedError
from loom.platforms.http import Api, Setup
from loom.platforms.values import Token

_READING = Cap.HTML_MARKER | Cap.DETAILS_TAG | Cap.RAW_DIFF
_WRITING = (
    Cap.BATCH_REVIEW | Cap.MULTILINE | Cap.OLD_SIDE | Cap.CONTEXT_LINES | Cap.FILE_COMMENT | Cap.SUGGESTIONS
    | Cap.EDIT_COMMENT | Cap.RESOLVE | Cap.DELETE_COMMENT | Cap.REACTIONS | Cap.APPROVE | Cap.REQUEST_CHANGES
    | Cap.COMMIT_STATUS | Cap.ACCESS_LOOKUP
)  # fmt: skip
# A note may have 1,000,000 characters (https://docs.gitlab.com/administration/instance_limits/); nobody reads that.
_LIMITS = Limits(comment=65_000, summary=200_000)

_SINCE: Mapping[Cap, tuple[int, int]] = {Cap.FILE_COMMENT: (16, 4), Cap.REQUEST_CHANGES: (19, 2)}
_DEVELOPER = 30
_NEEDS_DEVELOPER = (Cap.RESOLVE, Cap.APPROVE, Cap.REQUEST_CHANGES, Cap.COMMIT_STATUS)
_HOW = "make a project access token with scope `api` and role Developer, as the CI variable LOOM_GITLAB_TOKEN"


def is_job_token(token: Token | None) -> bool:
    """Whether this is a CI job's own token, which may read merge requests and notes, and write nothing
    (https://docs.gitlab.com/ci/jobs/ci_job_token/)."""
    return token is not None and (token.variable == "CI_JOB_TOKEN" or token.value.startswith("glcbt-"))


def headers(token: Token | None) -> dict[str, str]:
    """The token in GitLab's way: a job's own, an OAuth token (64 hex digits, or a JWT), else a personal, project or
    group access token."""
    if token is None:
        return {}
    if is_job_token(token):
        return {"job-token": token.value}
    oauth = re.fullmatch(r"[0-9a-f]{64}|gloas-.+|eyJ.+", token.value)
    return {"authorization": f"Bearer {token.value}"} if oauth else {"private-token": token.value}


def before_asking(token: Token | None) -> Profile:
    """What every version and such a token can do."""
    return Profile(caps=_READING if token is None or is_job_token(token) else _READING | _WRITING, limits=_LIMITS)


async def probe(setup: Setup, api: Api, project: str) -> tuple[Profile, int | None]:
    """The profile, and the id of the token's user where GitLab tells. Raises AuthError, DownError."""
    if setup.token is None or is_job_token(setup.token):
        what = "the job's own CI_JOB_TOKEN may only read" if setup.token else "there is no token"
        version = setup.server_version
        return _profile(version, None, _WRITING, f"{what}: {_HOW}", level=None), None
    user, told, about, scopes = await asyncio.gather(
        asked(api, "user"),
        asked(api, "version" if setup.server_version is None else None),
        asked(api, project),
        asked(api, "personal_access_tokens/self"),
    )
    granted = items(scopes, "scopes")
    lost = _WRITING if granted and "api" not in granted else Cap(0)
    profile = _profile(
        setup.server_version or text_or_none(told, "version"),
        text_or_none(user, "username"),
        lost,
        f"the token lacks the scope `api`: {_HOW}",
        level=wire.access_level(about),
    )
    return profile, number_or_none(user, "id")


def _profile(version: str | None, login: str | None, lost: Cap, why: str, *, level: int | None) -> Profile:
    known = wire.version_of(version)
    missing = {"write": why} if lost else {}
    caps = _READING
    for cap in _WRITING & ~lost:
        name, since = (cap.name or "").lower(), _SINCE.get(cap)
        if since is not None and known is not None and known < since:
            missing[name] = f"needs GitLab {since[0]}.{since[1]}; this is {version}"
        elif cap in _NEEDS_DEVELOPER and level is not None and level < _DEVELOPER:
            missing[name] = "give the token's user the role Developer in the project"
        else:
            caps |= cap
    return Profile(caps=caps, limits=_LIMITS, server_version=version, login=login, missing=missing)


def explained(error: PlatformError, token: Token | None) -> PlatformError:
    """The refusal of a write in words that help with a job's own token, which GitLab refuses with 401, 403 or 404."""
    if not is_job_token(token) or not isinstance(error, (AuthError, DeniedError)):
        return error
    return DeniedError(error.message, hint=f"the job's own token may only read: {_HOW}", status=403, said=error.said)


async def asked(api: Api, path: str | None) -> object:
    """Something that is good to know and that not every token may ask; None where it may not."""
    if path is None:
        return None
    try:
        return (await api.get(path)).json
    except (DeniedError, MissingError, RejectedError):
        return None
