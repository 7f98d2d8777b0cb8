"""One `loom comment`: from the event of a new comment to what it asks for, if its author may (docs/commands.md).

The event says what was written and by whom. What that person may do, the platform is asked, and any error denies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from loom.cli import wiring
from loom.cli.host import Host, this_host
from loom.core.errors import UsageError

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.cli.target import Target
    from loom.config.schema import Config
    from loom.engine.commands import Command, Mistake, Said
    from loom.engine.recall import Memory, Own
    from loom.infra.loop_thread import LoopThread
    from loom.platforms.base import Platform
    from loom.platforms.ci_context import CiComment
    from loom.platforms.values import Access, PullRequest, Thread

_DONE = (0, 1, 3)
"""Exit codes of a review that was posted: fine, blocking, incomplete."""


def run_comment(flags: ReviewFlags) -> int:
    """Carry out the comment's command; the exit code. Raises LoomError for a job that cannot do so."""
    from loom.cli import session, target
    from loom.engine import commands
    from loom.infra import log
    from loom.platforms.base import PlatformError
    from loom.platforms.pull import as_source_error

    session.start_log(flags)
    host = this_host()
    job = target.detect(host) if host.in_ci else None
    if job is None:
        raise UsageError("this is no CI job that a comment has started", hint="docs/commands.md has the workflow")
    if job.comment is None:
        return _nothing(f'the event "{job.event}" is about no comment')
    asked = commands.parse(job.comment.body, in_thread=job.comment.inline)
    if asked is None:
        return _nothing("the comment's first line does not begin with /loom")
    if (why := commands.ignored(_said(job.comment))) is not None:
        return _nothing(why)
    if job.number is None:
        return _nothing(job.why_no_number or "the comment stands on no pull request")
    try:
        with wiring.open_checkout(host) as checkout, _desk(flags, host, checkout, job.comment) as desk:
            return _answered(desk, asked, flags)
    except PlatformError as error:
        passes = as_source_error(error)
        if passes is not error:
            raise passes from error
        log.show_error(error)
        return 4


def _nothing(why: str) -> int:
    """A comment that is not for us is no failure of the job."""
    _tell(f"nothing was done: {why}")
    return 0


def _tell(text: str) -> None:
    from loom.infra import log

    log.logger("comment").warning("%s", text)


def _said(comment: CiComment) -> Said:
    from loom.engine.commands import Said

    return Said(author=comment.author, by_bot=comment.author_is_bot, action=comment.action)


# -- where the comment stands -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Desk:
    """A comment, and the connection to where it stands."""

    host: Host
    target: Target
    comment: CiComment
    platform: Platform
    bridge: LoopThread
    config: Callable[[PullRequest], Config]
    """The configuration at the tip of the target branch."""

    def react(self, emoji: Literal["eyes", "+1", "-1"]) -> None:
        """A receipt. That it cannot be given is said, and keeps nothing from being done."""
        from loom.platforms.base import PlatformError

        try:
            self.bridge.call(self.platform.react(self.comment.id, emoji, inline=self.comment.inline))
        except PlatformError as error:
            _tell(f"no reaction was left: {error.message}")

    def refuse(self, pr: PullRequest, text: str) -> int:
        """No, and why: one answer."""
        self.react("-1")
        self.bridge.call(self.platform.create_comment(pr, text))
        return 0

    def line(self, text: str) -> str:
        """Untrusted text on one line of a comment."""
        from loom.engine.comment_text import Manners

        return Manners(gitlab=self.target.project.platform == "gitlab").line(text)


@contextmanager
def _desk(flags: ReviewFlags, host: Host, checkout: wiring.Checkout, comment: CiComment) -> Iterator[_Desk]:
    from loom.cli import target as targets
    from loom.cli.opening import open_config
    from loom.infra.loop_thread import LoopThread
    from loom.platforms import pull as pulls

    target = targets.find(flags, host, checkout.git)
    assert target is not None  # the job has a number
    if target.token is None:
        withheld = targets.withheld_notice(target)
        hint = withheld.hint if withheld is not None else "set LOOM_TOKEN"
        raise UsageError("a command is carried out with a token, and there is none", hint=hint)
    with LoopThread() as bridge:
        network = targets.network(target, host, offline=False)
        platform = targets.connect(target, target.number or 0, network)

        def config(pr: PullRequest) -> Config:
            git = checkout.git if checkout.git is not None and checkout.git.has(pr.base_sha) else None
            source = pulls.Source(platform=platform, project=target.project, bridge=bridge)
            tip = pulls.GitTip(git, pr.base_sha) if git is not None else pulls.ApiTip(source, pr.base_sha)
            return open_config(host, checkout, tip=tip, config=flags.config).loaded.config

        try:
            yield _Desk(host, target, comment, platform, bridge, config)
        finally:
            bridge.call(platform.aclose())
            bridge.call(network.aclose())


# -- what it asks for -------------------------------------------------------------------------------------------------


