"""The GraphQL half of the fake GitHub, executed by graphql-core against the part of the schema that we use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync

from support.forge.core import Credential, Review, Said, Talk, User

if TYPE_CHECKING:
    from support.forge.github import GitHubFake

CONTENT = {
    "+1": "THUMBS_UP", "-1": "THUMBS_DOWN", "laugh": "LAUGH", "confused": "CONFUSED", "heart": "HEART",
    "hooray": "HOORAY", "rocket": "ROCKET", "eyes": "EYES",
}  # fmt: skip


@cache
def schema() -> GraphQLSchema:
    return build_schema(Path(__file__).with_name("github.graphql").read_text())


def execute(fake: GitHubFake, credential: Credential | None, body: dict[str, Any]) -> dict[str, Any]:
    """What GitHub answers: data and errors, with HTTP 200."""
    done = graphql_sync(schema(), body["query"], Root(fake, credential), variable_values=body.get("variables"))
    answer: dict[str, Any] = {}
    if done.errors:
        answer["errors"] = [_error(error) for error in done.errors]
    if done.data is not None or not done.errors:
        answer["data"] = done.data
    return answer


def _error(error: GraphQLError) -> dict[str, Any]:
    kind = (error.extensions or {}).get("type")
    found: dict[str, Any] = {"message": error.message, "path": error.path}
    if kind:
        found["type"] = kind
    elif error.path is None:  # the document itself is wrong
        found["extensions"] = {"code": "undefinedField"}
    return found


def refuse(kind: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": kind})


class Root:
    """Query and Mutation."""

    def __init__(self, fake: GitHubFake, credential: Credential | None) -> None:
        self.fake = fake
        self.me = credential

    def viewer(self, _info: Any) -> dict[str, Any]:
        assert self.me is not None
        return {"id": "U_1", "login": f"{self.me.user.login}[bot]" if self.me.user.bot else self.me.user.login}

    def repository(self, _info: Any, owner: str, name: str) -> Any:
        if f"{owner}/{name}" != self.fake.forge.name:
            raise refuse("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return {"id": "R_1", "pullRequest": self._pull}

    def _pull(self, _info: Any, number: int) -> Any:
        if number not in self.fake.forge.pulls:
            raise refuse("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
        forge = self.fake.forge
        reviews = [r for r in forge.reviews if r.pull == number and (r.state != "PENDING" or self._mine(r.author))]
        return {
            "id": f"PR_{number}",
            "number": number,
            "reviewThreads": lambda _i, **page: _connection([self._thread(t) for t in forge.talks_of(number)], page),
            "comments": lambda _i, **page: _connection([self._comment(c, "IC") for c in forge.general(number)], page),
            "reviews": lambda _i, **page: _connection([self._review(r) for r in reviews], page),
        }

    def node(self, _info: Any, **given: str) -> Any:
        id_ = given["id"]
        kind, _, number = id_.partition("_")
        talk = self.fake.forge.find_talk(int(number)) if kind == "PRRT" else None
        if talk is None:
            raise refuse("NOT_FOUND", f"Could not resolve to a node with the global id of '{id_}'")
        return self._thread(talk)

    def resolveReviewThread(self, _info: Any, **given: dict[str, str]) -> Any:  # noqa: N802 (GraphQL's name)
        talk = self.fake.forge.find_talk(int(given["input"]["threadId"].partition("_")[2] or 0))
        if talk is None:
            raise refuse("NOT_FOUND", "Could not resolve to a node")
        if not self._can_resolve():
            raise refuse("FORBIDDEN", "Resource not accessible by integration")
        assert self.me is not None
        with self.fake.forge.lock:
            if not talk.resolved:
                talk.resolved, talk.resolved_by = True, self.me.user.login
        return {"thread": self._thread(talk)}

    def minimizeComment(self, _info: Any, **given: dict[str, str]) -> Any:  # noqa: N802 (GraphQL's name)
        said = self.fake.forge.find_said(int(given["input"]["subjectId"].partition("_")[2] or 0))
        if said is None:
            raise refuse("NOT_FOUND", "Could not resolve to a node")
        if self.me is None or not self.me.may("pull_requests", "write"):
            raise refuse("FORBIDDEN", "Resource not accessible by integration")
        said.minimised = given["input"]["classifier"]
        return {"minimizedComment": {"__typename": "Minimized", "isMinimized": True}}

    def _mine(self, author: User) -> bool:
        return self.me is not None and self.me.user is author

    def _can_resolve(self) -> bool:
        return self.me is not None and self.me.may("contents", "write") and self.me.may("pull_requests", "write")

    def _thread(self, talk: Talk) -> dict[str, Any]:
        by = self.fake.forge.users.get(talk.resolved_by or "")
        shown = [self._comment(said, "PRRC") for said in talk.comments if not said.deleted]
        pending = [self._draft(talk, draft) for draft in talk.extra.get("pending", [])]
        return {
            "__typename": "PullRequestReviewThread",
            "id": f"PRRT_{talk.id}",
            "path": talk.path,
            "line": None if talk.outdated else talk.line,
            "originalLine": talk.line,
            "startLine": talk.start_line,
            "diffSide": "LEFT" if talk.side == "old" else "RIGHT",
            "subjectType": "FILE" if talk.line is None else "LINE",
            "isOutdated": talk.outdated,
            "isResolved": talk.resolved,
            "resolvedBy": {"id": "U", "login": by.login} if by else None,
            "viewerCanResolve": self._can_resolve(),
            "viewerCanReply": True,
            "comments": lambda _i, **page: _connection(shown + pending, page),
        }

    def _draft(self, talk: Talk, draft: dict[str, Any]) -> dict[str, Any]:
        return {**draft, "state": "PENDING"}

    def _comment(self, said: Said, prefix: str) -> dict[str, Any]:
        return {
            "__typename": "PullRequestReviewComment" if prefix == "PRRC" else "IssueComment",
            "id": f"{prefix}_{said.id}",
            "databaseId": said.id,
            "fullDatabaseId": str(said.id),
            "body": said.body,
            "createdAt": said.created,
            "state": "SUBMITTED",
            "isMinimized": said.minimised is not None,
            "author": _actor(said.author),
            "viewerDidAuthor": self._mine(said.author),
            "reactions": lambda _i, **page: _connection([self._felt(*r) for r in said.reactions], page),
        }

    def _felt(self, content: str, login: str) -> dict[str, Any]:
        user = self.fake.forge.users[login]
        return {"content": CONTENT[content], "user": None if user.bot else {"id": "U", "login": login}}

    def _review(self, review: Review) -> dict[str, Any]:
        return {
            "__typename": "PullRequestReview",
            "id": f"PRR_{review.id}",
            "databaseId": review.id,
            "fullDatabaseId": str(review.id),
            "state": review.state,
            "body": review.body,
            "createdAt": review.created,
            "isMinimized": False,
            "author": _actor(review.author),
            "viewerDidAuthor": self._mine(review.author),
            "reactions": lambda _i, **page: _connection([], page),
        }


def _actor(user: User) -> dict[str, Any]:
    return {"__typename": "Bot" if user.bot else "User", "id": f"U_{user.id}", "login": user.login}


def _connection(nodes: list[Any], page: dict[str, Any]) -> dict[str, Any]:
    """A page by `first` and `after`, whose cursors are places in the list. GitHub wants `first`, of at most 100."""
    first = page.get("first")
    if not isinstance(first, int) or not 1 <= first <= 100:
        raise refuse("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value of 1 to 100")
    start = int(page.get("after") or 0)
    end = min(len(nodes), start + first)
    info = {"hasNextPage": end < len(nodes), "endCursor": str(end) if nodes else None}
    return {"nodes": nodes[start:end], "pageInfo": info}
