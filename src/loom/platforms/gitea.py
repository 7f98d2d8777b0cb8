"""Gitea and Forgejo, which began as a copy of it: one API, and a few differences by version."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from loom.core.change import Unread
from loom.core.errors import SourceError
from loom.core.marker import Marker
from loom.core.result import Action
from loom.infra.parse_diff import parse
from loom.infra.text import code_fence, one_line
from loom.platforms import gitea_values as values
from loom.platforms.answers import items, number, number_or_none, text_or_none
from loom.platforms.base import Cap, DeniedError, MissingError, Profile, RejectedError
from loom.platforms.gitea_lists import Lists
from loom.platforms.gitea_profile import BEFORE, HOW_TO_RESOLVE, Server, profile
from loom.platforms.gitea_review import Reviews
from loom.platforms.gitea_values import Me, Place
from loom.platforms.http import Api, Setup
from loom.platforms.values import (
    Access,
    Comment,
    Draft,
    PlatformDiff,
    Posted,
    PullRequest,
    Status,
    Thread,
    Verdict,
)

_ROLES: Mapping[str, Access] = {"none": "none", "read": "read", "write": "write", "admin": "admin", "owner": "admin"}
_EVENTS: Mapping[Verdict, str] = {"comment": "COMMENT", "approve": "APPROVED", "request_changes": "REQUEST_CHANGES"}
_DIFF_BYTES = 32 << 20
_FILE_BYTES = 5 << 20
_UNKNOWN_ROUTE = (404, 405)


class Gitea:
    """One pull request on a Gitea or Forgejo server."""

    def __init__(self, setup: Setup) -> None:
        token = setup.token
        self._setup = setup
        self._project = setup.project
        self._api = Api(setup, {"authorization": f"token {token.value}"} if token is not None else {})
        self._repo = f"repos/{_quoted(setup.project.repo)}"
        self._lists = Lists(self._api, self._repo)
        self._me = Me(repo=setup.project.repo, number=setup.number)
        self._reviews = Reviews(self._api, self._lists, self._repo, self._me)
        self._owner: str | None = None
        self._places: dict[str, Place] = {}
        self._server = Server(setup.project.platform == "forgejo")
        self.profile = BEFORE

    # -- reading ------------------------------------------------------------------------------------------------------

    async def probe(self) -> Profile:
        """See base.Reader."""
        said, user, repo = await asyncio.gather(self._version(), self._user(), self._repository())
        self._me = self._reviews.me = replace(self._me, id=number_or_none(user, "id"))
        self._owner = text_or_none(repo, "owner", "login")
        version = said or self._setup.server_version
        self._server = Server.of(version, platform=self._project.platform)
        self.profile = profile(self._server, version, text_or_none(user, "login"), repo)
        return self.profile

    async def pull_request(self) -> PullRequest:
        """See base.Reader."""
        number_ = self._setup.number
        found, said = await asyncio.gather(self._api.get(f"{self._repo}/pulls/{number_}"), self._lists.said(number_))
        return values.pull_request(found.json, values.counted(*said) if said is not None else None)

    async def diff(self, pr: PullRequest) -> PlatformDiff:
        """See base.Reader. The server's diff starts at the merge base, and is not cut."""
        path = f"{self._pull(pr)}.diff"
        try:
            raw = await self._api.raw(path, "text/plain", {"binary": "false"}, limit=_DIFF_BYTES)
            parsed = parse(raw)
        except (RejectedError, SourceError) as error:
            names = await self._lists.changed(pr.number)
            unread = tuple(Unread(name, error.message) for name in names) or (Unread(None, error.message),)
            return PlatformDiff(files=(), unread=unread, source="files")
        unread = parsed.unread
        if pr.changed_files is not None and len(parsed.files) + len(unread) < pr.changed_files:
            there = {f.path for f in parsed.files} | {u.path for u in unread}
            unread += tuple(
                Unread(p, "not in the server's diff") for p in await self._lists.changed(pr.number) if p not in there
            )
        return PlatformDiff(files=parsed.files, unread=unread, source="raw")

    async def file(self, path: str, ref: str, *, fork: bool = False) -> bytes | None:
        """See base.Reader. The target repository has the commits of a fork's pull request, too."""
        try:
            found = (await self._api.get(f"{self._repo}/contents/{_quoted(path)}", {"ref": ref})).json
        except MissingError:
            return None
        size = number_or_none(found, "size")
        if text_or_none(found, "type") != "file" or size is None or size > _FILE_BYTES:
            return None
        try:
            content = base64.b64decode(text_or_none(found, "content") or "", validate=True)
        except binascii.Error:
            content = b""
        if len(content) == size:
            return content
        raw = f"{self._repo}/raw/{_quoted(path)}"
        return await self._api.raw(raw, "application/octet-stream", {"ref": ref}, limit=_FILE_BYTES)

    async def names(self, folder: str, ref: str) -> tuple[str, ...]:
        """See base.Lister."""
        place = "contents" if folder in ("", ".") else f"contents/{_quoted(folder)}"
        try:
            found = (await self._api.get(f"{self._repo}/{place}", {"ref": ref})).json
        except MissingError:
            return ()
        return tuple(name for entry in items(found) if (name := text_or_none(entry, "name")))

    async def threads(self, pr: PullRequest) -> tuple[Thread, ...]:
        """See base.Reader."""
        general, reviews = await asyncio.gather(self._lists.general(pr.number), self._lists.reviews(pr.number))
        inline = await self._lists.inline(pr.number, reviews)
        found = values.inline_threads(inline, self._me, resolvable=Cap.RESOLVE in self.profile.caps)
        self._places = {thread.id: place for thread, place in found}
        said = await asyncio.gather(*(self._with_reactions(thread) for thread, _ in found))
        everything = [*said, *values.general_threads(general, reviews, self._me)]
        return tuple(sorted(everything, key=lambda t: (t.comments[0].created_at, len(t.id), t.id)))

    async def merge_base(self, base: str, head: str) -> str | None:
        """See base.Reader. Only the pull request itself says it (`PullRequest.merge_base`)."""
        return None

    async def pr_of_commit(self, sha: str) -> int | None:
        """See base.Reader. The list of open ones is searched: to ask for a commit's is possible once it is merged."""
        for found in await self._lists.open_pulls():
            if text_or_none(found, "head", "sha") == sha:
                return number(found, "number")
        return None

    def clone_url(self) -> str:
        """See base.Reader."""
        return f"{self._project.web_url}/{_quoted(self._project.repo)}.git"

    def git_credential(self) -> tuple[str, str] | None:
        """See base.Reader. Where the password is a token, any user name will do."""
        return (self.profile.login or "x-access-token", self._setup.token.value) if self._setup.token else None

    # -- writing ------------------------------------------------------------------------------------------------------

    async def discard_pending(self, pr: PullRequest) -> int:
        """See base.Publisher."""
        return await self._reviews.discard(pr)

    async def post_review(self, pr: PullRequest, drafts: Sequence[Draft], body: str, verdict: Verdict) -> list[Posted]:
        """See base.Publisher."""
        if not drafts and not body and verdict == "comment":
            return []
        found = await self._reviews.post(pr, [self._as_comment(draft) for draft in drafts], body, _EVENTS[verdict])
        self._know(found[0] if found else None)
        ids = {mark.fingerprint: text_or_none(raw, "id") for raw in found if (mark := self._marked(raw)) is not None}
        return [
            Posted(fingerprint=(fp := d.fingerprint), ok=True, comment_id=ids.get(fp), thread_id=ids.get(fp))
            for d in drafts
        ]

    async def post_single(self, pr: PullRequest, draft: Draft) -> Posted:
        """See base.Publisher. A single comment is a review of one."""
        return (await self.post_review(pr, [draft], "", "comment"))[0]

    async def create_comment(self, pr: PullRequest, body: str) -> Comment:
        """See base.Publisher."""
        made = await self._api.send("POST", f"{self._repo}/issues/{pr.number}/comments", {"body": body})
        self._know(made.json)
        return values.comment(made.json, self._me)

    async def edit_comment(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """See base.Publisher."""
        path = f"{self._repo}/issues/comments/{thread.comments[0].id}"
        made = await self._api.send("PATCH", path, {"body": body})
        if made.json is None:  # 204: "comment type not supported", and nothing was changed
            raise RejectedError("the server does not let this comment be edited", status=made.status)
        return values.comment(made.json, self._me)

    async def reply(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """See base.Publisher. Gitea has a route for it since 1.27; Forgejo takes a comment into the same review; else
        it is a review of its own on the same line, which is shown in the same conversation."""
        if thread.path is None:
            return await self.create_comment(pr, body)
        root = thread.comments[0].id
        line = (thread.line or 1) * (1 if thread.side == "new" else -1)
        place = self._places.get(root) or Place(review=0, path=thread.path, line=line)
        path = f"{self._pull(pr)}/comments/{root}/replies"
        sent: dict[str, object] = {"body": body}
        if self._server.forgejo:
            path, sent = f"{self._pull(pr)}/reviews/{place.review}/comments", {"body": body, **place.fields()}
        if place.review and self._server.has_replies:
            try:
                made = await self._api.send("POST", path, sent)
            except (DeniedError, RejectedError) as error:
                if error.status not in _UNKNOWN_ROUTE:
                    raise
            else:
                return values.comment(made.json, self._me)
        found = await self._reviews.post(pr, [{"body": body, **place.fields()}], "", "COMMENT")
        return next(
            (values.comment(raw, self._me) for raw in found if text_or_none(raw, "body") == body),
            Comment(id="", body=body, author=self.profile.login or "", by_self=True, by_bot=False, created_at=""),
        )  # it was posted even where it could not be read again

    async def resolve(self, pr: PullRequest, thread: Thread) -> None:
        """See base.Publisher."""
        if Cap.RESOLVE not in self.profile.caps:
            raise DeniedError("this server cannot resolve conversations over its API", hint=HOW_TO_RESOLVE)
        try:
            await self._api.send("POST", f"{self._repo}/pulls/comments/{thread.comments[0].id}/resolve")
        except (DeniedError, RejectedError) as error:
            if error.status not in _UNKNOWN_ROUTE:
                raise
            self.profile = replace(self.profile, caps=self.profile.caps & ~Cap.RESOLVE)
            raise DeniedError(error.message, hint=HOW_TO_RESOLVE, status=error.status, said=error.said) from error

    async def minimise(self, pr: PullRequest, thread: Thread) -> None:
        """See base.Publisher; not here."""
        raise DeniedError("Gitea and Forgejo cannot fold a comment away")

    async def delete_comment(self, pr: PullRequest, thread: Thread) -> None:
        """See base.Publisher."""
        await self._reviews.delete(f"{self._repo}/issues/comments/{thread.comments[0].id}")

    async def react(self, comment_id: str, emoji: str, *, inline: bool) -> None:
        """See base.Publisher."""
        await self._api.send("POST", f"{self._repo}/issues/comments/{comment_id}/reactions", {"content": emoji})

    async def set_status(self, pr: PullRequest, status: Status) -> list[Posted]:
        """See base.Publisher. There is no neutral state; a warning is not green either."""
        sent = {
            "context": "loom",
            "state": "warning" if status.state == "neutral" else status.state,
            "description": one_line(status.title, 250),
            **({"target_url": status.url} if status.url else {}),
        }
        await self._api.send("POST", f"{self._repo}/statuses/{pr.head_sha}", sent)
        why = self.profile.missing.get("check_run")
        return [Posted(fingerprint=note.fingerprint, ok=False, why=why) for note in status.notes]

    @property
    def actions(self) -> Sequence[Action]:
        """See base.Publisher."""
        return self._api.actions

    # -- rights and text ----------------------------------------------------------------------------------------------

    async def access_of(self, user: str) -> Access:
        """See base.Policy. Only an administrator's token may ask for others; who owns the repository is public."""
        if self._owner is not None and self._owner.lower() == user.lower():
            return "admin"
        found = await self._api.get(f"{self._repo}/collaborators/{quote(user, safe='')}/permission")
        return _ROLES.get(text_or_none(found.json, "permission") or "", "unknown")

    def hide(self, marker: str) -> str:
        """See base.Text."""
        return f"<!-- {marker} -->"

    def suggestion(self, draft: Draft) -> str:
        """See base.Text."""
        return code_fence(draft.suggestion) if draft.suggestion is not None else ""

    def permalink(self, pr: PullRequest, path: str, line: int | None, end_line: int | None) -> str:
        """See base.Text."""
        lines = f"#L{line}" + (f"-L{end_line}" if end_line and end_line != line else "") if line else ""
        repo = f"{self._project.web_url}/{_quoted(self._project.repo)}"
        return f"{repo}/src/commit/{pr.head_sha}/{_quoted(path)}{lines}"

    async def aclose(self) -> None:
        """See base.Platform."""
        await self._setup.network.aclose()

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _version(self) -> str | None:
        """None where the server shows it to nobody without rights."""
        try:
            return text_or_none((await self._api.get("version")).json, "version")
        except DeniedError:
            return None

    async def _user(self) -> object:
        """Whose token it is; None where it may not ask (`read:user`). A refusal that is not about scopes can only be
        met by a job's own token, which has none: not every version shows that user."""
        if self._setup.token is None:
            return None
        try:
            return (await self._api.get("user")).json
        except (DeniedError, MissingError) as error:
            return None if "scope" in error.said else {"id": values.JOB_USER}

    async def _repository(self) -> object:
        try:
            return (await self._api.get(self._repo)).json
        except DeniedError:
            return None

    async def _with_reactions(self, thread: Thread) -> Thread:
        """The thread with what people think of its first comment, where that is one of Loom's: each costs a request."""
        root = thread.comments[0]
        if thread.resolved or self._me.marked(root.body) is None:
            return thread
        try:
            found = (await self._api.get(f"{self._repo}/issues/comments/{root.id}/reactions")).json
        except MissingError:  # deleted meanwhile
            return thread
        return replace(thread, comments=(replace(root, reactions=values.reactions(items(found))), *thread.comments[1:]))

    def _as_comment(self, draft: Draft) -> dict[str, object]:
        """A draft as a comment of a review. A range that the server cannot show stands on its last line."""
        anchor = draft.anchor
        if anchor.line is None:
            raise RejectedError("Gitea and Forgejo have no comments on whole files")
        first = anchor.line
        if anchor.start_line is not None and Cap.MULTILINE in self.profile.caps:
            first = anchor.start_line
        place = Place(
            review=0, path=anchor.path, line=first if anchor.side == "new" else -first, extra=anchor.line - first
        )
        parts = (draft.body, self.suggestion(draft), self.hide(draft.marker))
        return {"body": "\n\n".join(part for part in parts if part), **place.fields()}

    def _know(self, made: object) -> None:
        """What we wrote tells who we are, where the token may not ask."""
        if self._me.id is None:
            self._me = self._reviews.me = replace(self._me, id=number_or_none(made, "user", "id"))

    def _marked(self, raw: object) -> Marker | None:
        return self._me.marked(text_or_none(raw, "body") or "")

    def _pull(self, pr: PullRequest) -> str:
        return f"{self._repo}/pulls/{pr.number}"


def _quoted(path: str) -> str:
    """A path in an address, as the bytes that git knows."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")
