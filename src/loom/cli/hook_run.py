"""What a git hook does: review what is pushed (or committed), let facts stop it and models advise.

The exit code is git's to read: 0 lets it go on, everything else stops it. Only a finding of a tool at the bar stops a
push (1), or a configuration with which nothing can be reviewed (2). What could not be reviewed is said, and goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loom.core.errors import ConfigError, LoomError

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.cli.host import Host
    from loom.cli.wiring import Checkout
    from loom.core.result import ReviewResult
    from loom.infra.git_push import Update

MAX_SECONDS = 60.0
"""For all that one push brings: long enough for a model, short enough to wait for."""
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One change to review in a hook."""

    name: str
    """To people: `main`."""
    flags: ReviewFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What kind of hook it is."""

    action: str
    """What is stopped: `push`, `commit`."""
    anyway: str
    """The command that leaves the hook out."""


PUSH = Stage(action="push", anyway="git push --no-verify")
COMMIT = Stage(action="commit", anyway="git commit --no-verify")


def pre_push(host: Host, remote: str, lines: str, *, max_seconds: float, offline: bool) -> int:
    """The hook of a push: `lines` is what git says on standard input. The exit code."""
    from loom.infra.git_push import updates

    named = _of_pre_commit(host.environ) or (remote, updates(lines))
    moved = [update for update in named[1] if update.brings_commits]
    if not moved:
        return 0
    return _guarded(host, PUSH, lambda checkout: _pushed(checkout, named[0], moved, offline), max_seconds)


def pre_commit(host: Host, *, max_seconds: float, offline: bool) -> int:
    """The hook of a commit: what is staged. The exit code."""
    task = Task(name="staged changes", flags=replace(_flags(offline), staged=True))
    return _guarded(host, COMMIT, lambda _: [task], max_seconds)


# -- which changes ----------------------------------------------------------------------------------------------------


def _flags(offline: bool) -> ReviewFlags:
    from loom.cli.flags import ReviewFlags

    return ReviewFlags(fail_on_model="never", allow_incomplete=True, offline=offline)


def _pushed(checkout: Checkout, remote: str, moved: Sequence[Update], offline: bool) -> list[Task]:
    """A review for each new stretch of commits; two names for one of them are one review."""
    git = checkout.need_git()
    pushing = git.pushing()
    tasks: dict[tuple[str, str], Task] = {}
    for update in moved:
        if (pushed := pushing.pushed(update, remote)) is not None:
            between = (pushed[0] or git.empty_tree, pushed[1])
            name = update.remote_ref.removeprefix("refs/heads/")
            tasks.setdefault(between, Task(name=name, flags=replace(_flags(offline), base=between[0], head=between[1])))
    return list(tasks.values())


def _of_pre_commit(environ: Mapping[str, str]) -> tuple[str, tuple[Update, ...]] | None:
    """What the pre-commit framework makes of git's lines: it reads them itself, and runs a hook for each.
    https://github.com/pre-commit/pre-commit/blob/main/pre_commit/commands/run.py"""
    from loom.infra.git_push import Update

    if not environ.get("PRE_COMMIT_REMOTE_NAME"):
        return None
    nothing = "0" * 40
    update = Update(
        local_ref=environ.get("PRE_COMMIT_LOCAL_BRANCH", "HEAD"),
        local=environ.get("PRE_COMMIT_TO_REF") or "HEAD",  # none of both for the first push to an empty remote
        remote_ref=environ.get("PRE_COMMIT_REMOTE_BRANCH", ""),
        remote=environ.get("PRE_COMMIT_FROM_REF") or nothing,
    )
    return environ["PRE_COMMIT_REMOTE_NAME"], (update,)


# -- reviewing and telling --------------------------------------------------------------------------------------------


def _guarded(host: Host, stage: Stage, tasks: Callable[[Checkout], Sequence[Task]], max_seconds: float) -> int:
    """Review, whatever happens: what is nobody's finding does not stop anybody."""
    from loom.cli import interrupts, wiring
    from loom.infra import log

    interrupts.listen()
    log.configure(sys.stderr, form="text", verbosity=0, mask=wiring.mask_own)
    try:
        with interrupts.told(), wiring.open_checkout(host) as checkout:
            return _review(host, checkout, stage, tasks(checkout), max_seconds)
    except interrupts.InterruptedReviewError as error:
        log.show_error(error)
        return error.exit_code
    except ConfigError as error:
        log.show_error(error)
        _say(f"the {stage.action} is stopped, since nothing can be reviewed like this; anyway: {stage.anyway}")
        return error.exit_code
    except LoomError as error:
        log.show_error(error)
    except Exception as error:  # noqa: BLE001 - a fault of ours must keep nobody from pushing
        from loom.cli.exits import ending

        ending(error, verbose=False, mask=wiring.mask_own, say=_say)
    _say(f"not reviewed; the {stage.action} goes on")
    return 0


def _review(host: Host, checkout: Checkout, stage: Stage, tasks: Sequence[Task], max_seconds: float) -> int:
    from loom.cli import session, wiring
    from loom.engine.gate import Exit

    state = wiring.repo_state(host, checkout)
    deadline = time.monotonic() + max_seconds
    stopping: list[ReviewResult] = []
    for task in tasks:
        left = max(_LEAST_SECONDS, deadline - time.monotonic())
        result = session.review_now(replace(task.flags, max_seconds=left), host, checkout, state)
        _tell(host, task, result, stage)
        if result.outcome.exit_code == Exit.INTERRUPTED:
            return int(Exit.INTERRUPTED)
        stopping += [result] if result.outcome.blocking else []
    if not stopping:
        return 0
    _say(
        f"the {stage.action} is stopped: mend what blocks, or `loom ignore {_blocking(stopping[-1])} --reason WHY`; "
        f"anyway: {stage.anyway}"
    )
    return int(Exit.BLOCKING)


def _blocking(result: ReviewResult) -> str:
    """The fingerprint of a finding that blocks: the worst that a tool knows of."""
    known = [(f.deterministic_severity.rank, f.fingerprint) for f in result.findings if f.deterministic_severity]
    return min(known)[1] if known else "FINGERPRINT"


def _tell(host: Host, task: Task, result: ReviewResult, stage: Stage) -> None:
    """Findings on standard output; the verdict, when there are none, and what lacks on standard error."""
    from loom.cli.show import Shown
    from loom.infra import log
    from loom.outputs import summary

    if result.findings:
        for error in Shown.of(task.flags, host).write(result):
            log.show_error(error)
    else:
        _say(f"{task.name}: {summary.verdict(result).text}")
    if not result.outcome.complete and not result.outcome.blocking:
        _say(f"{task.name}: not everything was reviewed; the {stage.action} goes on")


def _say(text: str) -> None:
    from loom.infra.text import one_line, to_terminal

    sys.stderr.write(to_terminal(f"loom: {one_line(text.removeprefix('loom: '), 1_000)}") + "\n")
    sys.stderr.flush()
