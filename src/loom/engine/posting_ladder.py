"""Posting findings inline: all at once, else one by one down the ladder of places, with the server's reason for every
step. No write is repeated without looking whether it happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loom.core.result import Notice, Placement
from loom.engine.posting_plan import Planned
from loom.platforms.base import (
    DeniedError,
    DownError,
    LimitedError,
    PlatformError,
    RejectedError,
    StaleError,
)
from loom.platforms.values import PullRequest, Verdict

if TYPE_CHECKING:
    from loom.platforms.base import Platform


class HeadMovedError(Exception):
    """The pull request has another head than the one that was reviewed: nothing more may be posted."""


def said(error: PlatformError) -> str:
    """The server's reason, for a placement."""
    return error.said or error.message


@dataclass(slots=True)
class Ladder:
    """One run's inline comments. `there` lists the comments again and tells which fingerprints have one (id);
    `current` raises HeadMovedError when the head moved."""

    platform: Platform
    pr: PullRequest
    there: Callable[[], Awaitable[Mapping[str, str]]]
    current: Callable[[], Awaitable[None]]
    placed: dict[str, Placement] = field(default_factory=dict)
    """Fingerprint -> where its comment stands now."""
    loose: dict[str, str] = field(default_factory=dict)
    """Fingerprint -> why it has no comment; it needs another home."""
    refused: set[str] = field(default_factory=set)
    """Those that the platform took in no place at all: trying again at this head is in vain."""
    notices: list[Notice] = field(default_factory=list)
    pending: str = ""
    """Why no review can be posted at once: somebody's unsent one."""
    limited: bool = False
    denied: bool = False
    created: int = 0
    reviewed: Verdict | None = None
    """The verdict that was given."""

    async def post(self, create: Sequence[Planned], body: str, verdict: Verdict) -> None:
        """Post all; every one of them is in `placed` or `loose` afterwards. Raises HeadMovedError."""
        if self.pending:
            await self._beside_pending(create)
            return
        lines = [p for p in create if p.steps[0].where != "file"]
        files = [p for p in create if p.steps[0].where == "file"]
        if lines or verdict != "comment":
            await self._batch(lines, body, verdict)
        for planned in files:
            await self._single(planned)

    async def _beside_pending(self, create: Sequence[Planned]) -> None:
        """A person's unsent review stands in the way of ours. Single comments may still pass; when the first does not,
        none will (GitHub: "User can only have one pending review per pull request")."""
        for n, planned in enumerate(create):
            await self._single(planned)
            if planned.finding.fingerprint in self.refused:
                self._all_loose(create[n:], self.pending)
                break
        self.refused.clear()  # the next run may find it sent

    async def _batch(self, create: Sequence[Planned], body: str, verdict: Verdict, *, again: bool = False) -> None:
        drafts = [planned.steps[0].draft for planned in create]
        try:
            posted = await self.platform.post_review(self.pr, drafts, body, verdict)
        except (RejectedError, DeniedError) as error:
            await self._refused(create, body, verdict, error)
        except StaleError as error:
            await self.current()
            self._all_loose(create, said(error))
        except DownError as error:
            await self._unsure(create, body, verdict, error, again=again)
        except PlatformError as error:
            self.limited = self.limited or isinstance(error, LimitedError)
            self._give_up(create, error)
        else:
            self.reviewed = verdict
            for planned, outcome in zip(create, posted, strict=True):
                if outcome.ok:
                    self._stands(planned, 0, outcome.comment_id)
                else:
                    await self._single(planned, start=1 if outcome.why else 0, why=outcome.why)

    async def _refused(
        self, create: Sequence[Planned], body: str, verdict: Verdict, error: RejectedError | DeniedError
    ) -> None:
        """The whole review was refused: for its verdict, for want of a permission, or for one bad comment."""
        if verdict != "comment":
            word = "approval" if verdict == "approve" else "request for changes"
            self._note("verdict", f"the {word} was refused: {said(error)}", error.hint)
            if create:
                await self._batch(create, body, "comment")
        elif isinstance(error, DeniedError):
            self.denied = True
            self._give_up(create, error)
        else:
            await self.current()
            for planned in create:
                await self._single(planned)

    async def _unsure(
        self, create: Sequence[Planned], body: str, verdict: Verdict, error: DownError, *, again: bool
    ) -> None:
        """No answer came. What the server did all the same is found by marker before anything is sent again."""
        rest = list(create)
        if error.acted:
            try:
                found = await self.there()
                for planned in create:
                    if planned.finding.fingerprint in found:
                        self._stands(planned, 0, found[planned.finding.fingerprint])
                        self.reviewed = verdict
                rest = [planned for planned in create if planned.finding.fingerprint not in found]
                if rest and not again:
                    await self.platform.discard_pending(self.pr)
                    await self._batch(rest, body, verdict, again=True)
                    return
            except PlatformError as second:
                error = DownError(second.message, hint=second.hint, said=said(second))
        if rest:
            self._give_up(rest, error)

    async def _single(self, planned: Planned, *, start: int = 0, why: str | None = None) -> None:
        """One finding, down its ladder."""
        if self.limited or self.denied:
            self._all_loose([planned], "the platform takes no more comments from this token now")
            return
        index = start
        while index < len(planned.steps):
            try:
                outcome = await self.platform.post_single(self.pr, planned.steps[index].draft)
            except RejectedError as error:
                why = said(error)
            except DownError as error:
                if await self._found(planned, index, error):
                    return
                why = said(error)
            except StaleError as error:
                await self.current()
                self._all_loose([planned], said(error))
                return
            except PlatformError as error:
                self.denied = self.denied or isinstance(error, DeniedError)
                self.limited = self.limited or isinstance(error, LimitedError)
                self._give_up([planned], error)
                return
            else:
                if outcome.ok:
                    self._stands(planned, index, outcome.comment_id, why)
                    return
                why = outcome.why or why
            index += 1
        self.refused.add(planned.finding.fingerprint)
        self._all_loose([planned], why or "the platform took it in no place")

    async def _found(self, planned: Planned, index: int, error: DownError) -> bool:
        """After a write without a certain answer: whether it is settled now, as posted or as given up. A server that
        is down is not asked for another place: the finding is given up for this run."""
        if error.acted:
            try:
                found = await self.there()
                if planned.finding.fingerprint in found:
                    self._stands(planned, index, found[planned.finding.fingerprint])
                    return True
                outcome = await self.platform.post_single(self.pr, planned.steps[index].draft)
            except RejectedError:
                return False
            except PlatformError as second:
                self._give_up([planned], second)
                return True
            if outcome.ok:
                self._stands(planned, index, outcome.comment_id)
                return True
            return False
        self._give_up([planned], error)
        return True

    def _stands(self, planned: Planned, index: int, comment_id: str | None, why: str | None = None) -> None:
        fp = planned.finding.fingerprint
        step = planned.steps[index]
        self.created += 1
        self.placed[fp] = Placement(fp, step.where, why or step.why, comment_id)

    def _give_up(self, create: Sequence[Planned], error: PlatformError) -> None:
        if create:
            self._note(error.slug, f"inline comments could not be posted: {said(error)}", error.hint)
        self._all_loose(create, said(error))

    def _all_loose(self, create: Sequence[Planned], why: str) -> None:
        self.loose |= {planned.finding.fingerprint: why for planned in create}

    def _note(self, slug: str, message: str, hint: str) -> None:
        notice = Notice(slug, message, hint)
        if notice not in self.notices:
            self.notices.append(notice)
