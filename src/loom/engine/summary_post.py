"""Writing the summary comment: edited in place, posted anew where that cannot be, and never twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loom.core.marker import Seal
from loom.core.result import Notice
from loom.engine.posting_ladder import said
from loom.engine.recall import Memory, Own
from loom.platforms.base import Cap, DeniedError, DownError, MissingError, PlatformError, RejectedError
from loom.platforms.values import PullRequest

if TYPE_CHECKING:
    from loom.platforms.base import Platform


@dataclass(slots=True)
class SummaryPost:
    """One run's summary. `look` lists all comments again."""

    platform: Platform
    pr: PullRequest
    seal: Seal
    look: Callable[[], Awaitable[Memory]]
    created: int = 0
    notices: list[Notice] = field(default_factory=list)

    async def write(self, own: Own | None, body: str, *, again: bool = False) -> bool:
        """Whether the summary stands, in `own` or a new comment. Raises RejectedError: perhaps it is too long."""
        try:
            if own is None or not own.editable or Cap.EDIT_COMMENT not in self.platform.profile.caps:
                await self._create(body)
                return True
            try:
                await self.platform.edit_comment(self.pr, own.thread, body)
            except (MissingError, DeniedError):  # deleted by somebody, or not ours to edit: a new one takes its place
                await self._create(body)
        except RejectedError:
            raise
        except DownError as error:
            return await self._unsure(own, body, error, again=again)
        except PlatformError as error:
            self._note(error, "the summary could not be posted")
            return False
        return True

    async def _create(self, body: str) -> None:
        await self.platform.create_comment(self.pr, body)
        self.created += 1

    async def _unsure(self, own: Own | None, body: str, error: DownError, *, again: bool) -> bool:
        """No answer came: look whether it is there before anything is sent again."""
        if not error.acted or again:
            self._note(error, "the summary could not be posted")
            return False
        wanted = self.seal.read(body, by_self=True)
        try:
            there = (await self.look()).summary
        except PlatformError as second:
            self._note(second, "whether the summary was posted is not known")
            return False
        if there is not None and wanted is not None and there.marker.digest == wanted.digest:
            self.created += own is None
            return True
        return await self.write(there or own, body, again=True)

    def _note(self, error: PlatformError, what: str) -> None:
        self.notices.append(Notice(error.slug, f"{what}: {said(error)}", error.hint))
