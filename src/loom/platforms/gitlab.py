"""GitLab, gitlab.com and self-managed (facts and their sources: docs/gitlab.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from loom.core.result import Action
from loom.infra.text import code_fence, one_line
from loom.platforms import gitlab_probe
from loom.platforms import gitlab_wire as wire
from loom.platforms.answers import flag, number_or_none, text_or_none
from loom.platforms.base import AuthError, DeniedError, MissingError, PlatformError, RejectedError
from loom.platforms.gitlab_read import GitLabReader
from loom.platforms.gitlab_review import Item
from loom.platforms.values import (
    Access,
    Comment,
    Draft,
    Posted,
    PullRequest,
    Status,
    StatusState,
    Thread,
    Verdict,
)

_MOST_SUGGESTED = 100
"""Lines above the anchor that a suggestion may replace."""
_STATES: Mapping[StatusState, str] = {
    "pending": "pending", "success": "success", "failure": "failed", "error": "failed", "neutral": "skipped",
}  # fmt: skip
_AWARDS = {"eyes": "eyes", "+1": "thumbsup", "-1": "thumbsdown"}
_SAME_STATE = re.compile(r"Cannot transition status via :(?:enqueue from :pending|run from :running)")


class GitLab(GitLabReader):
    """One merge request, to be read and written to."""

    # -- publishing ---------------------------------------------------------------------------------------------------

    @property
    def actions(self) -> Sequence[Action]:
        """See base."""
        return self._api.actions

    async def discard_pending(self, pr: PullRequest) -> int:
        """See base. A person's drafts stay, and never stand in the way: they are not published."""
        try:
            drafts = await self._notes.drafts()
        except MissingError:
            return 0  # a server older than draft notes
        ours = [number_or_none(draft, "id") for draft in drafts if self._notes.is_ours(draft)]
        for draft in ours:
            await self._notes.drop(draft or 0)
        return len(ours)

    async def post_review(self, pr: PullRequest, drafts: Sequence[Draft], body: str, verdict: Verdict) -> list[Posted]:
        """See base. A review has no text of its own on GitLab: `body` is not posted, the summary says the same. The
        approval comes first, as it is bound to the head and the comments are not."""
        refs = await self._refs_of(pr)
        if verdict == "approve":
            await self._approve(pr)
        lines = await self._diffs.counters(pr) if any(d.anchor.start_line is not None for d in drafts) else {}
        items_ = [self._item(draft, refs, lines) for draft in drafts]
        state = "requested_changes" if verdict == "request_changes" else None
        return await self._notes.review(items_, state) if items_ or state else []

    async def post_single(self, pr: PullRequest, draft: Draft) -> Posted:
        """See base."""
        refs = await self._refs_of(pr)
        lines = await self._diffs.counters(pr) if draft.anchor.start_line is not None else {}
        return await self._notes.single(self._item(draft, refs, lines))

    async def create_comment(self, pr: PullRequest, body: str) -> Comment:
        """See base. A note, not a discussion: nobody has to resolve it before the merge."""
        reply = await self._notes.say("notes", {"body": body})
        return wire.comment(reply.json, self._me)

    async def edit_comment(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """See base."""
        reply = await self._change("PUT", f"notes/{thread.comments[0].id}", {"body": body})
        return wire.comment(reply, self._me)

    async def reply(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """See base. An answer to a general comment would turn it into a thread that has to be resolved."""
        if thread.path is None and not thread.resolvable:
            return await self.create_comment(pr, body)
        try:
            reply = await self._notes.say(f"discussions/{thread.id}/notes", {"body": body})
        except DeniedError as error:
            raise _gone(error) from error
        return wire.comment(reply.json, self._me)

    async def resolve(self, pr: PullRequest, thread: Thread) -> None:
        """See base."""
        await self._change("PUT", f"discussions/{thread.id}", {"resolved": True})

    async def minimise(self, pr: PullRequest, thread: Thread) -> None:
        """GitLab cannot (Cap.MINIMISE is never there)."""
        raise RejectedError("GitLab has no way to fold a comment away", hint="resolve the thread instead")

    async def delete_comment(self, pr: PullRequest, thread: Thread) -> None:
        """See base."""
        try:
            await self._change("DELETE", f"notes/{thread.comments[0].id}", None)
        except MissingError:
            return  # gone already

    async def react(self, comment_id: str, emoji: str, *, inline: bool) -> None:
        """See base."""
        award = {"name": _AWARDS.get(emoji, emoji)}
        try:
            await self._api.send("POST", f"{self._mr}/notes/{comment_id}/award_emoji", award)
        except (DeniedError, RejectedError) as error:
            if "already been taken" not in error.said:  # answered with 404
                raise

    async def set_status(self, pr: PullRequest, status: Status) -> list[Posted]:
        """See base: on the head, in the project it lives in, and in its pipeline where there is one: without, GitLab
        would make a pipeline of its own for it."""
        if pr.fork and self._source is None:
            raise DeniedError("the head's project is gone: there is nothing to set a status on")
        project = f"projects/{self._source}" if pr.fork else self._project
        pipeline = self._pipeline if not pr.fork and self._pipeline else await self._pipeline_of(project, pr.head_sha)
        body: dict[str, object] = {
            "state": _STATES[status.state],
            "name": "loom",
            "description": one_line(status.title, 255),
        }
        body |= {"pipeline_id": pipeline} if pipeline is not None else {"ref": pr.source_branch}
        if status.url is not None and len(status.url) <= 255:
            body["target_url"] = status.url
        try:
            await self._api.send("POST", f"{project}/statuses/{pr.head_sha}", body)
        except RejectedError as error:
            if not _SAME_STATE.search(error.said):
                raise
        why = "GitLab shows no notes with a status"
        return [Posted(fingerprint=note.fingerprint, ok=False, why=why) for note in status.notes]

    # -- policy and text ----------------------------------------------------------------------------------------------

    async def access_of(self, user: str) -> Access:
        """See base: direct and inherited memberships, by the exact name."""
        pages = await self._api.pages(f"{self._project}/members/all", {"query": user, "per_page": 100})
        levels = [
            number_or_none(member, "access_level") or 0
            for member in pages.items
            if (text_or_none(member, "username") or "").lower() == user.lower()
            and text_or_none(member, "state") in ("active", None)
        ]
        return wire.access(max(levels, default=0))

    def hide(self, marker: str) -> str:
        """See base."""
        return f"<!-- {marker} -->"

    def suggestion(self, draft: Draft) -> str:
        """See base. The lines are counted from the anchor, which is the last one. Text that must be changed to be safe
        to post (a line like a quick action) cannot be offered to commit."""
        if draft.suggestion is None:
            return ""
        content, anchor = draft.suggestion, draft.anchor
        above = (anchor.line or 0) - (anchor.start_line or anchor.line or 0)
        info = f"suggestion:-{above}+0"
        block = code_fence(content, info) if content else f"```{info}\n```"
        fits = anchor.side == "new" and anchor.line is not None and 0 <= above <= _MOST_SUGGESTED
        return block if fits and (not content or f"\n{content}\n" in block) else code_fence(content)

    def permalink(self, pr: PullRequest, path: str, line: int | None, end_line: int | None) -> str:
        """See base."""
        lines = f"#L{line}" + (f"-{end_line}" if end_line and end_line > line else "") if line else ""
        return f"{self._web()}/-/blob/{pr.head_sha}/{quote(path, errors='surrogateescape')}{lines}"

    async def aclose(self) -> None:
        """See base: the connections are the network's, whoever made it closes it."""

    def _item(self, draft: Draft, refs: wire.Refs, lines: Mapping[str, wire.Counters]) -> Item:
        mark = self.hide(draft.marker)
        blocks = [draft.body, self.suggestion(draft) if draft.suggestion is not None else "", mark]
        place = wire.position(draft.anchor, refs, lines.get(draft.anchor.path))
        body = "\n\n".join(block for block in blocks if block)
        return Item(fingerprint=draft.fingerprint, body=body, mark=mark, place=place)

    async def _change(self, method: str, path: str, body: object) -> object:
        """Change something of the merge request that was there. Raises MissingError where it is not any more."""
        try:
            return (await self._api.send(method, f"{self._mr}/{path}", body)).json
        except DeniedError as error:
            raise _gone(error) from error

    async def _approve(self, pr: PullRequest) -> None:
        """Approve this head. Raises StaleError where it moved, DeniedError where this user may not."""
        try:
            await self._api.send("POST", f"{self._mr}/approve", {"sha": pr.head_sha})
        except (AuthError, DeniedError) as error:  # 401: not eligible, or approved already
            approvals = await gitlab_probe.asked(self._api, f"{self._mr}/approvals")
            if flag(approvals, "user_has_approved"):
                return
            hint = "the author of a merge request may not approve it, nor may roles below Developer"
            raise DeniedError(error.message, hint=hint, status=error.status, said=error.said) from error

    async def _pipeline_of(self, project: str, sha: str) -> int | None:
        try:
            found = (await self._api.get(f"{project}/repository/commits/{sha}")).json
        except (AuthError, DeniedError, MissingError):
            return None
        return number_or_none(found, "last_pipeline", "id")


def _gone(error: DeniedError) -> PlatformError:
    """A write on something that was there: a 404 says that it is gone."""
    if error.status != 404:
        return error
    return MissingError(error.message, hint="somebody deleted it", status=404, said=error.said)
