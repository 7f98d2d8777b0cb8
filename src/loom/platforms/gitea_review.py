"""Posting a review where that is not one act: Gitea and Forgejo put the comments into a pending review, one after the
other, then submit it, and whatever is pending is published with the next review of the same user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loom.platforms import gitea_values as values
from loom.platforms.answers import number, text_or_none
from loom.platforms.base import DeniedError, DownError, PlatformError, RejectedError
from loom.platforms.gitea_lists import Lists
from loom.platforms.gitea_values import Me
from loom.platforms.http import Api
from loom.platforms.values import PullRequest

Sent = Sequence[Mapping[str, object]]


class Reviews:
    """The reviews of one pull request, as one token may write them."""

    def __init__(self, api: Api, lists: Lists, repo: str, me: Me) -> None:
        self.me = me
        self._api = api
        self._lists = lists
        self._repo = repo
        self._unsure = False
        """Whether comments of ours may stand in a pending review now."""
        self._blocked: RejectedError | None = None
        """A person's pending review under our token: whatever is posted would publish it."""

    async def post(self, pr: PullRequest, comments: Sent, body: str, event: str) -> list[object]:
        """Post a review; its comments, or none where they could not be read again. Raises RejectedError when nothing
        was posted and nothing is left over."""
        if self._unsure:
            await self.discard(pr)
        if self._blocked is not None:
            raise self._blocked
        sent = {"event": event, "body": body, "commit_id": pr.head_sha, "comments": list(comments)}
        try:
            made = await self._api.send("POST", f"{self._repo}/pulls/{pr.number}/reviews", sent)
        except (RejectedError, DownError) as error:
            return await self._refused(pr, comments, error)
        try:
            return await self._lists.of_review(pr.number, number(made.json, "id")) if comments else []
        except PlatformError:  # they are posted all the same; only their ids are not known
            return []

    async def discard(self, pr: PullRequest) -> int:
        """See base.Publisher.discard_pending."""
        self._blocked, discarded = None, 0
        for review in await self._lists.reviews(pr.number):
            if text_or_none(review, "state") == values.PENDING and (self.me.id is None or self.me.wrote(review)):
                discarded += await self._discard_one(pr, review)
        self._unsure = False
        if self._blocked is not None:
            raise self._blocked
        return discarded

    async def delete(self, path: str) -> None:
        """One that is gone already is fine."""
        try:
            await self._api.send("DELETE", path)
        except DeniedError as error:
            if error.status != 404:
                raise

    async def _refused(self, pr: PullRequest, comments: Sent, error: RejectedError | DownError) -> list[object]:
        """After a refusal: what is left pending goes away. A comment that the server cannot place (git blame) is
        answered with 500, which says what 422 says elsewhere, unless the review is there all the same."""
        self._unsure = bool(comments)
        if isinstance(error, DownError) and error.status != 500:
            raise error
        try:
            found = await self._latest(pr, comments) if error.status == 500 else []
            if not found:
                await self.discard(pr)
        except RejectedError:
            raise
        except PlatformError:
            raise error from None  # looked for in vain; the next review looks again
        if found:
            return found
        raise RejectedError(error.message, hint=error.hint, status=error.status, said=error.said) from error

    async def _latest(self, pr: PullRequest, comments: Sent) -> list[object]:
        """The comments of our latest review, if they are these."""
        reviews = values.submitted(await self._lists.reviews(pr.number))
        ours = [number(review, "id") for review in reviews if self.me.wrote(review)]
        found = await self._lists.of_review(pr.number, max(ours)) if ours and comments else []
        bodies = {text_or_none(raw, "body") for raw in found}
        return found if all(sent["body"] in bodies for sent in comments) else []

    async def _discard_one(self, pr: PullRequest, review: object) -> int:
        """Delete our comments of a pending review, with the review where nothing else is in it; how many."""
        id_ = number(review, "id")
        raws = await self._lists.of_review(pr.number, id_)
        ours = [raw for raw in raws if self.me.marked(text_or_none(raw, "body") or "") is not None]
        if self.me.id is None and not ours:
            return 0  # an administrator's token sees those of others
        if len(ours) == len(raws) and not (text_or_none(review, "body") or "").strip():
            await self.delete(f"{self._repo}/pulls/{pr.number}/reviews/{id_}")
            return len(ours)
        for raw in ours:
            await self.delete(f"{self._repo}/issues/comments/{number(raw, 'id')}")
        self._blocked = RejectedError(
            "the user of the token has an unsent review here, which any review of ours would publish",
            hint="submit or delete it, or give Loom a user of its own",
            slug="platform-pending",
        )
        return len(ours)
