"""A pull request as a change: metadata from the platform, the diff from the merge base out of git objects, which are
fetched one commit deep where they are not there, and over the platform's API where git cannot.

The head is never checked out. Configuration is read at the tip of the target branch.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from loom.core.change import ChangeRef, ChangeSet, Files, Unread
from loom.core.diff import FileChange
from loom.core.errors import SourceError, UsageError
from loom.core.result import Notice
from loom.infra.git_objects import TreeFiles
from loom.platforms.base import DownError, LimitedError, Lister, PlatformError, Reader, Reading
from loom.platforms.ci_context import CiContext, same_commit
from loom.platforms.values import Project, PullRequest

T = TypeVar("T")
_MOST_FILES = 300
"""Files whose content is read one by one over an API; of further ones only the hunks are known."""
_LAGS_S = (1.0, 2.0, 4.0)
"""How long a platform's own copies may lag behind the event that it sent."""


class Objects(Protocol):
    """Commits, as `infra.git.Git` gives them."""

    def has(self, commit: str) -> bool: ...  # noqa: D102
    def is_shallow(self) -> bool: ...  # noqa: D102
    def merge_base(self, a: str, b: str) -> str | None: ...  # noqa: D102
    def blob(self, treeish: str, path: str) -> bytes | None: ...  # noqa: D102
    def list_tree(self, treeish: str, prefix: str = "") -> tuple[str, ...]: ...  # noqa: D102
    def changes(  # noqa: D102
        self, base: str, head: str, *, context: int = 3
    ) -> tuple[tuple[FileChange, ...], tuple[Unread, ...]]: ...


class Tip(Protocol):
    """The repository as the target branch has it: where configuration is read."""

    @property
    def commit(self) -> str:
        """Which commit that is."""

    def read(self, path: str) -> bytes | None:
        """A regular file; None where there is none. Raises when that cannot be told."""

    def names(self, folder: str) -> Collection[str] | None:
        """What is directly in a folder (`.`: the root); None where that cannot be told."""


class Bridge(Protocol):
    """Where the platform's connections live (`infra.loop_thread.LoopThread`)."""

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]: ...  # noqa: D102 (Any: as there)
    def call(self, work: Coroutine[Any, Any, T]) -> T: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a pull request is read from."""

    platform: Reader
    project: Project
    bridge: Bridge
    """What the platform is called on; this very loop, while reading."""
    ci: CiContext | None = None
    """The event, where it is about this pull request."""
    objects: Objects | None = None
    """The job's repository, or an empty one to fetch into; None without git."""
    fetch: Callable[[Collection[str]], None] | None = None
    """Brings commits into `objects`. Raises SourceError. None: there is nowhere to fetch from."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request that was read."""

    pr: PullRequest
    change: ChangeSet
    files: Files
    tip: Tip
    how: Literal["git", "api", "none"]
    """Where the diff comes from; none: it was not read, see `skipped`."""
    notices: tuple[Notice, ...] = ()
    skipped: str | None = None
    """Why there is nothing to review: the head moved on, the pull request is closed."""

    @property
    def reading(self) -> Reading:
        """The change and its files."""
        return self.change, self.files


async def read(source: Source) -> Pull:
    """The pull request as it is now. Raises MissingError, AuthError, DeniedError, DownError and the like where not even
    its metadata or anything of its diff can be read."""
    early, pr = await asyncio.gather(_early(source), _current(source))
    reason = _nothing_to_do(source.ci, pr)
    if reason is not None:
        return _skipped(source, pr, reason)
    base = await _merge_base(source, pr, early)
    trouble = await _fetched(source, [*([base] if base else []), pr.head_sha, pr.base_sha])
    here = source.objects if source.objects is not None and source.objects.has(pr.base_sha) else None
    tip: Tip = GitTip(here, pr.base_sha) if here is not None else ApiTip(source, pr.base_sha)
    found = await _by_git(source, pr, base) if base is not None else None
    if found is None:
        change, files, notices = await _by_api(source, pr, base, trouble)
        return Pull(pr=pr, change=change, files=files, tip=tip, how="api", notices=notices)
    return Pull(pr=pr, change=found[0], files=found[1], tip=tip, how="git")


def reference(project: Project, pr: PullRequest, merge_base: str | None) -> ChangeRef:
    """What the review says its change is."""
    return ChangeRef(
        source="pr",
        platform=project.platform,
        repo=project.repo,
        number=pr.number,
        url=pr.web_url,
        title=pr.title,
        description=pr.body or None,
        author=pr.author,
        labels=pr.labels,
        target_branch=pr.target_branch,
        base_sha=pr.base_sha,
        head_sha=pr.head_sha,
        merge_base=merge_base,
        fork=pr.fork,
        trusted=not pr.fork,
        draft=pr.draft,
    )


