"""What a GitLab server knows and by which rules it lives: scopes, roles, the job token that may only read, lines that
have to be named exactly, draft notes that nobody checks, and quick actions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from loom.platforms.values import Project
from support.forge.contract import Contract
from support.forge.core import Credential, Forge, Pull, Said, User
from support.forge.diffs import DiffFile
from support.forge.gitlab_places import code_of, file_of, range_is_sound
from support.forge.server import RefusedError, Request, Response

PROJECT_ID = 11
LEVELS = {"none": 0, "read": 20, "write": 30, "admin": 50}
BAD_LINE = '400 Bad request - Note {:line_code=>["can\'t be blank", "must be a valid line code"]}'
_COMMAND = re.compile(r"^/([a-z_]+)(?: .*)?$", re.MULTILINE)
_JOB_MAY = re.compile(
    r"/api/v4/projects/[^/]+(?:/merge_requests(?:/\d+(?:/notes(?:/\d+)?)?)?"
    r"|/repository/(?:commits/.*|files/[^/]+/raw))?"
)


@dataclass(slots=True)
class DraftNote:
    """An unpublished comment."""

    id: int
    pull: int
    author: User
    note: str
    position: dict[str, Any] | None


@dataclass(slots=True)
class Quirks:
    """How this server differs from the newest one in its usual mood."""

    version: str = "19.3.0-ee"
    raw_diffs: bool = True
    draft_notes: bool = True
    ranges: bool = True
    """Whether `line_range` is taken at all."""
    codes: bool = True
    """Whether draft notes tell their `line_code`."""
    preparing: int = 0
    """How many more looks at a merge request find its diff not ready."""
    collapsed: set[str] = field(default_factory=set)
    """Paths whose lines are left out of diffs."""
    says_too_large: bool = True
    """Whether it admits that (gitlab#544924)."""
    most_files: int = 1000
    clock: Callable[[], float] | None = None
    """With a clock, more than 60 notes a minute are refused."""


class GitLabState:
    """One project on one server: what is there, and the rules of what may be added."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.quirks = Quirks()
        self.drafts: list[DraftNote] = []
        self.approvals: dict[int, set[str]] = {}
        self.states: list[tuple[int, str, str]] = []
        """(pull, login, reviewer state)."""
        self.commands: list[str] = []
        """Quick actions that were carried out."""
        self.pipelines: dict[str, int] = {}
        """Commit -> its last pipeline."""
        self._refs: dict[tuple[int, str], dict[str, str]] = {}
        self._noted: list[float] = []
        self.contract = Contract(
            "gitlab.json",
            multi=(),
            skip=lambda entry: (
                "/personal_access_tokens/self" in entry.request.path
                or bool(re.search(r"/repository/commits/[0-9a-f]+/merge_requests", entry.request.path))
            ),  # trimmed away
            allow=("Missing required query parameter: refs",),  # `refs[]`, as GitLab's own documents write it
            answers=False,  # its answers are under-typed (see the data's README)
        )

    # -- what the rig wants -------------------------------------------------------------------------------------------

    def full_token(self) -> str:
        return self.forge.add_token(api="write")

    def reading_token(self) -> str:
        return self.forge.add_token(api="read")

    def job_token(self) -> str:
        return self.forge.add_token(kind="job", api="read")

    def project(self, url: str) -> Project:
        return Project(platform="gitlab", api_url=f"{url}/api/v4", web_url=url, repo=self.forge.name)

    def clone_path(self) -> str:
        return f"/{self.forge.name}.git"

    def error(self, status: int) -> Any:
        names = {400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
                 422: "Unprocessable", 429: "Too Many Requests", 502: "Bad Gateway"}  # fmt: skip
        return {"message": f"{status} {names.get(status, 'Internal Server Error')}"}

    # -- who asks -----------------------------------------------------------------------------------------------------

    def who(self, request: Request) -> Credential:
        given = [request.headers.get(name) for name in ("private-token", "job-token", "authorization")]
        if not any(given):
            raise RefusedError(404, {"message": "404 Project Not Found"})  # a private project
        credential = self.forge.tokens.get(request.token or "")
        if credential is None or (credential.kind == "job") != (given[1] is not None):
            raise RefusedError(401, {"message": "401 Unauthorized"})
        if credential.kind == "job":
            if request.method != "GET" or not _JOB_MAY.fullmatch(request.path):
                raise RefusedError(403, {"message": "403 Forbidden"})
        elif not credential.may("api", "read" if request.method == "GET" else "write"):
            said = "The request requires higher privileges than provided by the access token."
            raise RefusedError(403, {"error": "insufficient_scope", "error_description": said, "scope": "api"})
        return credential

    def may_see(self, project: str) -> None:
        known = {str(PROJECT_ID), self.forge.name} | {str(self.source_id(p)) for p in self.forge.pulls.values()}
        if project not in known:
            raise RefusedError(404, {"message": "404 Project Not Found"})

    def level(self, who: Credential | str) -> int:
        return LEVELS[self.forge.role_of(who if isinstance(who, str) else who.user.login)]

    def source_id(self, pull: Pull) -> int | None:
        """The project of the head."""
        return None if pull.source_repo is None else 900 + pull.number if pull.fork else PROJECT_ID

    def pull(self, number: str) -> Pull:
        found = self.forge.pulls.get(int(number))
        if found is None:
            raise RefusedError(404, {"message": "404 Not found"})
        return found

    # -- facts --------------------------------------------------------------------------------------------------------

    def refs(self, pull: Pull, head: str | None = None) -> dict[str, str]:
        """base, start and head of a version; they stay what they were when it was seen first."""
        key = (pull.number, head or pull.head)
        if key not in self._refs:
            base = self.forge.repo.git("merge-base", self.forge.tip(pull.target), key[1])
            start = self.forge.tip(pull.target)
            self._refs[key] = {"base_sha": base, "start_sha": start, "head_sha": key[1]}
        return self._refs[key]

    @staticmethod
    def user(user: User) -> dict[str, Any]:
        return {"id": user.id, "username": user.login, "name": user.login, "state": "active", "web_url": ""}

    def note_json(self, said: Said) -> dict[str, Any]:
        talk = self.forge.find_talk(said.thread)
        found: dict[str, Any] = {
            "id": said.id, "type": None if talk is None else "DiffNote", "body": said.body,
            "author": self.user(said.author), "created_at": said.created, "updated_at": said.updated,
            "system": bool(said.extra.get("system")), "noteable_type": "MergeRequest", "resolvable": talk is not None,
        }  # fmt: skip
        if talk is not None:
            by = self.forge.users.get(talk.resolved_by or "")
            found |= {"resolved": talk.resolved, "resolved_by": self.user(by) if by else None}
            position = talk.extra.get("position")
            if position is not None:
                moved = position if talk.outdated else {**position, **self.refs(self.forge.pulls[said.pull])}
                found["position"] = {"old_line": None, "new_line": None, "line_range": None, **moved}
        return found

    def discussion_json(self, notes: list[Said]) -> dict[str, Any]:
        alone = notes[0].thread is None
        return {
            "id": self.discussion_id(notes[0]), "individual_note": alone, "notes": [self.note_json(s) for s in notes],
        }  # fmt: skip

    @staticmethod
    def discussion_id(said: Said) -> str:
        name = f"note {said.id}" if said.thread is None else f"thread {said.thread}"
        return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()

    def discussions(self, pull: Pull) -> list[list[Said]]:
        """The notes of a merge request, by discussion, oldest first."""
        groups: dict[str, list[Said]] = {}
        for said in self.forge.said:
            if said.pull == pull.number and not said.deleted:
                groups.setdefault(self.discussion_id(said), []).append(said)
        return list(groups.values())

    def find_discussion(self, pull: Pull, id_: str) -> list[Said]:
        found = next((notes for notes in self.discussions(pull) if self.discussion_id(notes[0]) == id_), None)
        if found is None:
            raise RefusedError(404, {"message": "404 Discussion Not Found"})
        return found

    def find_note(self, pull: Pull, id_: str) -> Said:
        found = self.forge.find_said(int(id_))
        if found is None or found.pull != pull.number:
            raise RefusedError(404, {"message": "404 Not found"})
        return found

    def paged(self, request: Request, found: Iterable[Any], *, most: int = 100) -> Response:
        """A page, with the headers that lead to the next one."""
        every = list(found)
        size, page = min(int(request.query.get("per_page", 20)), most), int(request.query.get("page", 1))
        pages = max(1, -(-len(every) // size))

        def link(number: int, rel: str) -> str:
            bare = request.target.partition("?")[0]
            host = request.headers.get("host", "")
            query = urlencode({**request.query, "page": number, "per_page": size})
            return f'<http://{host}{bare}?{query}>; rel="{rel}"'

        links = [link(1, "first"), link(pages, "last")] + ([link(page + 1, "next")] if page < pages else [])
        headers = {
            "Link": ", ".join(links), "X-Next-Page": str(page + 1) if page < pages else "",
            "X-Total": str(len(every)), "X-Total-Pages": str(pages),
        }  # fmt: skip
        return Response(200, every[(page - 1) * size : page * size], headers)

    # -- saying -------------------------------------------------------------------------------------------------------

    def limit(self) -> None:
        """Sixty notes a minute."""
        if self.quirks.clock is None:
            return
        now = self.quirks.clock()
        self._noted = [at for at in self._noted if at > now - 60]
        if len(self._noted) >= 60:
            raise RefusedError(429, {"message": {"error": "This endpoint has been requested too many times."}},
                               {"Retry-After": str(int(60 - (now - self._noted[0])) + 1)})  # fmt: skip
        self._noted.append(now)

    def heard(self, body: str) -> str:
        """The text without its quick actions, which are carried out, wherever a line begins with one."""
        if "\0" in body:
            raise RefusedError(400, {"error": "body contains null byte"})
        self.commands += [match[1] for match in _COMMAND.finditer(body)]
        return _COMMAND.sub("", body).strip()

    def place(self, pull: Pull, position: dict[str, Any]) -> str | None:
        """Check a position as publishing does; its line code. Raises RefusedError."""
        bad = RefusedError(400, {"message": BAD_LINE})
        names = ("base_sha", "start_sha", "head_sha")
        refs = self.refs(pull, position["head_sha"]) if position["head_sha"] in pull.heads else None
        if refs is None or any(position[name] != refs[name] for name in names):
            raise bad
        diff = self.forge.diff_between(refs["base_sha"], refs["head_sha"])
        if position["position_type"] == "file":
            if self.at_least(16, 4) and file_of(diff, position) is not None and "new_line" not in position:
                return None
            raise bad
        code = code_of(diff, position)
        ranged = position.get("line_range") is not None
        if code is None or (ranged and not (self.quirks.ranges and range_is_sound(diff, position))):
            raise bad
        return code

    def at_least(self, *version: int) -> bool:
        return tuple(int(part) for part in self.quirks.version.partition("-")[0].split(".")[:2]) >= version

    def publish(self, draft: DraftNote) -> None:
        """Make a draft a discussion. Raises RefusedError (500) for one in a wrong place."""
        pull = self.forge.pulls[draft.pull]
        try:
            self.start(pull, draft.author, draft.note, draft.position)
        except RefusedError:
            raise RefusedError(500, {"message": "500 Internal Server Error"}) from None
        self.drafts.remove(draft)

    def start(self, pull: Pull, author: User, body: str, position: dict[str, Any] | None) -> Said:
        """A new discussion."""
        if position is not None:
            self.place(pull, position)
        text = self.heard(body)
        new, old = (position or {}).get("new_line"), (position or {}).get("old_line")
        ends = (position or {}).get("line_range")
        talk = self.forge.start_talk(
            pull.number,
            (position or {}).get("new_path", ""),
            "old" if new is None and old is not None else "new",
            new if new is not None else old,
            start_line=(ends["start"].get("new_line") or ends["start"].get("old_line")) if ends else None,
            commit=(position or {}).get("head_sha", ""),
        )
        talk.extra["position"] = position
        return self.forge.say(pull.number, author, text, talk=talk)

    def draft_json(self, draft: DraftNote) -> dict[str, Any]:
        pull = self.forge.pulls[draft.pull]
        code = None
        if draft.position is not None and draft.position.get("position_type") == "text" and self.quirks.codes:
            diff = self.forge.diff_between(*(self.refs(pull)[name] for name in ("base_sha", "head_sha")))
            code = code_of(diff, draft.position)
        return {
            "id": draft.id, "author_id": draft.author.id, "merge_request_id": draft.pull, "note": draft.note,
            "resolve_discussion": False, "discussion_id": None, "commit_id": None, "line_code": code,
            "position": draft.position or {"position_type": "text", "new_path": None, "old_path": None},
        }  # fmt: skip

    def drafts_of(self, pull: Pull, who: Credential) -> list[DraftNote]:
        if not self.quirks.draft_notes:
            raise RefusedError(404, {"error": "404 Not Found"})
        return [draft for draft in self.drafts if (draft.pull, draft.author) == (pull.number, who.user)]

    def find_draft(self, pull: Pull, who: Credential, id_: str) -> DraftNote:
        found = next((draft for draft in self.drafts_of(pull, who) if draft.id == int(id_)), None)
        if found is None:
            raise RefusedError(404, {"message": "404 Draft note not found"})
        return found

    def raw_of(self, file: DiffFile) -> bytes:
        """A file's section of the raw diff."""
        return file.raw.partition(b"\n--- ")[0] + b"\n" if file.path in self.quirks.collapsed else file.raw

    def entry_json(self, file: DiffFile) -> dict[str, Any]:
        out = file.path in self.quirks.collapsed
        binary = file.patch is None and b"Binary files" in file.raw
        diff = f"Binary files a/{file.old_path} and b/{file.path} differ\n" if binary else f"{file.patch or ''}\n"
        return {
            "old_path": file.old_path, "new_path": file.path, "a_mode": file.old_mode.lstrip("0") or "0",
            "b_mode": file.new_mode.lstrip("0") or "0", "new_file": file.status == "A",
            "renamed_file": file.status == "R", "deleted_file": file.status == "D", "generated_file": False,
            "diff": "" if out or (file.patch is None and not binary) else diff,
            "collapsed": out and self.quirks.says_too_large, "too_large": False,
        }  # fmt: skip
