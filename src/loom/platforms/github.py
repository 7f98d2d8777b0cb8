"""Posting to GitHub. Reviews go over REST, which checks where comments stand; threads are settled over GraphQL, which
alone can (docs/github.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from loom.core import marker
from loom.core.result import Action
from loom.platforms import github_graphql, github_status
from loom.platforms.answers import text, text_or_none
from loom.platforms.base import Cap, DeniedError, MissingError, PlatformError, RejectedError, StaleError
from loom.platforms.github_read import GRANT, GitHubReader
from loom.platforms.github_threads import REVIEW, rest_comment
from loom.platforms.http import Setup
from loom.platforms.values import Comment, Draft, Posted, PullRequest, Status, Thread, Verdict

_EVENTS: Mapping[Verdict, str] = {"comment": "COMMENT", "approve": "APPROVE", "request_changes": "REQUEST_CHANGES"}
_VERDICT_CAPS: Mapping[Verdict, Cap] = {"approve": Cap.APPROVE, "request_changes": Cap.REQUEST_CHANGES}
# "GitHub Actions is not permitted to approve pull requests.", "Can not approve your own pull request",
# "Can not request changes on your own pull request"
_NO_VERDICT = re.compile(r"not permitted to approve|your own pull request|approve|request changes", re.IGNORECASE)
_MOVED = re.compile(r"commit[_ ]?id|no commit found|not part of the pull request", re.IGNORECASE)


class GitHub(GitHubReader):
    """One pull request, to be read and written to. See base.Publisher for what the methods promise."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._status = github_status.Poster(self._api, self._repo)

    @property
    def actions(self) -> Sequence[Action]:
        """See base.Publisher."""
        return self._api.actions

    async def discard_pending(self, pr: PullRequest) -> int:
        """See base.Publisher. Nobody but its author sees a pending review: what is there, this account left."""
        if self._talk is None:
            listed = await self._api.pages(f"{self._pull}/reviews", {"per_page": 100})
            pending = [
                (text(review, "id"), text_or_none(review, "body") or "")
                for review in listed.items
                if text_or_none(review, "state") == "PENDING"
            ]
        else:
            pending, self._talk.pending = self._talk.pending, []
        for id_, body in pending:
            review = f"{self._pull}/reviews/{id_}"
            if not _ours(body):
                said = await self._api.pages(f"{review}/comments", {"per_page": 100})
                if not any(_ours(text_or_none(comment, "body") or "") for comment in said.items):
                    raise RejectedError(
                        "a pending review of the same account stands in the way",
                        hint="submit or discard it on the pull request, or use a token of another account",
                        said="User can only have one pending review per pull request",
                        slug="platform-pending",
                    )
            await self._forgiving("DELETE", review)
        return len(pending)

    async def post_review(self, pr: PullRequest, drafts: Sequence[Draft], body: str, verdict: Verdict) -> list[Posted]:
        """See base.Publisher. A review takes comments on lines only; those on whole files follow one by one."""
        lines = [draft for draft in drafts if draft.anchor.line is not None]
        posted: dict[str, Posted] = {}
        if lines or body or verdict != "comment":
            review = await self._submit(pr, lines, body, verdict)
            posted = await self._found_again(review, lines)
        for draft in drafts:
            if draft.anchor.line is None:
                try:
                    posted[draft.fingerprint] = await self.post_single(pr, draft)
                except PlatformError as error:
                    posted[draft.fingerprint] = Posted(
                        fingerprint=draft.fingerprint, ok=False, why=error.said or str(error)
                    )
        return [posted[draft.fingerprint] for draft in drafts]

    async def _submit(self, pr: PullRequest, lines: Sequence[Draft], body: str, verdict: Verdict) -> object:
        payload = {
            "commit_id": pr.head_sha,
            "event": _EVENTS[verdict],
            "body": body,
            "comments": [{**_place(draft), "body": self._body(draft)} for draft in lines],
        }
        try:
            return (await self._api.send("POST", f"{self._pull}/reviews", payload)).json
        except RejectedError as error:
            self._check_moved(error)
            cap = _VERDICT_CAPS.get(verdict)
            if cap is None or not _NO_VERDICT.search(error.said):
                raise
            self._learn(cap, GRANT[cap])
            raise RejectedError(error.message, hint=GRANT[cap], status=error.status, said=error.said) from error

    async def _found_again(self, review: object, lines: Sequence[Draft]) -> dict[str, Posted]:
        """What the comments of the review just posted are called; posted they are in any case."""
        ids: dict[str, str] = {}
        id_ = text_or_none(review, "id")
        if lines and id_ is not None:
            try:
                said = await self._api.pages(f"{self._pull}/reviews/{id_}/comments", {"per_page": 100})
            except PlatformError:
                said = None
            for comment in said.items if said is not None else ():
                body = text_or_none(comment, "body") or ""
                mine = next((d for d in lines if d.fingerprint not in ids and d.marker in body), None)
                if mine is not None:
                    ids[mine.fingerprint] = rest_comment(comment, None, nodes=self._nodes).id
        return {
            d.fingerprint: Posted(fingerprint=d.fingerprint, ok=True, comment_id=ids.get(d.fingerprint)) for d in lines
        }

    async def post_single(self, pr: PullRequest, draft: Draft) -> Posted:
        """See base.Publisher."""
        payload = {**_place(draft), "commit_id": pr.head_sha, "body": self._body(draft)}
        if draft.anchor.line is None:
            payload["subject_type"] = "file"
        try:
            said = (await self._api.send("POST", f"{self._pull}/comments", payload)).json
        except RejectedError as error:
            self._check_moved(error)
            raise
        comment = rest_comment(said, None, nodes=self._nodes)
        return Posted(fingerprint=draft.fingerprint, ok=True, comment_id=comment.id)

    async def create_comment(self, pr: PullRequest, body: str) -> Comment:
        """See base.Publisher."""
        return await self._said("POST", f"{self._repo}/issues/{self._setup.number}/comments", body)

    async def edit_comment(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """See base.Publisher."""
        id_ = thread.comments[0].id
        if id_.startswith(REVIEW):
            return await self._said("PUT", f"{self._pull}/reviews/{id_.removeprefix(REVIEW)}", body, prefix=REVIEW)
        return await self._said("PATCH", self._address(thread), body)

    async def reply(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """See base.Publisher."""
        if thread.path is None:
            return await self.create_comment(pr, body)
        return await self._said("POST", f"{self._pull}/comments/{thread.comments[0].id}/replies", body)

    async def resolve(self, pr: PullRequest, thread: Thread) -> None:
        """See base.Publisher."""
        if thread.resolved:
            return
        if not thread.can_resolve:
            self._learn(Cap.RESOLVE, GRANT[Cap.RESOLVE])
            raise DeniedError(
                "this token may not resolve threads", hint=GRANT[Cap.RESOLVE], said="viewerCanResolve: false"
            )
        await self._allowed(Cap.RESOLVE, github_graphql.RESOLVE, {"thread": thread.id})

    async def minimise(self, pr: PullRequest, thread: Thread) -> None:
        """See base.Publisher."""
        id_ = thread.comments[0].id
        if id_ not in self._nodes:
            await self.threads(pr)
        if id_ not in self._nodes:
            raise MissingError("the comment to fold away is gone")
        await self._allowed(Cap.MINIMISE, github_graphql.MINIMISE, {"subject": self._nodes[id_]})

    async def delete_comment(self, pr: PullRequest, thread: Thread) -> None:
        """See base.Publisher."""
        if thread.comments[0].id.startswith(REVIEW):
            raise DeniedError("GitHub keeps reviews that were submitted", said="reviews cannot be deleted")
        await self._forgiving("DELETE", self._address(thread))

    async def react(self, comment_id: str, emoji: str, *, inline: bool) -> None:
        """See base.Publisher."""
        kind = "pulls" if inline else "issues"
        await self._api.send("POST", f"{self._repo}/{kind}/comments/{comment_id}/reactions", {"content": emoji})

    async def set_status(self, pr: PullRequest, status: Status) -> list[Posted]:
        """See base.Publisher. A check run with annotations, else a commit status without."""
        why = self.profile.missing.get("check_run", "this token makes no check runs")
        if Cap.CHECK_RUN in self.profile.caps:
            try:
                return await self._status.check_run(pr.head_sha, status, self.profile.limits)
            except DeniedError as error:
                why = error.said or error.message
                self._learn(Cap.CHECK_RUN, GRANT[Cap.CHECK_RUN])
        try:
            await self._status.commit_status(pr.head_sha, status)
        except DeniedError:
            self._learn(Cap.COMMIT_STATUS, GRANT[Cap.COMMIT_STATUS])
            raise
        return [Posted(fingerprint=note.fingerprint, ok=False, why=why) for note in status.notes]

    # -- text ---------------------------------------------------------------------------------------------------------

    def hide(self, marker: str) -> str:
        """See base.Text."""
        return f"<!-- {marker} -->"

    def suggestion(self, draft: Draft) -> str:
        """See base.Text. Exactly the text, in a fence longer than any inside: it is to be committed as it is."""
        if draft.suggestion is None:
            return ""
        longest = max((len(run) for run in re.findall("`+", draft.suggestion)), default=0)
        fence = "`" * max(3, longest + 1)
        committable = draft.anchor.side == "new" and draft.anchor.line is not None
        content = f"{draft.suggestion}\n" if draft.suggestion else ""
        return f"{fence}{'suggestion' if committable else ''}\n{content}{fence}"

    # -- steps --------------------------------------------------------------------------------------------------------

    def _body(self, draft: Draft) -> str:
        return "\n\n".join(filter(None, (draft.body, self.suggestion(draft), self.hide(draft.marker))))

    async def _said(self, method: str, path: str, body: str, *, prefix: str = "") -> Comment:
        answer = (await self._api.send(method, path, {"body": body})).json
        return rest_comment(answer, self.profile.login, prefix=prefix, nodes=self._nodes, ours=True)

    def _address(self, thread: Thread) -> str:
        kind = "issues" if thread.path is None else "pulls"
        return f"{self._repo}/{kind}/comments/{thread.comments[0].id}"

    async def _forgiving(self, method: str, path: str) -> None:
        """A write that is done already where its object is gone; a 404 that hides a lacking permission is raised."""
        try:
            await self._api.send(method, path)
        except DeniedError as error:
            if error.status not in (404, 410) or await self._is_there(path):
                raise

    def _check_moved(self, error: RejectedError) -> None:
        """A refusal of the commit, and not of a place in it, says that the head moved."""
        if _MOVED.search(error.said) and not re.search("pull request review|diff", error.said, re.IGNORECASE):
            raise StaleError(
                error.message, hint="the head moved; run again", status=error.status, said=error.said
            ) from error

    async def _is_there(self, path: str) -> bool:
        try:
            await self._api.get(path)
        except MissingError:
            return False
        return True

    async def _allowed(self, cap: Cap, document: str, variables: Mapping[str, object]) -> None:
        try:
            await self._graph.change(document, variables)
        except DeniedError as error:
            self._learn(cap, GRANT[cap])
            raise DeniedError(error.message, hint=GRANT[cap], status=error.status, said=error.said) from error


def _ours(body: str) -> bool:
    """Whether a body carries a marker of ours."""
    return marker.without(body) != "\n".join(body.splitlines()).rstrip()


def _place(draft: Draft) -> dict[str, object]:
    anchor = draft.anchor
    if anchor.line is None:
        return {"path": anchor.path}
    side = "LEFT" if anchor.side == "old" else "RIGHT"
    place: dict[str, object] = {"path": anchor.path, "line": anchor.line, "side": side}
    if anchor.start_line is not None and anchor.start_line < anchor.line:
        place |= {"start_line": anchor.start_line, "start_side": side}
    return place
