"""Reading a GitLab merge request: what it is, its diff, its files and what was said on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from loom.platforms import gitlab_probe
from loom.platforms import gitlab_wire as wire
from loom.platforms.answers import at, flag, number_or_none, text, text_or_none
from loom.platforms.base import (
    AuthError,
    DeniedError,
    MissingError,
    PlatformError,
    Profile,
    RejectedError,
    StaleError,
)
from loom.platforms.gitlab_diff import Diffs
from loom.platforms.gitlab_review import Notes
from loom.platforms.http import Api, Setup
from loom.platforms.values import PlatformDiff, PullRequest, Thread

_PREPARING_S = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0)
"""GitLab makes the diff of a new merge request in the background; together 30 s."""
_LINK = 4096
"""Bytes of the longest target of a symbolic link."""
_REFUSED = (AuthError, DeniedError, MissingError)
"""A job's own token is refused with 401, 403 or 404, as the version will have it."""


class GitLabReader:
    """One merge request, to be read."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._is_job = gitlab_probe.is_job_token(setup.token)
        self._api = Api(setup, gitlab_probe.headers(setup.token))
        self._project = f"projects/{quote(setup.project.repo, safe='')}"
        self._mr = f"{self._project}/merge_requests/{setup.number}"
        self._notes = Notes(setup, self._api, self._mr)
        self._diffs = Diffs(self._api, self._mr, self.file)
        self._me: int | None = None
        self._refs: wire.Refs | None = None
        self._tips: dict[str, str] = {}
        self._sources: dict[int, str | None] = {}
        self._source: int | None = None
        """The project that the head lives in."""
        self._pipeline: int | None = None
        self.profile = gitlab_probe.before_asking(setup.token)

    async def probe(self) -> Profile:
        """See base. Of a CI job's own token nobody can ask whose it is, and it may only read."""
        self.profile, self._me = await gitlab_probe.probe(self._setup, self._api, self._project)
        return self.profile

    async def pull_request(self) -> PullRequest:
        """See base. The tip of the target and the name of a fork are asked for once in a run."""
        mr, self._refs = await self._prepared()
        target, source = number_or_none(mr, "target_project_id"), number_or_none(mr, "source_project_id")
        fork = source != target
        self._source = source
        head_pipeline = text_or_none(mr, "head_pipeline", "sha") == self._refs.head
        self._pipeline = number_or_none(mr, "head_pipeline", "id") if head_pipeline else None
        target_branch = text(mr, "target_branch")
        tip, source_repo = await asyncio.gather(
            self._tip(target_branch, self._refs.start), self._source_repo(source if fork else None)
        )
        author = text_or_none(mr, "author", "username") or ""
        return PullRequest(
            number=self._setup.number,
            title=text_or_none(mr, "title") or "",
            body=text_or_none(mr, "description") or "",
            author=author,
            author_is_bot=wire.is_bot(author) or flag(mr, "author", "bot"),
            draft=wire.is_draft(mr),
            open=text_or_none(mr, "state") == "opened",
            labels=wire.labels(mr),
            source_branch=text_or_none(mr, "source_branch") or "",
            target_branch=target_branch,
            head_sha=self._refs.head,
            base_sha=tip,
            merge_base=self._refs.base,
            fork=fork,
            source_repo=source_repo if fork else self._setup.project.repo,
            changed_files=wire.changes_count(mr),
            web_url=text_or_none(mr, "web_url") or f"{self._web()}/-/merge_requests/{self._setup.number}",
            comments=number_or_none(mr, "user_notes_count"),
        )

    async def diff(self, pr: PullRequest) -> PlatformDiff:
        """See base: the raw diff where this server has it, else file by file, and blobs for what it leaves out."""
        return await self._diffs.read(pr)

    async def file(self, path: str, ref: str, *, fork: bool = False) -> bytes | None:
        """See base. GitLab gives the target of a symbolic link for its content: what looks like one is looked up."""
        project = f"projects/{self._source}" if fork and self._source is not None else self._project
        url = f"{project}/repository/files/{quote(path, safe='', errors='surrogateescape')}/raw"
        try:
            content = await self._api.raw(url, "*/*", {"ref": ref})
        except MissingError:
            return None
        except RejectedError as error:
            if error.slug != "platform-too-large":
                raise
            return None
        may_be_link = 0 < len(content) <= _LINK and not content.endswith(b"\n") and b"\0" not in content
        return None if may_be_link and await self._is_link(project, path, ref) else content

    async def names(self, folder: str, ref: str) -> tuple[str, ...]:
        """See base.Lister."""
        params = {"path": None if folder in ("", ".") else folder, "ref": ref, "per_page": 100}
        try:
            listed = await self._api.pages(f"{self._project}/repository/tree", params)
        except MissingError:
            return ()
        return tuple(name for entry in listed.items if (name := text_or_none(entry, "name")))

    async def threads(self, pr: PullRequest) -> tuple[Thread, ...]:
        """See base. Reactions are known of Loom's own comments."""
        try:
            discussions = await self._notes.discussions()
        except _REFUSED:
            if not self._is_job:
                raise
            listed = await self._api.pages(f"{self._mr}/notes", {"sort": "asc", "per_page": 100})
            discussions = [wire.as_discussion(note) for note in listed.items]
        every = [note for discussion in discussions for note in wire.spoken(discussion)]
        self._notes.seen = max((number_or_none(note, "id") or 0 for note in every), default=0)
        roots = [notes[0] for discussion in discussions if (notes := wire.spoken(discussion))]
        asked = [text(note, "id") for note in roots if self._wants_reactions(note)]
        awards = await asyncio.gather(*(self._awards(note) for note in asked))
        reactions = dict(zip(asked, awards, strict=True))
        found = (wire.thread(discussion, self._me, pr.head_sha, reactions) for discussion in discussions)
        return tuple(thread for thread in found if thread is not None)

    async def merge_base(self, base: str, head: str) -> str | None:
        """See base."""
        query = urlencode([("refs[]", base), ("refs[]", head)])
        try:
            reply = await self._api.get(f"{self._project}/repository/merge_base?{query}")
        except (MissingError, RejectedError):
            return None
        return text_or_none(reply.json, "id")

    async def pr_of_commit(self, sha: str) -> int | None:
        """See base."""
        try:
            pages = await self._api.pages(f"{self._project}/repository/commits/{sha}/merge_requests")
        except MissingError:
            return None
        found = [mr for mr in pages.items if text_or_none(mr, "state") == "opened" and text_or_none(mr, "sha") == sha]
        return number_or_none(found[0], "iid") if found else None

    def clone_url(self) -> str:
        """See base."""
        return f"{self._web()}.git"

    def git_credential(self) -> tuple[str, str] | None:
        """See base."""
        token = self._setup.token
        return None if token is None else ("gitlab-ci-token" if self._is_job else "oauth2", token.value)

    # -- what the methods above rest on -------------------------------------------------------------------------------

    def _web(self) -> str:
        return f"{self._setup.project.web_url}/{self._setup.project.repo}"

    async def _prepared(self) -> tuple[object, wire.Refs]:
        for pause in (*_PREPARING_S, None):
            mr = (await self._api.get(self._mr)).json
            refs = wire.refs_of_merge_request(mr)
            if refs is not None:
                return mr, refs
            if pause is not None:
                await self._setup.policy.sleep(pause)
        raise PlatformError(
            f"GitLab has not prepared the diff of merge request !{self._setup.number}",
            hint="run again in a minute",
            slug="platform-answer",
        )

    async def _tip(self, branch: str, fallback: str) -> str:
        """The tip of the target branch; what it was at the last push where it is gone or may not be asked for."""
        if branch not in self._tips:
            try:
                path = f"{self._project}/repository/commits/{quote(branch, safe='')}"
                found = text_or_none((await self._api.get(path)).json, "id")
            except _REFUSED:
                found = None
            self._tips[branch] = found or fallback
        return self._tips[branch]

    async def _source_repo(self, source: int | None) -> str | None:
        if source is None:
            return None
        if source not in self._sources:
            try:
                found = text_or_none((await self._api.get(f"projects/{source}")).json, "path_with_namespace")
            except _REFUSED:
                found = None  # a private fork
            self._sources[source] = found
        return self._sources[source]

    async def _is_link(self, project: str, path: str, ref: str) -> bool:
        params = {"path": path.rpartition("/")[0] or None, "ref": ref, "per_page": 100}
        try:
            listed = await self._api.pages(f"{project}/repository/tree", params)
        except _REFUSED:
            return False  # then its text is the name that the link points to: nothing is followed
        modes = [text_or_none(entry, "mode") for entry in listed.items if text_or_none(entry, "path") == path]
        return modes not in (["100644"], ["100755"])

    def _wants_reactions(self, note: object) -> bool:
        by_self = self._me is not None and number_or_none(note, "author", "id") == self._me
        return by_self and not flag(note, "resolved") and self._notes.is_ours({"note": at(note, "body")})

    async def _awards(self, note: str) -> Mapping[str, tuple[str, ...]]:
        try:
            pages = await self._api.pages(f"{self._mr}/notes/{note}/award_emoji", {"per_page": 100})
        except _REFUSED:
            return {}  # deleted meanwhile, or not for this token
        return wire.reactions(pages.items)

    async def _refs_of(self, pr: PullRequest) -> wire.Refs:
        """The commits to name in positions. Raises StaleError where the merge request has another head by now."""
        if self._refs is None or self._refs.head != pr.head_sha:
            versions = (await self._api.get(f"{self._mr}/versions")).json
            newest = versions[0] if isinstance(versions, list) and versions else None
            self._refs = wire.refs_of_version(newest)
        if self._refs is None or self._refs.head != pr.head_sha:
            raise StaleError(f"merge request !{pr.number} has another head than {pr.head_sha[:10]} now")
        return self._refs
