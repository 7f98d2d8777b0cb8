"""What was said on a pull request of GitHub: by GraphQL, which alone knows what is resolved, else by REST."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from loom.core.diff import Side
from loom.platforms.answers import at, flag, items, number, number_or_none, text, text_or_none
from loom.platforms.base import DeniedError, MissingError, RejectedError
from loom.platforms.github_graphql import NUMBERS, REST_OF_THREAD, TALK, Graph
from loom.platforms.http import Api
from loom.platforms.values import Comment, Thread

REVIEW = "review-"
"""Begins the id of a comment that is the body of a review: its number may be another comment's, too."""

_FELT = {
    "THUMBS_UP": "+1", "THUMBS_DOWN": "-1", "LAUGH": "laugh", "CONFUSED": "confused", "HEART": "heart",
    "HOORAY": "hooray", "ROCKET": "rocket", "EYES": "eyes",
}  # fmt: skip
_LISTS = (
    ("reviewThreads", "threads", "Threads"),
    ("comments", "comments", "Comments"),
    ("reviews", "reviews", "Reviews"),
)


@dataclass(slots=True)
class Talk:
    """All of it."""

    threads: list[Thread] = field(default_factory=list)
    nodes: dict[str, str] = field(default_factory=dict)
    """Comment id -> node id, which minimising wants."""
    pending: list[tuple[str, str]] = field(default_factory=list)
    """(number, body) of reviews that are not submitted: one's own, since nobody else sees them."""
    login: str | None = None

    def in_order(self) -> tuple[Thread, ...]:
        """Oldest first."""
        return tuple(sorted(self.threads, key=lambda thread: (thread.comments[0].created_at, thread.id)))


def plain(login: str | None) -> str | None:
    """A login as it is compared: an app is `name` in GraphQL and `name[bot]` in REST."""
    return login.removesuffix("[bot]").lower() if login is not None else None


async def read(api: Api, graph: Graph | None, repo: str, number_: int, login: str | None) -> Talk:
    """Everything. `graph`: None without a token, which GraphQL insists on. `login`: whose token it is, where GraphQL
    cannot say by itself."""
    for name in NUMBERS if graph is not None else ():
        assert graph is not None
        try:
            return await _Reading(graph, repo, number_, name).whole()
        except (DeniedError, MissingError, RejectedError):
            continue  # a server without this field, or a token without GraphQL; REST says what is really wrong
    return await _by_rest(api, f"repos/{repo}", number_, login)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


class _Reading:
    """Three lists of one pull request, read page by page, all in one question."""

    def __init__(self, graph: Graph, repo: str, number_: int, name: str) -> None:
        self._graph = graph
        self._owner, _, self._name = repo.partition("/")
        self._number = number_
        self._document = TALK.replace("NUMBER", name)
        self._rest = REST_OF_THREAD.replace("NUMBER", name)
        self._talk = Talk()

    async def whole(self) -> Talk:
        wanted = {variable for _, variable, _ in _LISTS}
        after: dict[str, str | None] = {}
        for _ in range(100):
            variables: dict[str, object] = {
                "owner": self._owner, "name": self._name, "number": self._number,
                **{f"more{flag_}": variable in wanted for _, variable, flag_ in _LISTS},
                **{variable: after.get(variable) for _, variable, _ in _LISTS},
            }  # fmt: skip
            data = await self._graph.ask(self._document, variables)
            pull = at(data, "repository", "pullRequest")
            self._talk.login = text_or_none(data, "viewer", "login") or self._talk.login
            await self._take(pull)
            for key, variable, _ in _LISTS:
                more = variable in wanted and flag(pull, key, "pageInfo", "hasNextPage")
                after[variable] = text_or_none(pull, key, "pageInfo", "endCursor")
                (wanted.add if more else wanted.discard)(variable)
            if not wanted:
                break
        return self._talk

    async def _take(self, pull: object) -> None:
        nodes = items(pull, "reviewThreads", "nodes")
        for thread, comments in zip(nodes, await asyncio.gather(*map(self._comments, nodes)), strict=True):
            shown = [c for c in comments if text_or_none(c, "state") != "PENDING"]
            if shown:
                self._talk.threads.append(self._thread(thread, [self._comment(c) for c in shown]))
        for comment in items(pull, "comments", "nodes"):
            self._talk.threads.append(Thread(id=text(comment, "id"), comments=(self._comment(comment),)))
        for review in items(pull, "reviews", "nodes"):
            if text_or_none(review, "state") == "PENDING":
                self._talk.pending.append((text(review, "number"), text_or_none(review, "body") or ""))
            elif text_or_none(review, "body"):
                said = self._comment(review, prefix=REVIEW)
                self._talk.threads.append(Thread(id=text(review, "id"), comments=(said,)))

    async def _comments(self, thread: object) -> list[object]:
        found, page = items(thread, "comments", "nodes"), at(thread, "comments", "pageInfo")
        while flag(page, "hasNextPage"):
            variables = {"thread": text(thread, "id"), "after": text(page, "endCursor")}
            more = at(await self._graph.ask(self._rest, variables), "node", "comments")
            found, page = found + items(more, "nodes"), at(more, "pageInfo")
        return found

    def _thread(self, thread: object, comments: Sequence[Comment]) -> Thread:
        by = text_or_none(thread, "resolvedBy", "login")
        line = number_or_none(thread, "line") or number_or_none(thread, "originalLine")
        return Thread(
            id=text(thread, "id"),
            comments=tuple(comments),
            path=text(thread, "path"),
            line=None if text_or_none(thread, "subjectType") == "FILE" else line,
            side=_side(text_or_none(thread, "diffSide")),
            resolvable=True,
            resolved=flag(thread, "isResolved"),
            resolved_by=by,
            resolved_by_self=by is not None and plain(by) == plain(self._talk.login),
            outdated=flag(thread, "isOutdated"),
            can_resolve=flag(thread, "viewerCanResolve"),
        )

    def _comment(self, comment: object, *, prefix: str = "") -> Comment:
        bot = text_or_none(comment, "author", "__typename") in ("Bot", "Mannequin")
        login = text_or_none(comment, "author", "login") or "ghost"
        id_ = prefix + text(comment, "number")
        self._talk.nodes[id_] = text(comment, "id")
        felt: dict[str, tuple[str, ...]] = {}
        for reaction in items(comment, "reactions", "nodes"):
            name = _FELT.get(text_or_none(reaction, "content") or "", "")
            felt[name] = (*felt.get(name, ()), text_or_none(reaction, "user", "login") or "")
        return Comment(
            id=id_,
            body=text_or_none(comment, "body") or "",
            author=f"{login}[bot]" if bot and not login.endswith("[bot]") else login,
            by_self=flag(comment, "viewerDidAuthor"),
            by_bot=bot,
            created_at=text_or_none(comment, "createdAt") or "",
            reactions=felt,
        )