def _answered(desk: _Desk, asked: Command | Mistake, flags: ReviewFlags) -> int:
    """Ask whether its author may, and do it."""
    from loom.engine import commands

    profile = desk.bridge.call(desk.platform.probe())
    if (why := commands.ignored(_said(desk.comment), own_login=profile.login)) is not None:
        return _nothing(why)
    pr = desk.bridge.call(desk.platform.pull_request())
    settings = desk.config(pr).commands
    verb = asked.verb if isinstance(asked, commands.Command) else "help"
    needed = commands.least(verb, settings)
    if not commands.may(_access(desk), needed):
        desk.react("-1")
        return _nothing(f"/loom {verb} takes {needed} permission, which its author has not, or which cannot be told")
    if isinstance(asked, commands.Mistake):
        return desk.refuse(pr, commands.help_text(quote=desk.line(asked.why)))
    match asked.verb:
        case "help":
            desk.bridge.call(desk.platform.create_comment(pr, commands.help_text()))
            desk.react("+1")
            return 0
        case "review":
            return _review(desk, pr, asked, flags)
        case _:
            return _settle(desk, pr, asked)


def _access(desk: _Desk) -> Access:
    from loom.platforms.base import PlatformError

    try:
        return desk.bridge.call(desk.platform.access_of(desk.comment.author))
    except PlatformError as error:  # any error denies
        _tell(f"the author's permission could not be asked: {error.message}")
        return "unknown"


def _review(desk: _Desk, pr: PullRequest, asked: Command, flags: ReviewFlags) -> int:
    """The review of a job for this pull request, of the head that was there when the comment was written."""
    from loom.cli import session
    from loom.platforms.ci_context import same_commit

    pinned = desk.comment.head_sha
    if pinned is not None and not same_commit(pinned, pr.head_sha):
        return desk.refuse(
            pr, f"The head moved from `{pinned[:10]}` to `{pr.head_sha[:10]}` after that comment: ask again."
        )
    if not pr.open:
        return desk.refuse(pr, "The pull request is closed: there is nothing to review.")
    desk.react("eyes")
    try:
        code = session.run_review(replace(flags, post=True, full=asked.full, pinned=pr.head_sha))
    except BaseException:  # whatever ended it: the receipt must not go on saying that it is under way
        desk.react("-1")
        raise
    if code in _DONE:
        desk.react("+1")
    elif code == 2:
        url = desk.target.job.run_url if desk.target.job is not None else None
        desk.refuse(
            pr, "The review could not begin. Why stands in " + (f"[the job's log]({url})." if url else "the job's log.")
        )
    else:
        desk.react("-1")
    return code


# -- ignore and resolve -----------------------------------------------------------------------------------------------


def _settle(desk: _Desk, pr: PullRequest, asked: Command) -> int:
    """Say whether the command will be heard, and settle the finding's thread. The comment itself is what every later
    review goes by (engine.recall)."""
    from loom.core.marker import Seal
    from loom.core.told import Silence
    from loom.engine.assign import still_counts
    from loom.engine.recall import recall

    key = desk.host.environ.get("LOOM_STATE_KEY", "")
    seal = Seal(repo=desk.target.project.repo, number=pr.number, key=key)
    threads = desk.bridge.call(desk.platform.threads(pr))
    memory = recall(threads, seal)
    found = _meant(desk.comment, asked, memory, threads)
    if len(found) != 1:
        named = f"`{asked.fingerprint}`" if asked.fingerprint else "That thread"
        what = f"begins {len(found)} fingerprints: give more of it" if found else "is no finding that is open here"
        return desk.refuse(pr, f"{named} {what}.")
    fp = found[0]
    how: Literal["ignore", "resolve"] = "ignore" if asked.verb == "ignore" else "resolve"
    silence = Silence(fingerprint=fp, who=desk.comment.author, how=how, reason=asked.reason)
    known = memory.known.get(fp)
    if known is not None and still_counts(known.finding(), silence):
        return desk.refuse(
            pr,
            f"`{fp}` is a tool's blocker: it counts until it is fixed, or ignored with a reason "
            f"(`/loom ignore {fp} reason`).",
        )
    own = memory.comments.get(fp)
    if own is not None:
        _resolve(desk, pr, own)
    desk.react("+1")
    return 0


def _meant(comment: CiComment, asked: Command, memory: Memory, threads: tuple[Thread, ...]) -> list[str]:
    """The fingerprints that the command can mean: by name, or the one whose thread it stands in."""
    if asked.fingerprint is not None:
        return sorted(fp for fp in memory.known.keys() | memory.comments.keys() if fp.startswith(asked.fingerprint))
    ids = {comment.id, comment.in_reply_to}
    here = {thread.id for thread in threads if any(said.id in ids for said in thread.comments)}
    return sorted(fp for fp, own in memory.comments.items() if own.thread.id in here)


def _resolve(desk: _Desk, pr: PullRequest, own: Own) -> None:
    """Where this token can; else the next review does what it can."""
    from loom.platforms.base import Cap, PlatformError

    thread = own.thread
    if (
        Cap.RESOLVE not in desk.platform.profile.caps
        or thread.resolved
        or not (thread.resolvable and thread.can_resolve)
    ):
        return
    try:
        desk.bridge.call(desk.platform.resolve(pr, thread))
    except PlatformError as error:
        _tell(f"the thread was left open: {error.message}")
