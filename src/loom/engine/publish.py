"""Execute a plan on a platform: the only place with policy about failures. Afterwards every finding stands in exactly
one place, and the outcome says whether all of them arrived (docs/adr/0014-posting.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loom.core.finding import Finding
from loom.core.marker import Marker, Seal, digest
from loom.core.result import Action, Notice, Placement, ReviewResult
from loom.core.told import SummaryText, Told
from loom.engine import posting, standing
from loom.engine.comment_text import Manners
from loom.engine.homes import Homes, everything, is_homeless
from loom.engine.posting_ladder import HeadMovedError, Ladder, said
from loom.engine.posting_plan import PostingPlan
from loom.engine.recall import Memory, recall
from loom.engine.settling import Settling
from loom.engine.summary_post import SummaryPost
from loom.platforms.base import (
    Cap,
    PlatformError,
    RejectedError,
)
from loom.platforms.values import PullRequest, Status

if TYPE_CHECKING:
    from loom.platforms.base import Platform

Summarise = Callable[[Told, int], SummaryText]
"""Renders the summary within so many characters: `outputs.comment.render`, bound to the team's template."""
Channel = Callable[[Sequence[Finding]], frozenset[str]]
"""The job's own way to show findings (annotations in its log, a step summary); tells which it showed."""

_MARKER = 20_000
"""Characters of the summary's marker at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What publishing needs besides the plan and the platform."""

    seal: Seal
    summarise: Summarise
    manners: Manners = Manners()  # noqa: RUF009 (frozen)
    channel: Channel | None = None
    """None: the job has no channel of its own."""
    commands: tuple[tuple[str, str], ...] = ()
    """(command, what it does) that comments understand here."""
    status_url: str | None = None
    second_stage: bool = False
    """A trusted job comes after this one: it posts the status for what had to be skipped here."""
    allow_incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a plan."""

    result: ReviewResult
    """The plan's result with placements, actions, notices and the outcome as it is now."""
    placements: tuple[Placement, ...]
    """One for every finding of the run, silenced and carried ones included, in the order of findings."""
    actions: tuple[Action, ...]
    delivered: bool | None
    """None: nothing was to be posted, or the head moved."""
    notices: tuple[Notice, ...]
    stale: bool = False


async def publish(plan: PostingPlan, platform: Platform, pr: PullRequest, about: Posting) -> Published:
    """Execute the plan. Never raises PlatformError: what the platform refused is in the placements and notices."""
    run = _Run(plan, platform, pr, about)
    try:
        await run.inline()
        await run.rest()
    except HeadMovedError as moved:
        return run.stopped(str(moved))
    return run.published()