# -- metadata ---------------------------------------------------------------------------------------------------------


async def _early(source: Source) -> str | None:
    """What can be begun on the event's word alone, while the platform is asked: the commits, and the merge base. A
    failure shows again when the same is wanted for sure."""
    ci = source.ci
    if ci is None:
        return None
    commits = [sha for sha in (ci.head_sha, ci.base_sha, ci.merge_base) if sha is not None and len(sha) >= 40]
    ask = ci.merge_base is None and ci.base_sha is not None and ci.head_sha is not None
    known, _ = await asyncio.gather(
        source.platform.merge_base(ci.base_sha or "", ci.head_sha or "") if ask else _nothing(),
        _fetched(source, commits),
        return_exceptions=True,
    )
    return known if isinstance(known, str) else None


async def _nothing() -> None:
    return None


async def _current(source: Source) -> PullRequest:
    """The pull request, once the platform knows of the push that its own event is about."""
    pr = await source.platform.pull_request()
    ci = source.ci
    for wait_s in _LAGS_S:
        if ci is None or ci.before_sha is None or ci.head_sha is None or not same_commit(pr.head_sha, ci.before_sha):
            break
        await source.sleep(wait_s)
        pr = await source.platform.pull_request()
    return pr


def _nothing_to_do(ci: CiContext | None, pr: PullRequest) -> str | None:
    if ci is None:
        return None
    if ci.head_sha is not None and not same_commit(pr.head_sha, ci.head_sha):
        return f"stale: the head is {pr.head_sha[:12]} by now, and this job is about {ci.head_sha[:12]}"
    return None if pr.open else "the pull request is closed"


def _skipped(source: Source, pr: PullRequest, reason: str) -> Pull:
    change = ChangeSet(reference(source.project, pr, pr.merge_base), ())
    return Pull(pr=pr, change=change, files=_Unknown(), tip=ApiTip(source, pr.base_sha), how="none", skipped=reason)


async def _merge_base(source: Source, pr: PullRequest, early: str | None) -> str | None:
    """From the event or the platform, which need no history; from git only where it has all of it."""
    ci = source.ci
    same = ci is not None and ci.head_sha is not None and same_commit(pr.head_sha, ci.head_sha)
    if pr.merge_base is not None:
        return pr.merge_base
    if same and ci is not None and ci.merge_base is not None:
        return ci.merge_base
    if early is not None and same and ci is not None and same_commit(ci.base_sha or "", pr.base_sha):
        return early
    git = source.objects
    if git is not None and git.has(pr.base_sha) and git.has(pr.head_sha) and not git.is_shallow():
        try:
            found = await asyncio.to_thread(git.merge_base, pr.base_sha, pr.head_sha)
        except SourceError:  # fetched just now, so without history: the platform knows
            found = None
        if found is not None:
            return found
    try:
        return await source.platform.merge_base(pr.base_sha, pr.head_sha)
    except PlatformError:  # the diff over the API starts at the merge base by itself
        return None


# -- git first --------------------------------------------------------------------------------------------------------


async def _fetched(source: Source, commits: Sequence[str]) -> SourceError | None:
    """Bring what is missing of the commits; what went wrong."""
    git = source.objects
    if git is None:
        return None
    missing = [commit for commit in dict.fromkeys(commits) if not await asyncio.to_thread(git.has, commit)]
    if not missing or source.fetch is None:
        return None
    try:
        await asyncio.to_thread(source.fetch, missing)
    except SourceError as error:
        return error
    return None


async def _by_git(source: Source, pr: PullRequest, base: str) -> Reading | None:
    """None where git has not all that it takes: the API is asked then."""
    git = source.objects
    if git is None or not git.has(base) or not git.has(pr.head_sha):
        return None
    try:
        files, unread = await asyncio.to_thread(git.changes, base, pr.head_sha)
    except SourceError:  # objects are missing that a partial clone left out
        return None
    ref = reference(source.project, pr, base)
    return ChangeSet(ref, files, unread), TreeFiles(git, base=base, head=pr.head_sha)


class GitTip:
    """The target branch's tip among git objects."""

    def __init__(self, git: Objects, commit: str) -> None:
        self._git, self.commit = git, commit
        self._folders: dict[str, set[str]] = {}

    def read(self, path: str) -> bytes | None:
        """See Tip."""
        return self._git.blob(self.commit, path)

    def names(self, folder: str) -> Collection[str] | None:
        """See Tip. Loom's own folder is listed by itself, to spare most reviews the whole tree."""
        if folder.startswith(".loom"):
            below = self._git.list_tree(self.commit, folder)
            return {path.removeprefix(folder + "/").partition("/")[0] for path in below}
        if not self._folders:
            self._folders = _folders(self._git.list_tree(self.commit))
        return self._folders.get(folder, ())


