"""Reading a pull request of GitHub, and what a token there may do: github.com, *.ghe.com and Enterprise Server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from loom.platforms import github_diff, github_graphql, github_threads
from loom.platforms.answers import at, flag, items, number, number_or_none, text, text_or_none
from loom.platforms.base import Cap, DeniedError, Limits, MissingError, PlatformError, Profile, RejectedError
from loom.platforms.http import Api, Params, Setup
from loom.platforms.values import Access, PlatformDiff, PullRequest, Thread

_READS = Cap.HTML_MARKER | Cap.DETAILS_TAG | Cap.RAW_DIFF
_WRITES = (
    Cap.BATCH_REVIEW | Cap.ATOMIC_BATCH | Cap.MULTILINE | Cap.OLD_SIDE | Cap.CONTEXT_LINES | Cap.FILE_COMMENT
    | Cap.SUGGESTIONS | Cap.EDIT_COMMENT | Cap.RESOLVE | Cap.MINIMISE | Cap.DELETE_COMMENT | Cap.REACTIONS
    | Cap.APPROVE | Cap.REQUEST_CHANGES | Cap.COMMIT_STATUS | Cap.CHECK_RUN | Cap.ACCESS_LOOKUP
)  # fmt: skip
# 65,536 characters; some are left for what is counted differently there than here (line ends, emoji).
_LIMITS = Limits(comment=65_000, summary=65_000, write_gap_s=1.0)

GRANT: Mapping[Cap, str] = {
    Cap.RESOLVE: "grant `contents: write` besides `pull-requests: write`: GitHub asks for it to resolve a thread",
    Cap.CHECK_RUN: "grant `checks: write`, and use a token of GitHub Actions or of an app: only those make check runs",
    Cap.COMMIT_STATUS: "grant `statuses: write`",
    Cap.APPROVE: "allow GitHub Actions to approve pull requests, in the settings of the repository or organisation",
    Cap.REQUEST_CHANGES: "nobody requests changes on a pull request of their own: use a token of another account",
    Cap.MINIMISE: "grant `pull-requests: write` and `issues: write`",
}
_ACCESS: Mapping[str, Access] = {
    "admin": "admin", "maintain": "write", "write": "write", "triage": "read", "read": "read",
}  # fmt: skip
_MARKDOWN = (".md", ".markdown", ".mdx", ".rst", ".adoc", ".ipynb")


class GitHubReader:
    """One pull request, to be read. See base.Reader, Policy and Text for what the methods promise."""

    def __init__(self, setup: Setup) -> None:
        headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        if setup.token is not None:
            headers["authorization"] = f"Bearer {setup.token.value}"
        self._setup = setup
        self._project = setup.project
        self._repo = f"repos/{quote(setup.project.repo)}"
        self._pull = f"{self._repo}/pulls/{setup.number}"
        self._api = Api(setup, headers, write_gap_s=_LIMITS.write_gap_s)
        self._graph = github_graphql.Graph(self._api)
        self._contents = github_diff.Contents(self._api, self._repo)
        self._talk: github_threads.Talk | None = None
        self._nodes: dict[str, str] = {}
        self._places: dict[str, tuple[str | None, str | None]] = {}
        self.profile = Profile(caps=_READS | _WRITES, limits=_LIMITS)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def probe(self) -> Profile:
        """See base.Reader. Permissions are learnt when they are needed: there is no way to ask for them."""
        token = self._setup.token
        repo, viewer = await asyncio.gather(
            self._api.get(self._repo), self._viewer() if token is not None else _nobody(), return_exceptions=True
        )
        for result in (repo, viewer):
            if isinstance(result, BaseException) and not isinstance(result, (DeniedError, MissingError, RejectedError)):
                raise result
        caps, missing = (_READS | _WRITES, {}) if token is not None else (_READS, {"write": "set LOOM_TOKEN"})
        if isinstance(repo, PlatformError):
            missing["repository"] = repo.hint
        headers = {} if isinstance(repo, BaseException) else repo.headers
        # Only apps make check runs: their tokens begin with ghs_, and only classic personal ones tell their scopes.
        if token is not None and (
            token.value.startswith(("ghp_", "github_pat_", "gho_")) or "x-oauth-scopes" in headers
        ):
            caps, missing["check_run"] = caps & ~Cap.CHECK_RUN, GRANT[Cap.CHECK_RUN]
        if isinstance(repo, BaseException):
            version = self._setup.server_version
        else:
            version = headers.get("x-github-enterprise-version") or self._setup.server_version
        self.profile = Profile(
            caps=caps,
            limits=_LIMITS,
            server_version=version,
            login=viewer if isinstance(viewer, str) else None,
            missing=missing,
        )
        return self.profile

    async def _viewer(self) -> str | None:
        """Whose token it is: an installation may not ask for /user, but GraphQL tells."""
        return text_or_none(await self._graph.ask(github_graphql.VIEWER, {}), "viewer", "login")

    async def pull_request(self) -> PullRequest:
        """See base.Reader."""
        pull = (await self._api.get(self._pull)).json
        head, base = at(pull, "head"), at(pull, "base")
        source, target = text_or_none(head, "repo", "full_name"), text_or_none(base, "repo", "full_name")
        tip, merge_base = await self._where_it_goes(text(base, "ref"), text(head, "sha"))
        return PullRequest(
            number=number(pull, "number"),
            title=text(pull, "title"),
            body=text_or_none(pull, "body") or "",
            author=text_or_none(pull, "user", "login") or "ghost",
            author_is_bot=text_or_none(pull, "user", "type") == "Bot",
            draft=flag(pull, "draft"),
            open=text_or_none(pull, "state") == "open",
            labels=tuple(text(label, "name") for label in items(pull, "labels")),
            source_branch=text(head, "ref"),
            target_branch=text(base, "ref"),
            head_sha=text(head, "sha"),
            base_sha=tip or text(base, "sha"),
            merge_base=merge_base,
            fork=source is None or source != target,
            source_repo=source,
            changed_files=number_or_none(pull, "changed_files"),
            web_url=text_or_none(pull, "html_url") or f"{self._project.web_url}/{self._project.repo}",
            comments=(number_or_none(pull, "comments") or 0) + (number_or_none(pull, "review_comments") or 0),
        )

    async def diff(self, pr: PullRequest) -> PlatformDiff:
        """See base.Reader."""

        async def base() -> str | None:
            return pr.merge_base or await self.merge_base(pr.base_sha, pr.head_sha)

        return await github_diff.read(self._api, self._repo, pr, self._contents, base)

    async def file(self, path: str, ref: str, *, fork: bool = False) -> bytes | None:
        """See base.Reader. A fork's commits are found in the repository they are to go to."""
        return await self._contents.file(path, ref)

    async def names(self, folder: str, ref: str) -> tuple[str, ...]:
        """See base.Lister."""
        return await self._contents.names(folder, ref)

    async def threads(self, pr: PullRequest) -> tuple[Thread, ...]:
        """See base.Reader."""
        graph = self._graph if self._setup.token is not None else None
        talk = await github_threads.read(self._api, graph, self._project.repo, self._setup.number, self.profile.login)
        self._talk = talk
        self._nodes |= talk.nodes
        if talk.login is not None and self.profile.login is None:
            self.profile = replace(self.profile, login=talk.login)
        return talk.in_order()

    async def merge_base(self, base: str, head: str) -> str | None:
        """See base.Reader. The files of a comparison come with its first page only, and nobody wants them here."""
        return (await self._compared(base, head))[1]

    async def _where_it_goes(self, branch: str, head: str) -> tuple[str | None, str | None]:
        """(tip of the target branch, merge base). A pull request's own `base.sha` stays where the branch was when its
        head was last pushed: configuration read there could be older, and weaker, than what holds now."""
        if head not in self._places:
            self._places[head] = await self._compared(branch, head)
        return self._places[head]

    async def _compared(self, base: str, head: str) -> tuple[str | None, str | None]:
        """(commit that `base` is, merge base); None where the platform does not tell."""
        span = f"{self._repo}/compare/{quote(base, safe='')}...{quote(head, safe='')}"
        for params in ({"per_page": 1, "page": 2}, {"per_page": 1}):
            try:
                found = (await self._api.get(span, params)).json
            except MissingError:
                return None, None
            tip, common = text_or_none(found, "base_commit", "sha"), text_or_none(found, "merge_base_commit", "sha")
            if common is not None:
                return tip, common
        return None, None

    async def pr_of_commit(self, sha: str) -> int | None:
        """See base.Reader."""
        ways: tuple[tuple[str, Params], ...] = (
            (f"{self._repo}/commits/{quote(sha, safe='')}/pulls", {"per_page": 100}),
            (f"{self._repo}/pulls", {"state": "open", "sort": "updated", "direction": "desc", "per_page": 100}),
        )
        for path, params in ways:
            try:
                pulls = (await self._api.get(path, params)).json
            except (MissingError, RejectedError):
                continue  # 422: no such commit here, as for one of a fork
            for pull in items(pulls):
                if text_or_none(pull, "state") == "open" and text_or_none(pull, "head", "sha") == sha:
                    return number(pull, "number")
        return None

    def clone_url(self) -> str:
        """See base.Reader."""
        return f"{self._project.web_url}/{quote(self._project.repo)}.git"

    def git_credential(self) -> tuple[str, str] | None:
        """See base.Reader."""
        return ("x-access-token", self._setup.token.value) if self._setup.token is not None else None

    async def access_of(self, user: str) -> Access:
        """See base.Policy."""
        answer = (await self._api.get(f"{self._repo}/collaborators/{quote(user, safe='')}/permission")).json
        names: Mapping[str, Access] = {
            "admin": "admin",
            "maintain": "write",
            "write": "write",
            "read": "read",
            "triage": "read",
        }
        return names.get(text(answer, "permission"), "none")

    def permalink(self, pr: PullRequest, path: str, line: int | None, end_line: int | None) -> str:
        """See base.Text."""
        place = quote(path.encode("utf-8", "surrogateescape"))
        url = f"{self._project.web_url}/{quote(self._project.repo)}/blob/{pr.head_sha}/{place}"
        if line is None:
            return url
        plain = "?plain=1" if path.lower().endswith(_MARKDOWN) else ""  # rendered pages have no lines to go to
        return f"{url}{plain}#L{line}" + (f"-L{end_line}" if end_line is not None and end_line > line else "")

    async def aclose(self) -> None:
        """See base.Platform. The connections are the network's."""

    def _learn(self, cap: Cap, how: str) -> None:
        """What this token turned out not to be able to do."""
        name = (cap.name or "").lower()
        self.profile = replace(self.profile, caps=self.profile.caps & ~cap, missing={**self.profile.missing, name: how})


async def _nobody() -> None:
    return None
