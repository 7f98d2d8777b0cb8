"""The part of Gitea's `/api/v1` that reads: who one is, pull requests, files; and commit statuses."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from loom.platforms.values import Project
from support.forge.contract import Contract
from support.forge.core import Credential, Forge, Mark, Pull, User
from support.forge.server import Entry, RefusedError, Request, Response, Routes

route = Routes()
RANK = {"none": 0, "read": 1, "write": 2, "admin": 3}
_STATES = ("pending", "success", "error", "failure", "warning")
REPO = "/api/v1/repos/{owner}/{name}"
JOB_USER = -2
"""The id of `gitea-actions` and `forgejo-actions`."""


_ERRORS_OF_THE_DESCRIPTION = (
    # `{index}.{diffType}`: the tool takes "1.diff" for the index of the route beside it; the answer is plain text,
    # the description says that every answer is JSON or a page.
    "/pulls/1.diff?binary=false: ParameterValidationError",
    "Content for the following mimetype not found: text/plain",
    # A directory's contents are a list; the description knows only the object of a file.
    ": : [{'name': ",
    # The repository of a deleted fork is null.
    "head/repo: None",
)


def _newer_than_the_description(entry: Entry) -> bool:
    """Routes of Gitea 1.26 and 1.27; the description at hand is that of 1.23.6."""
    return re.search(r"/pulls/comments/\d+/resolve$|/comments/\d+/replies$", entry.request.path) is not None


class GiteaBase:
    """A Gitea server with one repository. What tests turn: `version`, `max_items`, `strict_blame`, `private`."""

    forgejo = False
    spec = "gitea.json"

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.contract = self.contract_under("")
        self.version = "1.27.0"
        self.max_items = 50
        """MAX_RESPONSE_ITEMS."""
        self.strict_blame = True
        """Whether a line beyond the end of the file is an error, as in Gitea up to 1.12 and with broken blames."""
        self.shows_errors = False
        """Whether a 500 says what happened: not in production, except to administrators."""
        self.with_totals = True
        self.shows_job_user = True
        """Whether a job's token may ask who it is. No source says; so both are tried."""
        self.reactions_off: tuple[str, ...] = ()
        self.agit: set[int] = set()
        """Pull requests made by pushing to `refs/for/…`."""

    # -- what tests ask for -------------------------------------------------------------------------------------------

    def contract_under(self, prefix: str) -> Contract:
        """The official description, for a server below a path."""
        return Contract(
            self.spec, prefix=f"{prefix}/api/v1", skip=_newer_than_the_description, allow=_ERRORS_OF_THE_DESCRIPTION
        )

    def full_token(self) -> str:
        """Of an administrator of the repository: nobody else may ask what others may do."""
        self.forge.roles[self.forge.bot.login] = "admin"
        return self.writing_token()

    def writing_token(self) -> str:
        return self.forge.add_token(repository="write", issue="write", user="read")

    def reading_token(self) -> str:
        return self.forge.add_token(repository="read", issue="read", user="read")

    def job_token(self, *, fork: bool = False) -> str:
        """The token of a job: no scopes, the user that nobody is."""
        name = "forgejo-actions" if self.forgejo else "gitea-actions"
        user = self.forge.add_user(name, "read" if fork else "write", bot=True)
        user.id = JOB_USER
        level = "read" if fork else "write"
        return self.forge.add_token(name, kind="job", repository=level, issue=level, user="read")

    def project(self, url: str) -> Project:
        platform = "forgejo" if self.forgejo else "gitea"
        return Project(platform=platform, api_url=f"{url}/api/v1", web_url=url, repo=self.forge.name)

    def clone_path(self) -> str:
        return f"/{self.forge.name}.git"

    # -- the server's side --------------------------------------------------------------------------------------------

    def error(self, status: int) -> Any:
        texts = {401: "token is required", 403: "user should have a permission to write to a repo", 404: "Not Found"}
        return {"message": texts.get(status, ""), "url": "http://localhost:3000/api/swagger"}

    def answer(self, request: Request) -> Response:
        found = route.find(request.method, request.path)
        if found is None:
            same = any(route.find(method, request.path) for method in ("GET", "POST", "PATCH", "DELETE"))
            self._refuse(405 if same else 404, "")
        handler, segments = found
        who = self._who(request)
        if "owner" in segments:
            if f"{segments.pop('owner')}/{segments.pop('name')}".lower() != self.forge.name.lower() or who is None:
                self._refuse(404, "The target couldn't be found.")
            self._scope(request, who)
        with self.forge.lock:
            response: Response = handler(self, request, who, **segments)
        return response

    def _refuse(self, status: int, message: str) -> Any:
        raise RefusedError(status, {"message": message, "url": "http://localhost:3000/api/swagger"})

    def _internal(self, message: str) -> Any:
        self._refuse(500, message if self.shows_errors else "")

    def _who(self, request: Request) -> Credential | None:
        if "authorization" not in request.headers:
            return None
        found = self.forge.tokens.get(request.token or "")
        if found is None or not re.match(r"(token|bearer) ", request.headers["authorization"], re.IGNORECASE):
            self._refuse(401, "invalid username, password or token")
        return found

    def _scope(self, request: Request, who: Credential) -> None:
        """Scopes go by the group that a route stands in, and by whether it only reads."""
        group = "issue" if "/issues/" in request.path else "user" if request.path == "/api/v1/user" else "repository"
        level = "read" if request.method == "GET" else "write"
        if not who.may(group, "read" if level == "read" else "write"):
            if who.kind == "job":
                self._refuse(403, "user should have a permission to write to a repo")
            has = ",".join(f"{lv}:{name}" for name, lv in who.permissions.items())
            self._refuse(
                403,
                f"token does not have at least one of required scope(s), required=[{level}:{group}], token scope={has}",
            )
        if RANK[self.forge.role_of(who.user.login)] < RANK["read"]:
            self._refuse(404, "The target couldn't be found.")

    def _page(self, request: Request, items: list[Any], *, total: int | None = None, links: bool = False) -> Response:
        """One page. Where the server sends no `Link`, only `X-Total-Count` tells how many there are."""
        page, limit = int(request.query.get("page") or 1), int(request.query.get("limit") or 30)
        limit = min(max(limit, 1), self.max_items)
        count = total if total is not None else len(items)
        headers = {"X-Total-Count": str(count)} if self.with_totals else {}
        if links and page * limit < count:
            bare = f"http://internal.invalid{request.path}"
            headers["Link"] = f'<{bare}?limit={limit}&page={page + 1}>; rel="next"'
        return Response(200, items[(page - 1) * limit : page * limit], headers)

    # -- who and what -------------------------------------------------------------------------------------------------

    @route("GET", "/api/v1/version")
    def version_(self, request: Request, who: Credential | None) -> Response:
        return Response(200, {"version": self.version})

    @route("GET", "/api/v1/user")
    def user_(self, request: Request, who: Credential | None) -> Response:
        if who is None:
            self._refuse(401, "token is required")
        assert who is not None
        if who.kind == "job" and not self.shows_job_user:
            self._refuse(404, "user does not exist")
        self._scope(request, who)
        return Response(200, self._user(who.user))

    @route("GET", REPO)
    def repository(self, request: Request, who: Credential) -> Response:
        return Response(200, self._repo(who))

    @route("GET", REPO + "/collaborators/{user}/permission")
    def permission(self, request: Request, who: Credential, user: str) -> Response:
        if user.lower() != who.user.login.lower() and self.forge.role_of(who.user.login) != "admin":
            self._refuse(
                403,
                "Only admins can query all permissions, repo admins can query all repo permissions, "
                "collaborators can query only their own",
            )
        if user not in self.forge.users:
            self._refuse(404, "user does not exist")
        role = self.forge.role_of(user)
        name = "owner" if user == self.forge.owner.login else role
        return Response(200, {"permission": name, "role_name": role, "user": self._user(self.forge.users[user])})

    def _user(self, user: User) -> dict[str, Any]:
        return {
            "id": user.id,
            "login": user.login,
            "full_name": "",
            "email": f"{user.login}@example.org",
            "created": "2024-01-01T00:00:00Z",
            "is_admin": False,
        }

    def _repo(self, who: Credential | None = None, name: str | None = None) -> dict[str, Any]:
        full = name or self.forge.name
        owner, _, short = full.partition("/")
        role = RANK[self.forge.role_of(who.user.login)] if who else 0
        return {
            "id": 7 if full == self.forge.name else 8,
            "name": short,
            "full_name": full,
            "owner": self._user(self.forge.users[owner]),
            "default_branch": "main",
            "fork": full != self.forge.name,
            "permissions": {"admin": role >= 3, "push": role >= 2, "pull": role >= 1},
        }

    # -- reading ------------------------------------------------------------------------------------------------------

    def _pull_of(self, index: str) -> Pull:
        pull = self.forge.pulls.get(int(index)) if index.isdigit() else None
        return pull or self._refuse(404, "pull request does not exist")

    @route("GET", REPO + "/pulls")
    def pulls(self, request: Request, who: Credential) -> Response:
        state = request.query.get("state", "open")
        found = [p for p in reversed(self.forge.pulls.values()) if state == "all" or p.open == (state == "open")]
        return self._page(request, [self._pull(p) for p in found], links=True)

    @route("GET", REPO + "/pulls/{index}")
    def pull(self, request: Request, who: Credential, index: str) -> Response:
        if index.endswith(".diff"):
            pull = self._pull_of(index.removesuffix(".diff"))
            return Response(200, raw=self.forge.diff(pull).raw, type="text/plain; charset=utf-8")
        return Response(200, self._pull(self._pull_of(index)))

    def _pull(self, pull: Pull) -> dict[str, Any]:
        """The counters as Gitea 1.23 has them: a review counts as one comment, however many lines it is about."""
        reviews = [r for r in self.forge.reviews if r.pull == pull.number and r.state != "PENDING"]
        ref = f"refs/pull/{pull.number}/head" if pull.number in self.agit else pull.branch
        gone = pull.source_repo is None
        return {
            "id": 500 + pull.number,
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "state": "open" if pull.open else "closed",
            "draft": pull.draft,
            "user": self._user(pull.author),
            "labels": [{"id": n, "name": name, "color": "ff0000"} for n, name in enumerate(pull.labels, 1)],
            "comments": len(self.forge.general(pull.number)) + len(reviews),
            "review_comments": len(reviews),
            "changed_files": len(self.forge.diff(pull).files),
            "merge_base": self.forge.merge_base(pull),
            "merged": False,
            "html_url": f"http://localhost:3000/{self.forge.name}/pulls/{pull.number}",
            "base": {
                "label": pull.target,
                "ref": pull.target,
                "sha": self.forge.tip(pull.target),
                "repo_id": 7,
                "repo": self._repo(),
            },
            "head": {
                "label": pull.branch,
                "ref": ref,
                "sha": pull.head,
                "repo_id": -1 if gone else 8 if pull.fork else 7,
                "repo": None if gone else self._repo(name=pull.source_repo),
            },
            "created_at": "2026-11-20T12:00:00Z",
            "updated_at": "2026-11-20T12:00:00Z",
        }

    @route("GET", REPO + "/pulls/{index}/files")
    def files(self, request: Request, who: Credential, index: str) -> Response:
        names = {"A": "added", "D": "deleted", "R": "renamed", "C": "copied"}
        found = [
            {
                "filename": file.path,
                "status": names.get(file.status, "changed"),
                "additions": file.additions,
                "deletions": file.deletions,
                "changes": file.additions + file.deletions,
                **({"previous_filename": file.old_path} if file.status == "R" else {}),
            }
            for file in self.forge.diff(self._pull_of(index)).files
        ]
        return self._page(request, found, links=True)

    @route("GET", REPO + "/contents")
    def root(self, request: Request, who: Credential) -> Response:
        return self.contents(request, who, "")

    @route("GET", REPO + "/contents/{path:path}")
    def contents(self, request: Request, who: Credential, path: str) -> Response:
        ref = request.query.get("ref") or "main"
        found = self.forge.repo.git("ls-tree", "-z", ref, "--", f"{path}/" if path else ".", ok=False)
        inside = [line.split("\t", 1)[1] for line in found.split("\0") if line]
        entry = self.forge.entry(self.forge.tip(ref), path) if path and self.forge.has_commit(ref) else None
        if entry is None and path:
            self._refuse(404, f"object does not exist [id: , rel_path: {path}]")
        if entry is None or entry[1] == "tree":
            return Response(200, [self._content(name, self.forge.entry(ref, name), whole=False) for name in inside])
        return Response(200, self._content(path, entry))

    def _content(self, path: str, entry: tuple[str, str, str] | None, *, whole: bool = True) -> dict[str, Any]:
        assert entry is not None
        mode, kind, sha = entry
        shape = {"commit": "submodule", "tree": "dir"}.get(kind) or ("symlink" if mode == "120000" else "file")
        made: dict[str, Any] = {"name": path.rpartition("/")[2], "path": path, "sha": sha, "type": shape, "size": 0}
        if kind == "blob":
            data = self.forge.object(sha)
            made["size"] = len(data)
            if shape == "file" and whole:
                made |= {"encoding": "base64", "content": base64.b64encode(data).decode()}
        return made

    @route("GET", REPO + "/raw/{path:path}")
    def raw(self, request: Request, who: Credential, path: str) -> Response:
        data = self.forge.blob(self.forge.tip(request.query.get("ref") or "main"), path)
        if data is None:
            self._refuse(404, "Not Found")
        return Response(200, raw=data, type="application/octet-stream")

    # -- statuses -----------------------------------------------------------------------------------------------------

    @route("POST", REPO + "/statuses/{sha}")
    def status(self, request: Request, who: Credential, sha: str) -> Response:
        sent = request.json
        if RANK[self.forge.role_of(who.user.login)] < 2:
            self._refuse(403, "user should have a permission to write to a repo")
        if sent["state"] not in _STATES:
            self._refuse(422, f"invalid state {sent['state']}")
        if not self.forge.has_commit(sha):
            self._refuse(404, "object does not exist")
        mark = self.mark(sha, sent)
        made = {
            "id": mark.id,
            "status": mark.state,
            "context": mark.name,
            "description": mark.description,
            "target_url": sent.get("target_url", ""),
            "url": "",
            "creator": self._user(who.user),
            "created_at": self.forge.now(),
            "updated_at": self.forge.now(),
        }
        return Response(201, made)

    def mark(self, sha: str, sent: Mapping[str, Any]) -> Mark:
        made = Mark(self.forge.next_id(), sha, sent["context"], sent["state"], sent.get("description", ""))
        self.forge.marks.append(made)
        return made
