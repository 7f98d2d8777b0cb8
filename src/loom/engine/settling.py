"""Changing our own comments on a platform: new text, resolved threads, copies taken back. Nobody else's are touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loom.core.marker import Marker, Seal, without
from loom.core.result import Notice, Placement
from loom.engine.posting_ladder import said
from loom.engine.posting_plan import Settle, Update
from loom.engine.recall import Own
from loom.platforms.base import Cap, LimitedError, MissingError, PlatformError
from loom.platforms.values import Draft, PullRequest

if TYPE_CHECKING:
    from loom.platforms.base import Platform


def whole(platform: Platform, draft: Draft) -> str:
    """A draft as one text, as `post_review` would post it."""
    blocks = [
        draft.body,
        platform.suggestion(draft) if draft.suggestion is not None else "",
        platform.hide(draft.marker),
    ]
    return "\n\n".join(block for block in blocks if block)


@dataclass(slots=True)
class Settling:
    """Changes to our own comments. A failure costs a notice, never the run; a spent rate limit ends them."""

    platform: Platform
    pr: PullRequest
    seal: Seal
    notices: list[Notice] = field(default_factory=list)
    limited: bool = False
    added: int = 0
    """Answers of ours, less what was taken back."""

    async def update(self, updates: Iterable[Update]) -> None:
        """Write comments anew whose content changed."""
        for update in updates:
            if self.limited:
                return
            try:
                await self.platform.edit_comment(self.pr, update.thread, whole(self.platform, update.draft))
            except MissingError:
                pass  # deleted meanwhile: the next run knows
            except PlatformError as error:
                self._note(error, "a comment could not be brought up to date")

    async def settle(self, settles: Iterable[Settle]) -> None:
        """Resolve threads: first resolve, then say so, since a note without the deed would lie."""
        for settle in settles:
            if self.limited:
                return
            if not await self._resolved(settle):
                await self._marked(settle)

    async def remove(self, copies: Iterable[Own], places: dict[str, Placement]) -> None:
        """Take back second comments; a finding whose comment goes is told by the other one."""
        for own in copies:
            if self.limited:
                return
            if own.editable and await self._removed(own):
                fp = own.marker.fingerprint
                if fp in places and places[fp].comment_id in (None, own.thread.comments[0].id) and fp:
                    places[fp] = Placement(fp, "deduped", "another run posted it at the same time")

    async def _resolved(self, settle: Settle) -> bool:
        thread = settle.own.thread
        if Cap.RESOLVE not in self.platform.profile.caps or not (thread.resolvable and thread.can_resolve):
            return False
        try:
            await self.platform.resolve(self.pr, thread)
        except MissingError:
            return True  # somebody deleted it
        except PlatformError as error:
            self._note(error, "a thread could not be resolved")
            return False
        if settle.note:
            note = Marker(kind="note", head="", known=settle.own.marker.known[:1])
            try:
                await self.platform.reply(self.pr, thread, self._hidden(settle.note, note))
                self.added += 1
            except PlatformError as error:
                self._note(error, "a resolved thread could not be answered")
        return True

    async def _marked(self, settle: Settle) -> None:
        """The next best thing: say it in the comment itself, so that the next run knows, and fold it away."""
        own, caps = settle.own, self.platform.profile.caps
        if not settle.note or not own.editable or Cap.EDIT_COMMENT not in caps or self.limited:
            return
        text = f"✅ **{settle.note}**\n\n{without(own.thread.comments[0].body)}"
        try:
            marker = replace(own.marker, state="fixed")
            await self.platform.edit_comment(self.pr, own.thread, self._hidden(text, marker))
            if Cap.MINIMISE in caps:
                await self.platform.minimise(self.pr, own.thread)
        except MissingError:
            pass
        except PlatformError as error:
            self._note(error, "a comment could not be marked as fixed")

    async def _removed(self, own: Own) -> bool:
        caps = self.platform.profile.caps
        try:
            if Cap.DELETE_COMMENT in caps:
                await self.platform.delete_comment(self.pr, own.thread)
                self.added -= 1
                return True
            if Cap.EDIT_COMMENT not in caps:
                return False
            text = "*A copy: two runs posted at the same time. The other comment is kept up to date.*"
            await self.platform.edit_comment(self.pr, own.thread, self._hidden(text, replace(own.marker, state="copy")))
            if Cap.MINIMISE in caps:
                await self.platform.minimise(self.pr, own.thread)
            elif Cap.RESOLVE in caps and own.thread.resolvable and own.thread.can_resolve:
                await self.platform.resolve(self.pr, own.thread)
        except MissingError:
            return True
        except PlatformError as error:
            self._note(error, "a copy of a comment could not be taken back")
            return False
        return True

    def _hidden(self, text: str, marker: Marker) -> str:
        return f"{text}\n\n{self.platform.hide(self.seal.write(marker, limit=1_600))}"

    def _note(self, error: PlatformError, what: str) -> None:
        self.limited = self.limited or isinstance(error, LimitedError)
        notice = Notice(error.slug, f"{what}: {said(error)}", error.hint)
        if notice not in self.notices:
            self.notices.append(notice)
