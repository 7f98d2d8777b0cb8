"""A fake GitHub: REST with the rules and messages of the real one (facts: platforms, section 2), GraphQL beside it."""

from __future__ import annotations

import base64
import re
from typing import Any

from loom.platforms.values import Project
from support.forge import github_graph
from support.forge.contract import Contract
from support.forge.core import Forge, Pull, User
from support.forge.diffs import DiffFile
from support.forge.github_base import REPO, route, user_json
from support.forge.github_marks import Marking
from support.forge.github_talk import Talking, leave_pending
from support.forge.server import RefusedError, Request, Response

__all__ = ["GitHubFake", "leave_pending"]

_STATUSES = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
_FULL = {"contents": "write", "pull_requests": "write", "issues": "write", "checks": "write", "statuses": "write"}


class GitHubFake(Talking, Marking):
    """github.com, or an Enterprise Server with `enterprise` set to its version."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.enterprise: str | None = None
        self.graphql = True
        self.new_numbers = True
        """Whether the server knows `fullDatabaseId`."""
        self.max_diff_files = 300
        self.max_diff_lines = 20_000
        self.max_patch_lines = 3_000
        """Of one file; above it the list of files has no `patch`."""
        self.max_listed = 3_000
        self.contract = Contract(
            "github.json",
            prefix="/api/v3",
            # not among the operations that were kept of the description: GraphQL, and the pull requests of a commit
            skip=lambda e: re.search(r"/graphql$|/commits/[^/]+/pulls$", e.request.path) is not None,
            allow=(
                "Content for the following mimetype not found",  # media types that one asks for are not described
                "conclusion: None is not one of",  # nullable, but not in its list of values
            ),
        )

    # -- what every fake has ------------------------------------------------------------------------------------------

    def full_token(self) -> str:
        return self.forge.add_token(kind="installation", prefix="ghs", **_FULL)

    def reading_token(self) -> str:
        return self.forge.add_token(kind="installation", prefix="ghs", **dict.fromkeys(_FULL, "read"))

    def project(self, url: str) -> Project:
        api = f"{url}/api/v3" if self.enterprise else url
        return Project(platform="github", api_url=api, web_url=url, repo=self.forge.name)

    def clone_path(self) -> str:
        return f"/{self.forge.name}.git"

    def error(self, status: int) -> Any:
        return {"message": {401: "Bad credentials", 404: "Not Found", 502: "Server Error"}.get(status, "Trouble")}

    def answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/api/v3") if self.enterprise else request.path
        self._who(request)
        if request.method == "POST" and path == ("/api/graphql" if self.enterprise else "/graphql"):
            response = self._graphql(request)
        else:
            found = route.find(request.method, path)
            if found is None:
                raise RefusedError(404, {"message": "Not Found"})
            handler, segments = found
            if "owner" in segments and f"{segments.pop('owner')}/{segments.pop('repo')}" != self.forge.name:
                raise RefusedError(404, {"message": "Not Found"})
            response = handler(self, request, **segments)
        if self.enterprise:
            response.headers["x-github-enterprise-version"] = self.enterprise
        return response

    def _graphql(self, request: Request) -> Response:
        who = self._who(request)
        if who is None:
            raise RefusedError(401, {"message": "This endpoint requires you to be authenticated."})
        if not self.graphql:
            raise RefusedError(403, {"message": "Resource not accessible by integration"})
        if not self.new_numbers and "fullDatabaseId" in request.json["query"]:
            wrong = {"message": "Field 'fullDatabaseId' doesn't exist on type 'IssueComment'"}
            return Response(200, {"errors": [{**wrong, "extensions": {"code": "undefinedField"}}]})
        with self.forge.lock:
            return Response(200, github_graph.execute(self, who, request.json))

    # -- repository ---------------------------------------------------------------------------------------------------

    @route("GET", REPO)
    def repository(self, request: Request) -> Response:
        who = self._who(request)
        headers = {"x-oauth-scopes": "repo"} if who is not None and who.kind == "classic" else {}
        return Response(200, self._repo(self.forge.name), headers)

    def _repo(self, name: str) -> dict[str, Any]:
        owner, _, short = name.partition("/")
        return {
            "id": 1, "node_id": "R_1", "name": short, "full_name": name, "private": False,
            "owner": user_json(self.forge.users.get(owner) or User(9, owner)),
        }  # fmt: skip

    @route("GET", REPO + "/collaborators/{user}/permission")
    def permission(self, request: Request, user: str) -> Response:
        if user not in self.forge.users:
            raise RefusedError(404, {"message": f"{user} is not a user"})
        role = self.forge.role_of(user)
        return Response(200, {"permission": role, "role_name": role, "user": None})

    @route("GET", REPO + "/git/trees/{sha}")
    def tree(self, request: Request, sha: str) -> Response:
        listing = self.forge.repo.git("ls-tree", "-z", "-l", sha, ok=False)
        if not listing:
            raise RefusedError(404, {"message": "Not Found"})
        entries = []
        for row in filter(None, listing.split("\0")):
            head, _, path = row.partition("\t")
            mode, kind, id_, size = head.split()
            entry = {"path": path, "mode": mode, "type": kind, "sha": id_}
            entries.append(entry if size == "-" else {**entry, "size": int(size)})
        return Response(200, {"sha": sha, "url": "https://x.invalid/t", "tree": entries, "truncated": False})

    @route("GET", REPO + "/git/blobs/{sha}")
    def blob(self, request: Request, sha: str) -> Response:
        data = self.forge.object(sha)
        if "raw" in request.headers.get("accept", ""):
            return Response(200, raw=data, type="application/vnd.github.raw+json; charset=utf-8")
        content = base64.b64encode(data).decode()
        return Response(200, {"sha": sha, "content": content, "encoding": "base64", "size": len(data)})

    @route("GET", REPO + "/compare/{span}")
    def compare(self, request: Request, span: str) -> Response:
        old, _, new = span.partition("...")
        if self.forge.repo.git("rev-parse", "--verify", "-q", f"refs/heads/{old}", ok=False):
            old = self.forge.tip(old)
        if not (self.forge.has_commit(old) and self.forge.has_commit(new)):
            raise RefusedError(404, {"message": "Not Found"})
        base = self.forge.repo.git("merge-base", old, new, ok=False)
        if not base:
            raise RefusedError(404, {"message": f"No common ancestor between {old} and {new}."})
        return Response(
            200, {"base_commit": {"sha": old}, "merge_base_commit": {"sha": base}, "commits": [], "status": "diverged"}
        )

    # -- pull requests ------------------------------------------------------------------------------------------------

    @route("GET", REPO + "/pulls/{number}")
    def get_pull(self, request: Request, number: str) -> Response:
        pull = self._pull(number)
        if "diff" in request.headers.get("accept", ""):
            return self._raw_diff(pull)
        return Response(200, self._pull_json(pull))

    def _raw_diff(self, pull: Pull) -> Response:
        diff = self.forge.diff(pull)
        too_many = "the diff exceeded the maximum number of files ({}). Consider using 'List pull requests files' API"
        too_long = "the diff exceeded the maximum number of lines ({})"
        why = None
        if len(diff.files) > self.max_diff_files:
            why = too_many.format(self.max_diff_files)
        elif diff.raw.count(b"\n") > self.max_diff_lines:
            why = too_long.format(self.max_diff_lines)
        if why is not None:
            problem = {"resource": "PullRequest", "field": "diff", "code": "too_large"}
            raise RefusedError(406, {"message": f"Sorry, {why}", "errors": [problem]})
        return Response(200, raw=diff.raw, type="application/vnd.github.diff; charset=utf-8")

    def _pull_json(self, pull: Pull) -> dict[str, Any]:
        diff = self.forge.diff(pull)
        source = self._repo(pull.source_repo) if pull.source_repo else None
        return {
            "id": pull.number, "node_id": f"PR_{pull.number}", "number": pull.number,
            "state": "open" if pull.open else "closed", "locked": False, "title": pull.title,
            "user": user_json(pull.author), "body": pull.body or None, "draft": pull.draft,
            "html_url": f"https://github.invalid/{self.forge.name}/pull/{pull.number}",
            "labels": [{"id": n, "name": name, "color": "fff"} for n, name in enumerate(pull.labels)],
            "head": {
                "label": pull.branch, "ref": pull.branch, "sha": pull.head, "repo": source,
                "user": user_json(pull.author),
            },
            "base": {
                # Where the branch was once, not where it is: GitHub moves it with the pull request's head only.
                "label": pull.target, "ref": pull.target, "sha": self.forge.merge_base(pull),
                "repo": self._repo(self.forge.name), "user": user_json(self.forge.owner),
            },
            "comments": len(self.forge.general(pull.number)),
            "review_comments": len(self.forge.inline(pull.number)),
            "commits": len(pull.heads), "changed_files": len(diff.files),
            "additions": sum(f.additions for f in diff.files), "deletions": sum(f.deletions for f in diff.files),
        }  # fmt: skip

    @route("GET", REPO + "/pulls")
    def list_pulls(self, request: Request) -> Response:
        state = request.query.get("state", "open")
        pulls = [p for p in self.forge.pulls.values() if state == "all" or p.open == (state == "open")]
        return self._paged(request, [self._short(pull) for pull in reversed(pulls)])

    def _short(self, pull: Pull) -> dict[str, Any]:
        extra = ("comments", "review_comments", "commits", "changed_files", "additions", "deletions")
        return {name: value for name, value in self._pull_json(pull).items() if name not in extra}

    @route("GET", REPO + "/commits/{sha}/pulls")
    def pulls_of_commit(self, request: Request, sha: str) -> Response:
        if not self.forge.has_commit(sha):
            raise RefusedError(422, {"message": f"No commit found for SHA: {sha}"})
        # a fork's commits are not associated with anything here
        return self._paged(
            request, [self._short(p) for p in self.forge.pulls.values() if sha in p.heads and not p.fork]
        )

    @route("GET", REPO + "/pulls/{number}/files")
    def pull_files(self, request: Request, number: str) -> Response:
        files = self.forge.diff(self._pull(number)).files[: self.max_listed]
        return self._paged(request, [self._file(file) for file in files])

    def _file(self, file: DiffFile) -> dict[str, Any]:
        gone = file.status == "D"
        entry: dict[str, Any] = {
            "sha": file.old_sha if gone else file.new_sha, "filename": file.path, "status": _STATUSES[file.status],
            "additions": file.additions, "deletions": file.deletions, "changes": file.additions + file.deletions,
            "blob_url": "https://x.invalid/b", "raw_url": "https://x.invalid/r", "contents_url": "https://x.invalid/c",
        }  # fmt: skip
        if file.status in "RC":
            entry["previous_filename"] = file.old_path
        if file.patch is not None and file.patch.count("\n") <= self.max_patch_lines:
            entry["patch"] = file.patch
        return entry
