"""CIs that stand beside a platform and tell by variables alone: Woodpecker, Drone, CircleCI, Travis, and a job of any
other kind that sets Loom's own."""

from __future__ import annotations

from collections.abc import Mapping

from loom.core.errors import UsageError
from loom.platforms import address
from loom.platforms.ci_context import CiContext, Job, tokens_of
from loom.platforms.values import Event, Project

_EVENTS: Mapping[str, Event] = {
    "pull_request": "pr",
    "pull_request_metadata": "pr",
    "push": "push",
    "cron": "schedule",
}
_HARMLESS = ("CI_*", "DRONE_*", "CIRCLE_*", "TRAVIS_*")
"""Without an express word none of these hands a fork's job the repository's secrets."""


def woodpecker(job: Job, platform: str, ci: str) -> CiContext | None:
    """Woodpecker, which says what it stands beside. https://woodpecker-ci.org/docs/usage/environment"""
    named = job.get("LOOM_PLATFORM", "CI_FORGE_TYPE") or ""
    url, repo = job.get("CI_FORGE_URL"), job.get("CI_REPO")
    if url is None or repo is None or named not in {row.name for row in address.ROWS}:
        return None
    event = _EVENTS.get(job.get("CI_PIPELINE_EVENT") or "", "manual")
    labels = job.get("CI_COMMIT_PULL_REQUEST_LABELS") or ""
    number = job.number("CI_COMMIT_PULL_REQUEST")
    return CiContext(
        ci=ci,
        project=address.project(named, url, repo, variable="CI_FORGE_URL"),
        event=event,
        number=number,
        why_no_number="" if number else f'the pipeline event "{job.get("CI_PIPELINE_EVENT")}" names no pull request',
        head_sha=job.sha("CI_COMMIT_SHA"),
        job_sha=job.sha("CI_COMMIT_SHA"),
        labels=tuple(name for part in labels.split(",") if (name := part.strip())),
        author=job.get("CI_COMMIT_AUTHOR"),
        source_branch=job.get("CI_COMMIT_SOURCE_BRANCH"),
        target_branch=job.get("CI_COMMIT_TARGET_BRANCH"),
        privileged=event != "pr",
        harmless=_HARMLESS if event == "pr" else (),
        run_url=job.get("CI_PIPELINE_URL"),
        tokens=tokens_of(named),
    )


def plain(job: Job, platform: str, ci: str) -> CiContext | None:
    """A pull request's URL in a variable, or its number with the repository in others."""
    for name in ("LOOM_PR", "CI_PULL_REQUEST", "CIRCLE_PULL_REQUEST", "DRONE_PULL_REQUEST_LINK"):
        value = job.get(name) or ""
        if "://" in value:
            try:
                found = address.parse_pull(value, platform=job.get("LOOM_PLATFORM"), root=job.get("LOOM_PLATFORM_URL"))
            except UsageError as error:
                if name == "LOOM_PR":
                    raise UsageError(f"LOOM_PR: {error.message.removeprefix('--pr: ')}", hint=error.hint) from None
                continue
            return _context(job, ci, found.project, found.number)
    number = job.number("LOOM_PR", "CI_PULL_REQUEST", "DRONE_PULL_REQUEST", "CIRCLE_PR_NUMBER", "TRAVIS_PULL_REQUEST")
    project = _project(job)
    return _context(job, ci, project, number) if project is not None else None


def _project(job: Job) -> Project | None:
    """The repository and where it is; None where that is not said."""
    repo = job.get("LOOM_REPO", "DRONE_REPO", "TRAVIS_REPO_SLUG")
    owner, name = job.get("CIRCLE_PROJECT_USERNAME"), job.get("CIRCLE_PROJECT_REPONAME")
    repo = repo or (f"{owner}/{name}" if owner and name else None)
    remote = address.parse_remote(job.get("DRONE_GIT_HTTP_URL", "CIRCLE_REPOSITORY_URL") or "")
    url = job.get("LOOM_PLATFORM_URL") or (remote[0] if remote else None)
    if url is None and job.get("TRAVIS_REPO_SLUG"):
        url = "https://github.com"
    if repo is None or url is None:
        return None
    platform = job.get("LOOM_PLATFORM") or address.platform_of(address.host_of(url))
    return address.project(platform, url, repo, variable="LOOM_PLATFORM_URL") if platform else None


def _context(job: Job, ci: str, project: Project, number: int | None) -> CiContext:
    return CiContext(
        ci=ci,
        project=project,
        event="pr" if number else "manual",
        number=number,
        why_no_number="" if number else "the job's variables name no pull request",
        head_sha=job.sha("DRONE_COMMIT_SHA", "CIRCLE_SHA1", "TRAVIS_PULL_REQUEST_SHA"),
        job_sha=job.sha("DRONE_COMMIT_SHA", "CIRCLE_SHA1", "TRAVIS_COMMIT"),
        source_branch=job.get("DRONE_SOURCE_BRANCH", "CIRCLE_BRANCH", "TRAVIS_PULL_REQUEST_BRANCH"),
        target_branch=job.get("DRONE_TARGET_BRANCH", "TRAVIS_BRANCH"),
        draft=job.get("DRONE_PULL_REQUEST_DRAFT") == "true" if job.get("DRONE_PULL_REQUEST_DRAFT") else None,
        # Nobody says whether this job is one that a stranger's change has started, or one that may be trusted.
        privileged=not job.get("DRONE_PULL_REQUEST", "CIRCLE_PULL_REQUEST", "TRAVIS_PULL_REQUEST_SHA"),
        harmless=_HARMLESS if job.get("DRONE", "CIRCLECI", "TRAVIS") else (),
        run_url=job.get("DRONE_BUILD_LINK", "CIRCLE_BUILD_URL", "TRAVIS_BUILD_WEB_URL"),
        tokens=tokens_of(project.platform),
    )