def _folders(paths: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {".": set()}
    for path in paths:
        folder, name = posixpath.split(path)
        found.setdefault(folder or ".", set()).add(name)
        while folder:  # a folder is a name in the one above it
            folder, name = posixpath.split(folder)
            found.setdefault(folder or ".", set()).add(name)
    return found


# -- the API second ---------------------------------------------------------------------------------------------------


async def _by_api(
    source: Source, pr: PullRequest, base: str | None, trouble: SourceError | None
) -> tuple[ChangeSet, Files, tuple[Notice, ...]]:
    diff = await source.platform.diff(pr)
    why = trouble.message if trouble is not None else "git has not the commits" if source.objects else "git is missing"
    notice = Notice("api-diff", f"the diff was read over the platform's API: {why}", trouble.hint if trouble else "")
    change = ChangeSet(reference(source.project, pr, base), diff.files, diff.unread)
    return change, ApiFiles(source, pr, base, diff.files), (notice,)


class _Unknown:
    """The files of a change that is not looked at."""

    def head(self, path: str) -> bytes | None:
        """Unknown."""
        return None

    def base(self, path: str) -> bytes | None:
        """Unknown."""
        return None


class ApiFiles:
    """The files of a change over a platform's API: all asked for at once, waited for one by one."""

    def __init__(self, source: Source, pr: PullRequest, base: str | None, files: Sequence[FileChange]) -> None:
        self._asked: dict[tuple[str, str], Future[bytes | None]] = {}
        for file in files[:_MOST_FILES]:
            if file.binary:
                continue
            if file.status != "deleted":
                work = self._file(source.platform, file.path, pr.head_sha, fork=pr.fork)
                self._asked["head", file.path] = source.bridge.start(work)
            if base is not None and file.status != "added":
                work = self._file(source.platform, file.base_path, base, fork=False)
                self._asked["base", file.base_path] = source.bridge.start(work)

    def head(self, path: str) -> bytes | None:
        """See core.change.Files."""
        return self._get("head", path)

    def base(self, path: str) -> bytes | None:
        """See core.change.Files."""
        return self._get("base", path)

    def _get(self, side: str, path: str) -> bytes | None:
        asked = self._asked.get((side, path))
        return asked.result() if asked is not None else None

    @staticmethod
    async def _file(platform: Reader, path: str, ref: str, *, fork: bool) -> bytes | None:
        try:
            return await platform.file(path, ref, fork=fork)
        except PlatformError:  # the hunks are there all the same: not to know the whole file is what None means
            return None


class ApiTip:
    """The target branch's tip over a platform's API. That a file is not there is believed only where the platform says
    so: rules and bars that silently do not count would make a review look green."""

    def __init__(self, source: Source, commit: str) -> None:
        self._source, self.commit = source, commit
        self._read: dict[str, bytes | None] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    def read(self, path: str) -> bytes | None:
        """See Tip. Raises PlatformError."""
        if path not in self._read:
            self._read[path] = self._source.bridge.call(self._file(path))
        return self._read[path]

    def names(self, folder: str) -> Collection[str] | None:
        """See Tip."""
        platform = self._source.platform
        if not isinstance(platform, Lister):
            return None
        if folder not in self._names:
            self._names[folder] = self._source.bridge.call(platform.names(folder, self.commit))
        return self._names[folder]

    async def _file(self, path: str) -> bytes | None:
        return await self._source.platform.file(path, self.commit)


# -- from an event to a number ----------------------------------------------------------------------------------------


async def number_of(platform: Reader, ci: CiContext) -> int | None:
    """The pull request of an event that names only a commit: a push, or the first stage of a fork's review."""
    if ci.number is not None or ci.head_sha is None or ci.event in ("merge_group", "comment", "schedule"):
        return ci.number
    return await platform.pr_of_commit(ci.head_sha)


def no_pull_request(ci: CiContext, title: str) -> UsageError:
    """The event has no pull request."""
    return UsageError(
        f"{title}: {ci.why_no_number or 'the job names no pull request'}",
        hint="name it with --pr NUMBER, or review commits with --base REV",
    )


def as_source_error(error: PlatformError) -> Exception:
    """What could not be read, as an error before any work; an outage stays one."""
    passes = isinstance(error, DownError | LimitedError)
    return error if passes else SourceError(error.message, hint=error.hint, slug=error.slug)
