"""Posting comments on a GitLab merge request: one by one as discussions, or staged as draft notes and sent together.

Draft notes are checked by nobody when they are made; publishing sends out all drafts that this user has on the merge
request, and one that stands in a wrong place answers 500 in the middle, and again for every later run as long as it is
there (facts: platforms, section 3.4). So: stage, look at what is there, publish, and where that breaks off publish one
by one and take back what cannot be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loom.core import marker
from loom.infra.ratelimit import Bucket
from loom.platforms.answers import Reply, at, number, number_or_none, text, text_or_none
from loom.platforms.base import DeniedError, DownError, LimitedError, PlatformError, RejectedError
from loom.platforms.gitlab_probe import explained
from loom.platforms.gitlab_wire import Place, spoken, without_range
from loom.platforms.http import Api, Setup
from loom.platforms.values import Posted

_NOTES_PER_MINUTE = 30
"""Refilled a minute, and as many at once: together never more than the 60 a minute that gitlab.com takes
(https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One comment to be posted."""

    fingerprint: str
    body: str
    mark: str
    """The hidden marker, as it stands in `body`: what the comment is found by."""
    place: Place


@dataclass(slots=True)
class _Staged:
    """What became of one item so far."""

    item: Item
    draft: int | None = None
    """Id of its draft note, as long as it is there."""
    ranged: bool = False
    why: str | None = None
    """Why it cannot be posted, or not as it was meant."""


@dataclass(slots=True)
class Notes:
    """The comments of one merge request; `mr` is its path below the API's root."""

    setup: Setup
    api: Api
    mr: str
    seen: int = 0
    """The highest note there was when the threads were read last: what we post comes after it."""
    _pace: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self._pace = Bucket(_NOTES_PER_MINUTE, self.setup.policy.clock)

    # -- single requests ----------------------------------------------------------------------------------------------

    async def say(self, path: str, body: Mapping[str, object]) -> Reply:
        """Create a note, not faster than the platform takes them. `path` is below the merge request."""
        policy = self.setup.policy
        wait = self._pace.take(1)
        if wait > 0:
            if policy.clock() + wait >= self.setup.deadline:
                raise LimitedError(
                    "the time for this run ends before GitLab takes another comment (60 a minute)",
                    hint="give it more time: --max-seconds",
                )
            await policy.sleep(wait)
            self._pace.take(1)
        try:
            return await self.api.send("POST", f"{self.mr}/{path}", body)
        except PlatformError as error:
            raise explained(error, self.setup.token) from error

    async def discussions(self) -> list[object]:
        """All discussions, oldest first."""
        return list((await self.api.pages(f"{self.mr}/discussions", {"per_page": 100})).items)

    async def drafts(self) -> list[object]:
        """The draft notes of this user."""
        return list((await self.api.pages(f"{self.mr}/draft_notes")).items)

    def is_ours(self, draft: object) -> bool:
        """Whether a draft note of this user was staged by Loom, and not by the person whose token it may be."""
        project = self.setup.project
        body = text_or_none(draft, "note") or ""
        return marker.read(body, by_self=True, repo=project.repo, number=self.setup.number) is not None

    async def drop(self, draft: int) -> None:
        """Delete a draft note; one that is gone is fine."""
        try:
            await self.api.send("DELETE", f"{self.mr}/draft_notes/{draft}")
        except DeniedError as error:
            if error.status != 404:
                raise

    # -- one by one ---------------------------------------------------------------------------------------------------

    async def single(self, item: Item) -> Posted:
        """One comment as a discussion, at once. Raises RejectedError where it cannot stand there."""

        async def send(place: Place) -> Reply:
            return await self.say("discussions", {"body": item.body, "position": place})

        reply, why = await _placed(send, item.place)
        notes = spoken(reply.json)
        return Posted(
            fingerprint=item.fingerprint,
            ok=True,
            comment_id=text(notes[0], "id") if notes else None,
            thread_id=text_or_none(reply.json, "id"),
            why=why,
        )

    async def one_by_one(self, items: Sequence[Item]) -> list[Posted]:
        """For servers without draft notes. Raises what it was before the first was posted, afterwards DownError."""
        posted: list[Posted] = []
        for item in items:
            try:
                posted.append(await self.single(item))
            except RejectedError as error:
                posted.append(Posted(fingerprint=item.fingerprint, ok=False, why=_said(error)))
            except PlatformError as error:
                raise _unsure(error) if any(one.ok for one in posted) else error from error
        return posted

    # -- together -----------------------------------------------------------------------------------------------------

    async def review(self, items: Sequence[Item], state: str | None = None) -> list[Posted]:
        """All comments with one notification; `state` is what the review says besides (`requested_changes`). Raises
        before anything can be seen; afterwards every item says what became of it."""
        try:
            staged = [await self._stage(item) for item in items]
        except (RejectedError, DeniedError) as error:
            if error.status not in (404, 405):
                raise
            return await self.one_by_one(items)  # the server is older than draft notes
        there = await self.drafts()
        await self._check(staged, there)
        if any(not self.is_ours(draft) for draft in there):
            if state is not None:
                raise RejectedError("GitLab can say so only together with the unsent comments of a person")
            await self._publish_each(staged, begun=False)  # publishing all would send a person's drafts out
        elif state is not None or any(one.draft is not None for one in staged):
            await self._publish_all(staged, state)
        return await self._posted(staged)

    async def _stage(self, item: Item) -> _Staged:
        async def send(place: Place) -> Reply:
            return await self.say("draft_notes", {"note": item.body, "position": place})

        try:
            reply, why = await _placed(send, item.place)
        except RejectedError as error:
            if error.status == 405:
                raise
            return _Staged(item, why=_said(error))
        ranged = why is None and "line_range" in item.place
        return _Staged(item, draft=number(reply.json, "id"), ranged=ranged, why=why)

    async def _check(self, staged: Sequence[_Staged], there: Iterable[object]) -> None:
        """Take back what could not be published, and second drafts of one comment: another run at the same time staged
        it as well, and both keep the oldest."""
        ours = {number(draft, "id"): draft for draft in there if self.is_ours(draft)}
        coded = any(text_or_none(draft, "line_code") for draft in ours.values())
        for one in staged:
            same = sorted(id_ for id_, draft in ours.items() if one.item.mark in (text_or_none(draft, "note") or ""))
            stand = [id_ for id_ in same if _stands(ours[id_], coded=coded)]
            if one.draft in same and not stand:
                one.why = "GitLab finds no such line in the diff"
            for id_ in same:
                if id_ != (stand or [0])[0]:
                    await self.drop(id_)
            if one.draft is not None:
                one.draft = stand[0] if stand else None  # gone altogether: another run took it, as is seen afterwards

    async def _publish_all(self, staged: Sequence[_Staged], state: str | None) -> None:
        body = {} if state is None else {"reviewer_state": state}
        try:
            await self.api.send("POST", f"{self.mr}/draft_notes/bulk_publish", body or None)
        except DownError as error:
            if not error.acted:
                raise
            await self._left(staged)
            await self._publish_each(staged, begun=True)

    async def _left(self, staged: Iterable[_Staged]) -> None:
        """Look which drafts are still there. Raises DownError (acted) when that cannot be found out."""
        try:
            left = {number_or_none(draft, "id") for draft in await self.drafts()}
        except PlatformError as error:
            raise _unsure(error) from error
        for one in staged:
            one.draft = one.draft if one.draft in left else None

    async def _publish_each(self, staged: Iterable[_Staged], *, begun: bool) -> None:
        """`begun`: whether something may be there to see already."""
        for one in staged:
            if one.draft is None:
                continue
            try:
                begun = await self._published(one) or begun
            except PlatformError as error:
                raise _unsure(error) if begun else error from error

    async def _published(self, one: _Staged) -> bool:
        """Publish one draft; taken back, with the reason, where that cannot be."""
        try:
            await self.api.send("PUT", f"{self.mr}/draft_notes/{one.draft}/publish")
            return True
        except DeniedError as error:
            if error.status != 404:
                raise
            return False  # not there any more
        except (DownError, RejectedError) as error:
            await self._left([one])
            if one.draft is None:
                return True  # it was published all the same
            one.why = _said(error) if error.status else None
        if one.ranged:
            one.ranged = False
            place = without_range(one.item.place)
            await self.api.send("PUT", f"{self.mr}/draft_notes/{one.draft}", {"position": place})
            return await self._published(one)
        await self.drop(one.draft)
        return False

    async def _posted(self, staged: Sequence[_Staged]) -> list[Posted]:
        """What stands on the merge request now: that alone counts."""
        try:
            discussions = await self.discussions() if staged else []
        except PlatformError as error:
            raise _unsure(error) from error
        fresh = [
            (note, discussion)
            for discussion in discussions
            for note in spoken(discussion)
            if (number_or_none(note, "id") or 0) > self.seen
        ]
        return [self._outcome(one, fresh) for one in staged]

    def _outcome(self, one: _Staged, fresh: Iterable[tuple[object, object]]) -> Posted:
        for note, discussion in fresh:
            if one.item.mark in (text_or_none(note, "body") or ""):
                return Posted(
                    fingerprint=one.item.fingerprint,
                    ok=True,
                    comment_id=text(note, "id"),
                    thread_id=text(discussion, "id"),
                    why=one.why,
                )
        return Posted(fingerprint=one.item.fingerprint, ok=False, why=one.why)


def _stands(draft: object, *, coded: bool) -> bool:
    """Whether a draft note has a place: a path, and for a line the code that GitLab finds it by (where this server
    tells codes at all)."""
    if not (text_or_none(draft, "position", "new_path") or text_or_none(draft, "position", "old_path")):
        return False
    on_file = at(draft, "position", "position_type") == "file"
    return on_file or not coded or bool(text_or_none(draft, "line_code"))


async def _placed(send: Callable[[Place], Awaitable[Reply]], place: Place) -> tuple[Reply, str | None]:
    """Send with the range where there is one; where the server refuses it, its last line alone, and why."""
    try:
        return await send(place), None
    except RejectedError as error:
        if "line_range" not in place:
            raise
        return await send(without_range(place)), f"at its last line only: {_said(error)}"


def _unsure(error: PlatformError) -> DownError:
    """What broke off in the middle: the caller has to look what is there."""
    return DownError(error.message, hint=error.hint, status=error.status, said=error.said, acted=True)


def _said(error: PlatformError) -> str:
    return error.said or error.message
