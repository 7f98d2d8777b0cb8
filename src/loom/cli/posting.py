"""Posting a review on its pull request: what the engine decides is carried out over the connection that read it."""

from __future__ import annotations

import asyncio
import functools
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loom.core.result import ReviewResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from loom.cli.host import Host
    from loom.cli.opening import Opened
    from loom.cli.source import OpenPull
    from loom.config.schema import Config
    from loom.core.finding import Finding
    from loom.engine.comment_text import Manners
    from loom.engine.publish import Posting
    from loom.engine.recall import Memory
    from loom.platforms.base import Platform
    from loom.platforms.values import Access

_ANNOTATED = 10
"""Annotations of one level that GitHub shows of a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What posting needs besides the result."""

    pull: OpenPull
    config: Config
    host: Host
    read: Callable[[str], bytes | None]
    """Files of the trusted place, for `output.summary_template`."""
    may_approve: bool = True
    """False where what ran is not trusted."""
    admit: Callable[[ReviewResult, Memory], ReviewResult] = lambda result, _: result
    """A last look at the result, once it is known what stands on the pull request."""
    allow_incomplete: bool = False
    dry_run: bool = False


def post_result(
    result: ReviewResult,
    pull: OpenPull,
    opened: Opened,
    config: Config,
    host: Host,
    *,
    may_approve: bool = True,
    allow_incomplete: bool = False,
    admit: Callable[[ReviewResult, Memory], ReviewResult] = lambda result, _: result,
) -> ReviewResult:
    """Post a result that was not made just now (`loom publish`)."""
    desk = Desk(
        pull=pull,
        config=config,
        host=host,
        read=opened.read,
        may_approve=may_approve,
        admit=admit,
        allow_incomplete=allow_incomplete,
    )
    return post(result, desk)


def post(result: ReviewResult, desk: Desk) -> ReviewResult:
    """Post the review, or with `dry_run` print what would be posted. The result with placements, actions and the
    outcome as it is now. Raises ConfigError for a template that cannot be used; what a platform refuses is in the
    result."""
    about = _about(desk, result)
    return desk.pull.bridge.call(_post(result, desk, about))


async def _post(result: ReviewResult, desk: Desk, about: Posting) -> ReviewResult:
    from loom.core.result import Notice
    from loom.engine.posting import decide
    from loom.engine.publish import publish
    from loom.engine.recall import recall
    from loom.engine.standing import concluded
    from loom.platforms.base import PlatformError

    reviewed, real = desk.pull.pull.pr, desk.pull.platform
    try:
        await real.probe()  # first: whose comments are our own, some platforms tell only there
        pr, threads = await asyncio.gather(real.pull_request(), real.threads(reviewed))
        if pr.head_sha != reviewed.head_sha:
            pr = reviewed  # publishing looks at the head again, and stops
        memory = recall(threads, about.seal)
        access = await _access(real, memory)
    except PlatformError as error:
        # What stands there already is not known: posting now could say everything twice.
        outcome = concluded(
            result.outcome, blocking=result.outcome.blocking, delivered=False, allow_incomplete=desk.allow_incomplete
        )
        told = Notice(error.slug, f"nothing was posted: {error.message}", error.hint)
        return replace(result, outcome=outcome, errors=(*result.errors, told))
    result = desk.admit(result, memory)
    platform = real
    if desk.dry_run:
        from loom.cli.rehearsal import Rehearsal

        platform = Rehearsal(real, say=_say)
    plan = decide(
        result,
        pr,
        threads,
        profile=platform.profile,
        output=desk.config.output,
        seal=about.seal,
        access=access,
        manners=about.manners,
        least=desk.config.commands.ignore,
        may_approve=desk.may_approve and not pr.fork,
    )
    published = await publish(plan, platform, pr, about)
    if desk.dry_run:  # nothing happened: the result is the plan's, with what people said in it
        return replace(published.result, actions=result.actions, outcome=plan.result.outcome)
    return published.result


async def _access(platform: Platform, memory: Memory) -> dict[str, Access]:
    """What those may do who settled something. Whoever cannot be asked about may nothing."""
    from loom.platforms.base import PlatformError

    actors = sorted(memory.actors)
    found = await asyncio.gather(*(platform.access_of(who) for who in actors), return_exceptions=True)
    known: dict[str, Access] = {}
    for who, access in zip(actors, found, strict=True):
        if isinstance(access, PlatformError):
            continue
        if isinstance(access, BaseException):
            raise access
        known[who] = access
    return known


def check(desk: Desk) -> None:
    """What is wrong with the configuration of posting, before any work is done. Raises ConfigError."""
    _template(desk)


def _about(desk: Desk, result: ReviewResult) -> Posting:
    """How it is posted: in whose name, in which words, with which template."""
    from loom.core.marker import Seal
    from loom.engine.publish import Posting
    from loom.outputs.comment import render

    pull, output = desk.pull, desk.config.output
    pr, project = pull.pull.pr, pull.target.project
    job = pull.target.job
    return Posting(
        seal=Seal(repo=project.repo, number=pr.number, key=desk.host.environ.get("LOOM_STATE_KEY", "")),
        summarise=functools.partial(render, template=_template(desk), group_by=output.group_by),
        manners=_manners(project.web_url, project.platform),
        channel=functools.partial(_annotate, result) if job is not None and job.ci == "github-actions" else None,
        commands=(("/loom ignore FINGERPRINT reason", "silences a finding, for who may write here"),),
        status_url=job.run_url if job is not None else None,
        second_stage=job is not None and not job.privileged and pr.fork,
        allow_incomplete=desk.allow_incomplete,
    )


def _manners(web_url: str, platform: str) -> Manners:
    from urllib.parse import urlsplit

    from loom.engine.comment_text import Manners

    host = urlsplit(web_url).hostname
    return Manners(link_hosts=frozenset({host} if host else ()), gitlab=platform == "gitlab")


def _template(desk: Desk) -> str | None:
    """The team's template from the trusted place. Raises ConfigError when it is not there or names what does not
    exist."""
    from loom.core.errors import ConfigError, Problem
    from loom.outputs.comment import check_template

    named = desk.config.output.summary_template
    if named is None:
        return None
    path = f".loom/{named}"
    content = desk.read(path)
    if content is None:
        raise ConfigError([Problem(path, 0, 0, "output.summary_template", "there is no such file")])
    text = content.decode("utf-8", "replace")
    check_template(text, path)
    return text


def _annotate(result: ReviewResult, findings: Sequence[Finding]) -> frozenset[str]:
    """Show findings as annotations of the job's own log; which of them the runner will show."""
    from loom import outputs
    from loom.core.finding import Severity
    from loom.outputs.base import Look

    shown: list[str] = []
    for severity in Severity:
        shown += [f.fingerprint for f in findings if f.severity is severity][:_ANNOTATED]
    sys.stderr.write(outputs.output("github")(replace(result, findings=tuple(findings)), Look()))
    return frozenset(shown)


def _say(lines: Iterable[str]) -> None:
    from loom.infra.text import to_terminal

    sys.stdout.write("".join(f"{to_terminal(line)}\n" for line in lines))