class _Run:
    """One execution."""

    def __init__(self, plan: PostingPlan, platform: Platform, pr: PullRequest, about: Posting) -> None:
        self.plan, self.platform, self.pr, self.about = plan, platform, pr, about
        self.profile = platform.profile
        self.memory: Memory = plan.memory
        self.ladder = Ladder(platform, pr, there=self._there, current=self._still_current)
        self.settling = Settling(platform, pr, about.seal)
        self.upsert = SummaryPost(platform, pr, about.seal, self._memory_now)
        self.notices: list[Notice] = []
        self.places = {p.fingerprint: p for p in plan.placements}
        self.annotated: frozenset[str] = frozenset()
        self.status_done = ""
        self.status_ok = False
        self.summary_ok = False
        self.looked = False
        """Whether the head was looked at before the first write."""
        self.delivered: bool | None = None

    # ---- steps

    async def inline(self) -> None:
        """Look whether the head is still the one that was reviewed, then post what gets a comment of its own. Raises
        HeadMovedError."""
        plan = self.plan
        verdict = plan.verdict if self._verdict_due() else "comment"
        if not (plan.create or plan.updates or plan.settle or plan.supersede or verdict != "comment"):
            return  # nothing but the summary and the status may be written, and both only where they differ
        create = plan.create
        try:
            if await self._current() and create:
                found = await self._there()
                self._known_now({fp: found[fp] for p in create if (fp := p.finding.fingerprint) in found})
                create = tuple(p for p in create if p.finding.fingerprint not in found)
            if create:
                await self._discard()
        except PlatformError as error:
            self.ladder.loose |= {p.finding.fingerprint: said(error) for p in create}
            self._note(error, "the pull request could not be read again")
            return
        if create or verdict != "comment":
            text = standing.status_of(self._told_result()) if verdict != "comment" else None
            await self.ladder.post(create, self.about.manners.line(text.title) if text else "", verdict)
        if self.ladder.created:
            await self._still_current()

    async def rest(self) -> None:
        """Everything after the inline comments; with a spent rate limit the summary first."""
        self.notices += self.ladder.notices
        if not self.ladder.limited:
            await self.settling.update(self.plan.updates)
            await self.settling.settle(self.plan.settle)
            await self.settling.remove(self.plan.supersede, self.places)
            await self._status()
        await self._summary()
        self.notices += self.upsert.notices
        if self.ladder.limited:
            await self._status()
        self._find_homes()
        if self.delivered is False and self.status_ok:
            await self._status(again=True)
        await self._copies()
        self.notices += self.settling.notices

    def stopped(self, why: str) -> Published:
        """The head moved: nothing more is posted, and another run is on its way."""
        outcome = standing.stale(self.plan.result.outcome, why)
        self.places |= self.ladder.placed
        for finding in everything(self.plan):
            fp = finding.fingerprint
            if fp not in self.ladder.placed and is_homeless(self.places.get(fp)):
                self.places[fp] = Placement(fp, "log", f"not posted: {why}")
        self.notices += [*self.ladder.notices, *self.settling.notices, Notice("stale", f"no more was posted: {why}")]
        return self._done(replace(self.plan.result, outcome=outcome), stale=True)

    def published(self) -> Published:
        """The end of a run."""
        outcome = standing.concluded(
            self.plan.result.outcome,
            blocking=self.plan.blocking,
            delivered=self.delivered,
            allow_incomplete=self.about.allow_incomplete,
        )
        return self._done(replace(self.plan.result, outcome=outcome))

    def _done(self, result: ReviewResult, *, stale: bool = False) -> Published:
        places = tuple(self.places[f.fingerprint] for f in everything(self.plan) if f.fingerprint in self.places)
        places += tuple(p for fp, p in self.places.items() if p not in places)
        notices = tuple(dict.fromkeys(self.notices))
        actions = tuple(self.platform.actions)
        return Published(
            result=replace(
                result, placements=places, actions=(*result.actions, *actions), warnings=(*result.warnings, *notices)
            ),
            placements=places,
            actions=actions,
            delivered=result.outcome.delivered,
            notices=notices,
            stale=stale,
        )

    # ---- looking again

    async def _current(self) -> bool:
        """Whether somebody wrote since the threads were read. Raises HeadMovedError, PlatformError."""
        now = await self.platform.pull_request()
        if now.head_sha != self.plan.head:
            raise HeadMovedError(f"the head is {now.head_sha[:10]} now, {self.plan.head[:10]} was reviewed")
        self.looked = True
        return None not in (now.comments, self.pr.comments) and now.comments != self._count()

    async def _still_current(self) -> None:
        """Not to write an old summary over a newer one; what others wrote meanwhile is read. Raises HeadMovedError."""
        try:
            if await self._current():
                await self._there()
        except PlatformError as error:
            self._note(error, "the pull request could not be read again")

    async def _memory_now(self) -> Memory:
        await self._there()
        return self.memory

    async def _there(self) -> Mapping[str, str]:
        """List all comments again: fingerprint -> id of the comment that speaks for it."""
        self.memory = recall(await self.platform.threads(self.pr), self.about.seal)
        standing_ = self.memory.comments.keys() - self.memory.settled
        return {fp: self.memory.comments[fp].thread.comments[0].id for fp in standing_}

    async def _discard(self) -> None:
        try:
            if count := await self.platform.discard_pending(self.pr):
                self.notices.append(Notice("leftovers", f"{count} unsent comments of a run that died were discarded"))
        except RejectedError as error:
            self.ladder.pending = said(error)
            self._note(error, "no review can be posted at once")

    def _known_now(self, found: Mapping[str, str]) -> None:
        why = "another run posted it meanwhile"
        self.places |= {fp: Placement(fp, "deduped", why, comment_id) for fp, comment_id in found.items()}

    # ---- status

    def _verdict_due(self) -> bool:
        """Whether the verdict has to be given. The same one at the same head was given before."""
        own = self.plan.memory.summary
        before = own.marker.done.get("verdict", "") if own else ""
        if self.plan.verdict == "comment":
            if before.startswith("request_changes"):
                hint = "dismiss it on the platform; a token like this cannot take it back"
                self.notices.append(Notice("verdict", "an earlier request for changes still stands", hint))
            return False
        return before != self._verdict_mark()

    def _verdict_mark(self) -> str:
        return f"{self.plan.verdict}:{self.plan.head[:12]}" if self.plan.verdict != "comment" else ""

    def _verdict_done(self) -> str:
        """The verdict that stands: given now, or at this head before."""
        own = self.plan.memory.summary
        before = own.marker.done.get("verdict", "") if own else ""
        mark = self._verdict_mark()
        return mark if mark and (self.ladder.reviewed == self.plan.verdict or before == mark) else ""

    def _told_result(self) -> ReviewResult:
        """The result as its status and summary tell it."""
        outcome = replace(self.plan.result.outcome, blocking=self.plan.blocking, delivered=self.delivered)
        return replace(self.plan.result, outcome=outcome, placements=tuple(self.places.values()))

    async def _status(self, *, again: bool = False) -> None:
        status = self._wanted_status()
        if status is None:
            return
        own = self.plan.memory.summary
        mark = f"{self.plan.head[:12]}:{standing.digest_of(status)}"
        if not again and own is not None and own.marker.done.get("status") == mark:
            self.status_ok, self.status_done = True, mark
            self.annotated = frozenset(note.fingerprint for note in status.notes)
            return
        if not self.looked:
            await self._still_current()
        try:
            posted = await self.platform.set_status(self.pr, status)
        except PlatformError as error:
            self._note(error, "the status could not be posted")
            return
        self.annotated = frozenset(p.fingerprint for p in posted if p.ok)
        self.status_ok, self.status_done = True, mark

    def _wanted_status(self) -> Status | None:
        if not self.plan.status or not self.profile.caps & (Cap.COMMIT_STATUS | Cap.CHECK_RUN):
            return None
        notes: list[Finding] = []
        if Cap.CHECK_RUN in self.profile.caps:
            homeless = (f for f in self.plan.result.findings if is_homeless(self._place(f.fingerprint)))
            notes = list(homeless)[: self.profile.limits.notes_total]
        return standing.status_of(
            self._told_result(), notes, url=self.about.status_url, second_stage=self.about.second_stage
        )

    # ---- summary

    async def _summary(self) -> None:
        """Write the summary, unless it says the same already."""
        if not self.plan.summary:
            return
        self.places |= self._expected()
        own = self.memory.summary
        limit = self.profile.limits.summary
        for room in (limit, limit // 2):
            text, marker = self._rendered(room)
            if own is not None and own.marker.digest == marker.digest and own.marker.head == marker.head:
                self.summary_ok = True
                return
            if not self.looked:
                await self._still_current()
            try:
                hidden = self.platform.hide(self.about.seal.write(marker, limit=min(_MARKER, limit // 3)))
                self.summary_ok = await self.upsert.write(own, f"{text.body}\n\n{hidden}")
                return
            except RejectedError as error:
                if room != limit:
                    self._note(error, "the summary could not be posted")

    def _rendered(self, room: int) -> tuple[SummaryText, Marker]:
        refused = frozenset(self.ladder.refused) | self.plan.refused
        done = {"status": self.status_done, "verdict": self._verdict_done(), "since": self.plan.since or ""}
        marker = Marker(
            kind="summary",
            head=self.plan.head,
            known=posting.known(self.plan, self.places, refused),
            done={name: value for name, value in done.items() if value},
        )
        marker_room = len(self.platform.hide(self.about.seal.write(marker, limit=min(_MARKER, room // 3)))) + 40
        text = self.about.summarise(self._told(), room - marker_room)
        says = (text.digest, *(repr(known) for known in marker.known), *(f"{k}={v}" for k, v in marker.done.items()))
        return text, replace(marker, digest=digest(*says))

    def _told(self) -> Told:
        plan = self.plan
        return Told(
            result=self._told_result(),
            fixed=plan.fixed,
            carried=plan.carried,
            silenced=plan.silenced,
            unheard=plan.unheard,
            since=plan.since,
            link=self._link,
            commands=self.about.commands,
            details=Cap.DETAILS_TAG in self.profile.caps,
            gitlab=self.about.manners.gitlab,
            link_hosts=self.about.manners.link_hosts,
        )

    def _link(self, finding: Finding) -> str | None:
        """Where the lines are shown; None for what the head does not have."""
        gone = any(f.path == finding.path and f.status == "deleted" for f in self.plan.result.files)
        if gone or finding.side == "old":
            return None
        return self.platform.permalink(self.pr, finding.path, finding.line, finding.end_line)

    # ---- the end

    def _place(self, fp: str) -> Placement | None:
        return self.ladder.placed.get(fp) or self.places.get(fp)

    def _expected(self) -> dict[str, Placement]:
        """Every placement as it is when the summary is posted."""
        loose = {fp: Placement(fp, "summary", why) for fp, why in self.ladder.loose.items()}
        return dict(self.ladder.placed) | loose

    def _find_homes(self) -> None:
        """Give every finding without a comment its last place, and say whether all arrived."""
        self.places |= self._expected()
        every = everything(self.plan)
        shown: frozenset[str] = frozenset()
        if self.about.channel is not None and not self.summary_ok:
            homeless = (f for f in every if is_homeless(self.places.get(f.fingerprint)))
            shown = self.about.channel([f for f in homeless if f.fingerprint not in self.annotated])
        homes = Homes(
            summary=self.summary_ok,
            annotated=self.annotated | shown,
            loose=frozenset(self.ladder.loose),
            promised=self.plan.summary,
        )
        found, lost = homes.of(every, self.places)
        self.places |= found
        told = self.summary_ok or not self.plan.summary or self.status_ok or self.about.channel is not None
        wanted = self.plan.summary or self.plan.status or bool(self.plan.create)
        self.delivered = (not lost and told) if wanted else None

    async def _copies(self) -> None:
        """Two runs at once both posted: the newer comments go, and each run sees the same order."""
        if not (self.ladder.created or self.upsert.created):
            return
        try:
            if self.pr.comments is None or await self._others_wrote():
                await self._there()
        except (PlatformError, HeadMovedError):
            return  # everything is posted; a copy that is left is found by the next run
        known = {own.thread.id for own in self.plan.supersede}
        fresh = [o for o in (*self.memory.summaries[1:], *self.memory.copies) if o.thread.id not in known]
        await self.settling.remove(fresh, self.places)

    async def _others_wrote(self) -> bool:
        now = await self.platform.pull_request()
        return now.comments is None or now.comments != self._count()

    def _count(self) -> int:
        """How many comments there are if nobody but us wrote."""
        return (self.pr.comments or 0) + self.ladder.created + self.settling.added + self.upsert.created

    def _note(self, error: PlatformError, what: str) -> None:
        self.notices.append(Notice(error.slug, f"{what}: {said(error)}", error.hint))
