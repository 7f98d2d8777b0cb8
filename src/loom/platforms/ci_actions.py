"""GitHub Actions, and Gitea's and Forgejo's, which set the same variables and write the same kind of payload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from loom.platforms import address
from loom.platforms.ci_context import CiComment, CiContext, Job, Payload, tokens_of
from loom.platforms.values import Event, Project

_EVENTS: Mapping[str, Event] = {
    "pull_request": "pr",
    "pull_request_sync": "pr",  # Gitea
    "pull_request_review": "pr",
    "pull_request_target": "pr_target",
    "issue_comment": "comment",
    "pull_request_comment": "comment",  # Gitea
    "pull_request_review_comment": "review_comment",
    "workflow_run": "workflow_run",
    "merge_group": "merge_group",
    "push": "push",
    "schedule": "schedule",
}
_UNPRIVILEGED: frozenset[Event] = frozenset({"pr", "review_comment"})
"""From a fork these get a token that may only read, and no secrets (facts: platforms, section 2.2)."""
_JOBS_OWN = ("GITHUB_TOKEN", "GH_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN", "LOOM_TOKEN", "ACTIONS_*", "RUNNER_*")


def read(job: Job, platform: str, ci: str) -> CiContext | None:
    """What the job says. None where not even a repository is named."""
    repo = job.get("GITHUB_REPOSITORY")
    if repo is None:
        return None
    name = job.get("GITHUB_EVENT_NAME") or ""
    event: Event = _EVENTS.get(name, "manual")
    payload = job.payload("GITHUB_EVENT_PATH")
    project = _project(job, platform, repo)
    context = CiContext(
        ci=ci,
        project=project,
        event=event,
        job_sha=job.sha("GITHUB_SHA"),
        privileged=event not in _UNPRIVILEGED,
        harmless=_JOBS_OWN if event in _UNPRIVILEGED else (),
        run_url=_run_url(job, project),
        tokens=tokens_of(platform),
    )
    match event:
        case "comment":
            context = _of_comment(context, payload)
        case "workflow_run":
            context = _of_workflow_run(context, payload.at("workflow_run"))
        case "merge_group":
            context = _of_merge_group(context, payload.at("merge_group"))
        case "push":
            context = replace(context, head_sha=payload.sha("after") or job.sha("GITHUB_SHA"))
        case _:
            context = _of_pull(context, payload, payload.at("pull_request"))
    if context.number is None and (
        found := re.fullmatch(r"refs/pull/([1-9][0-9]{0,9})/\w+", job.get("GITHUB_REF") or "")
    ):
        context = replace(context, number=int(found[1]))
    if context.number is not None:
        return context
    return replace(context, why_no_number=_why(name, payload))


def _project(job: Job, platform: str, repo: str) -> Project:
    server = job.get("GITHUB_SERVER_URL") or "https://github.com"
    project = address.project(platform, server, repo, variable="GITHUB_SERVER_URL")
    api = job.get("GITHUB_API_URL")
    if api is None:
        return project
    address.project(platform, api, repo, variable="GITHUB_API_URL")  # refuses what is no address
    return replace(project, api_url=api.rstrip("/"))


def _run_url(job: Job, project: Project) -> str | None:
    run = job.get("GITHUB_RUN_ID")
    return f"{project.web_url}/{project.repo}/actions/runs/{run}" if run and run.isdigit() else None


def _of_pull(context: CiContext, payload: Payload, pull: Payload) -> CiContext:
    if not pull:
        return context
    context = replace(
        context,
        number=pull.number("number") or payload.number("number"),
        head_sha=pull.sha("head", "sha"),
        base_sha=pull.sha("base", "sha"),
        merge_base=pull.sha("merge_base"),  # Gitea and Forgejo
        before_sha=payload.sha("before"),
        fork=_is_fork(pull.at("head", "repo"), pull.at("base", "repo")),
        draft=pull.flag("draft"),
        labels=pull.names("labels"),
        author=pull.text("user", "login"),
        title=pull.text("title"),
        source_branch=pull.text("head", "ref"),
        target_branch=pull.text("base", "ref"),
    )
    comment = payload.at("comment")
    return replace(context, comment=_comment(payload, comment, inline=True)) if comment else context


def _is_fork(head: Payload, base: Payload) -> bool:
    """A head without a repository is a fork that was deleted."""
    names = head.text("full_name"), base.text("full_name")
    if None not in names:
        return str(names[0]).casefold() != str(names[1]).casefold()
    return head.number("id") is None or head.number("id") != base.number("id")


def _of_comment(context: CiContext, payload: Payload) -> CiContext:
    issue = payload.at("issue")
    pull = payload.at("pull_request")
    on_pull = bool(issue.at("pull_request") or pull) or payload.flag("is_pull") is True
    context = replace(
        context,
        comment=_comment(payload, payload.at("comment"), inline=False),
        draft=issue.flag("draft"),
        labels=issue.names("labels"),
        author=issue.text("user", "login"),
        title=issue.text("title"),
    )
    if not on_pull:
        return context
    if pull:  # Gitea and Forgejo tell the whole pull request; its head may have moved since
        of_pull = _of_pull(context, payload, pull)
        context = replace(of_pull, comment=context.comment, head_sha=None, base_sha=None, merge_base=None)
    return replace(context, number=issue.number("number") or context.number)


def _comment(payload: Payload, comment: Payload, *, inline: bool) -> CiComment | None:
    number = comment.text("id")
    if number is None:
        return None
    user = comment.at("user")
    return CiComment(
        id=number,
        body=comment.text("body") or "",
        author=user.text("login") or "",
        author_is_bot=user.text("type") == "Bot" or (user.text("login") or "").endswith("[bot]"),
        action=payload.text("action") or "",
        inline=inline,
        in_reply_to=comment.text("in_reply_to_id"),
        created_at=comment.text("created_at") or "",
        head_sha=payload.sha("pull_request", "head", "sha"),
    )


def _of_workflow_run(context: CiContext, run: Payload) -> CiContext:
    """The first stage's run. For a fork the list of pull requests is empty: the head has to be looked up."""
    head = run.sha("head_sha")
    own = run.at("repository").number("id")
    pulls = [
        pull for pull in run.list("pull_requests") if own is None or pull.number("base", "repo", "id") in (own, None)
    ]
    exact = [pull for pull in pulls if pull.sha("head", "sha") == head]
    only = exact[0] if len(exact) == 1 else pulls[0] if len(pulls) == 1 else Payload()
    there, here = run.text("head_repository", "full_name"), run.text("repository", "full_name")
    return replace(
        context,
        number=only.number("number"),
        head_sha=head,
        fork=there.casefold() != here.casefold() if there and here else None,
        source_branch=run.text("head_branch"),
        target_branch=only.text("base", "ref"),
    )


def _of_merge_group(context: CiContext, group: Payload) -> CiContext:
    target = group.text("base_ref")
    return replace(
        context,
        head_sha=group.sha("head_sha"),
        base_sha=group.sha("base_sha"),
        target_branch=target.removeprefix("refs/heads/") if target else None,
    )


def _why(name: str, payload: Payload) -> str:
    if payload.problem:
        return payload.problem
    about = {"issue_comment": ", and its comment is on an issue"}.get(name, "")
    return f'the event "{name or "?"}" names no pull request{about}'
