"""GitLab CI: merge request pipelines in their three kinds, branch pipelines with an open merge request, and pipelines
that a webhook triggered."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from loom.platforms import address
from loom.platforms.ci_context import CiComment, CiContext, Job, Payload, tokens_of
from loom.platforms.values import Event, Project

_EVENTS: dict[str, Event] = {"merge_request_event": "pr", "push": "push", "schedule": "schedule", "trigger": "comment"}
_OPEN = re.compile(r"\s*([^\s!,]+)!([1-9][0-9]{0,9})\s*")
_JOBS_OWN = ("CI_*", "GITLAB_FEATURES")


def read(job: Job, platform: str, ci: str) -> CiContext | None:
    """What the job says. None where not even a project is named."""
    repo = job.get("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH")
    if repo is None:
        return None
    context = CiContext(
        ci=ci,
        project=_project(job, platform, repo),
        event=_EVENTS.get(job.get("CI_PIPELINE_SOURCE") or "", "manual"),
        job_sha=job.sha("CI_COMMIT_SHA"),
        run_url=job.get("CI_JOB_URL", "CI_PIPELINE_URL"),
        server_version=job.get("CI_SERVER_VERSION"),
        tokens=tokens_of(platform),
    )
    if job.get("CI_MERGE_REQUEST_IID"):
        return _of_merge_request(job, context)
    if job.get("TRIGGER_PAYLOAD"):
        return _of_webhook(job, context)
    return _of_branch(job, replace(context, event="push" if context.event == "comment" else context.event))


def _project(job: Job, platform: str, repo: str) -> Project:
    server = job.get("CI_SERVER_URL") or "https://gitlab.com"
    project = address.project(platform, server, repo, variable="CI_SERVER_URL")
    api = job.get("CI_API_V4_URL")
    if api is None:
        return project
    address.project(platform, api, repo, variable="CI_API_V4_URL")  # refuses what is no address
    return replace(project, api_url=api.rstrip("/"))


def _of_merge_request(job: Job, context: CiContext) -> CiContext:
    # In merged-results pipelines and merge trains the job's commit is a merge made for it, thrown away afterwards.
    merged = job.get("CI_MERGE_REQUEST_EVENT_TYPE") in ("merged_result", "merge_train")
    source, target = job.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID"), job.get("CI_MERGE_REQUEST_PROJECT_ID")
    fork = source != target if target else None  # without a source the fork was deleted
    in_target = job.get("CI_PROJECT_ID") in (target, None)
    privileged = in_target if fork else True
    labels = job.get("CI_MERGE_REQUEST_LABELS") or ""
    return replace(
        context,
        event="pr",
        number=job.number("CI_MERGE_REQUEST_IID"),
        head_sha=job.sha("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") if merged else job.sha("CI_COMMIT_SHA"),
        base_sha=job.sha("CI_MERGE_REQUEST_TARGET_BRANCH_SHA") if merged else None,
        merge_base=job.sha("CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        fork=fork,
        draft=_is_draft(job),
        labels=tuple(name for part in labels.split(",") if (name := part.strip())),
        title=job.get("CI_MERGE_REQUEST_TITLE"),
        source_branch=job.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        target_branch=job.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        privileged=privileged,
        harmless=() if privileged else _JOBS_OWN,
    )


def _is_draft(job: Job) -> bool | None:
    said = job.get("CI_MERGE_REQUEST_DRAFT")
    if said in ("true", "false"):
        return said == "true"
    title = job.get("CI_MERGE_REQUEST_TITLE")
    return bool(re.match(r"\s*(?:draft:|\[draft\]|\(draft\)|wip:)", title, re.IGNORECASE)) if title else None


def _of_branch(job: Job, context: CiContext) -> CiContext:
    """Up to four merge requests of the branch are named, as `group/project!7`; one in the job's own project first."""
    found = [_OPEN.fullmatch(entry) for entry in (job.get("CI_OPEN_MERGE_REQUESTS") or "").split(",")]
    entries = [(entry[1], int(entry[2])) for entry in found if entry]
    entries.sort(key=lambda entry: entry[0] != context.project.repo)
    context = replace(
        context,
        head_sha=job.sha("CI_COMMIT_SHA"),
        before_sha=job.sha("CI_COMMIT_BEFORE_SHA"),
        source_branch=job.get("CI_COMMIT_BRANCH"),
    )
    if not entries:
        source = job.get("CI_PIPELINE_SOURCE") or "?"
        return replace(context, why_no_number=f'a pipeline of "{source}" names no merge request')
    repo, number = entries[0]
    fork = repo != context.project.repo
    return replace(
        context,
        project=replace(context.project, repo=repo),
        event="pr",
        number=number,
        fork=fork,
        privileged=not fork,
        harmless=_JOBS_OWN if fork else (),
    )


def _of_webhook(job: Job, context: CiContext) -> CiContext:
    """A note's webhook that triggers a pipeline; its payload is a file, or the JSON itself in older versions."""
    payload = job.payload("TRIGGER_PAYLOAD")
    if payload.problem:
        try:
            value = json.loads(job.get("TRIGGER_PAYLOAD") or "")
            payload = Payload(value) if isinstance(value, dict) else payload
        except (ValueError, RecursionError):
            return replace(context, event="manual", why_no_number=payload.problem)
    merge_request, note, user = payload.at("merge_request"), payload.at("object_attributes"), payload.at("user")
    number = merge_request.number("iid")
    if number is None:
        return replace(context, event="manual", why_no_number="TRIGGER_PAYLOAD is about no merge request")
    source, target = merge_request.number("source_project_id"), merge_request.number("target_project_id")
    return replace(
        context,
        event="comment",
        number=number,
        fork=source != target if target else None,
        draft=merge_request.flag("draft"),
        labels=merge_request.names("labels"),
        title=merge_request.text("title"),
        source_branch=merge_request.text("source_branch"),
        target_branch=merge_request.text("target_branch"),
        comment=CiComment(
            id=note.text("id") or "",
            body=note.text("note") or "",
            author=user.text("username") or "",
            author_is_bot=user.text("username") is None or "_bot" in (user.text("username") or ""),
            action={"create": "created", "update": "edited"}.get(note.text("action") or "create", "edited"),
            inline=note.text("type") == "DiffNote",
            created_at=note.text("created_at") or "",
            head_sha=merge_request.sha("last_commit", "id"),
        ),
    )