# -- REST -------------------------------------------------------------------------------------------------------------


async def _by_rest(api: Api, repo: str, number_: int, login: str | None) -> Talk:
    size = {"per_page": 100}
    inline, general, reviews = await asyncio.gather(
        api.pages(f"{repo}/pulls/{number_}/comments", size),
        api.pages(f"{repo}/issues/{number_}/comments", size),
        api.pages(f"{repo}/pulls/{number_}/reviews", size),
    )
    talk = Talk(login=login)
    roots: dict[int, list[object]] = {}
    for comment in inline.items:
        root = number_or_none(comment, "in_reply_to_id") or number(comment, "id")
        roots.setdefault(root, []).append(comment)
    talk.threads += [_rest_thread(talk, comments) for comments in roots.values()]
    talk.threads += [
        Thread(id=text(c, "node_id"), comments=(rest_comment(c, login, nodes=talk.nodes),)) for c in general.items
    ]
    for review in reviews.items:
        if text_or_none(review, "state") == "PENDING":
            talk.pending.append((text(review, "id"), text_or_none(review, "body") or ""))
        elif text_or_none(review, "body"):
            said = rest_comment(review, login, prefix=REVIEW, nodes=talk.nodes)
            talk.threads.append(Thread(id=text(review, "node_id"), comments=(said,)))
    return talk


def _rest_thread(talk: Talk, comments: Sequence[object]) -> Thread:
    root = comments[0]
    line, whole = number_or_none(root, "line"), text_or_none(root, "subject_type") == "file"
    return Thread(
        id=text(root, "node_id"),
        comments=tuple(rest_comment(c, talk.login, nodes=talk.nodes) for c in comments),
        path=text(root, "path"),
        line=None if whole else line or number_or_none(root, "original_line"),
        side=_side(text_or_none(root, "side")),
        resolvable=True,
        outdated=line is None and not whole,
        can_resolve=False,  # only GraphQL can, and it was not to be had
    )


def rest_comment(
    comment: object, login: str | None, *, prefix: str = "", nodes: dict[str, str] | None = None, ours: bool = False
) -> Comment:
    """A comment as REST tells it; `ours` where we have just written it. Its node id is put down in `nodes`."""
    author = text_or_none(comment, "user", "login") or "ghost"
    id_ = prefix + text(comment, "id")
    if nodes is not None and (node := text_or_none(comment, "node_id")):
        nodes[id_] = node
    felt = {name: ("",) * (number_or_none(comment, "reactions", name) or 0) for name in _FELT.values()}
    return Comment(
        id=id_,
        body=text_or_none(comment, "body") or "",
        author=author,
        by_self=ours or (login is not None and plain(login) == plain(author)),
        by_bot=text_or_none(comment, "user", "type") == "Bot",
        created_at=text_or_none(comment, "created_at") or text_or_none(comment, "submitted_at") or "",
        reactions={name: who for name, who in felt.items() if who},
    )


def _side(name: str | None) -> Side:
    return "old" if name == "LEFT" else "new"
