"""What Gitea's and Forgejo's answers mean: pull requests, comments, and the threads that their comments form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from loom.core import marker
from loom.core.marker import Marker
from loom.platforms.answers import at, flag, items, number, number_or_none, text, text_or_none
from loom.platforms.values import Comment, PullRequest, Thread

PENDING = "PENDING"
_SUBMITTED = ("APPROVED", "REQUEST_CHANGES", "COMMENT")
JOB_USER = -2
"""Who speaks for a job's own token: `gitea-actions`, `forgejo-actions`. Nobody can register with an id below zero
(gitea: models/user/user_system.go)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a comment stands, in the server's words, so that an answer joins it."""

    review: int
    path: str
    line: int
    """The first line of the range; below zero on the old side."""
    extra: int = 0
    """How many lines follow."""

    def fields(self) -> dict[str, object]:
        """As a comment is posted there. Exactly one position is sent: where both are, the old side wins."""
        side = "new_position" if self.line > 0 else "old_position"
        return {"path": self.path, side: abs(self.line), **({"extra_lines_count": self.extra} if self.extra else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Whose token this is, as far as it is known, and which pull request is read."""

    id: int | None = None
    login: str | None = None
    repo: str
    number: int

    def wrote(self, value: object) -> bool:
        """Whether a comment or review is ours. The id counts: a name can be taken over."""
        return self.id is not None and number_or_none(value, "user", "id") == self.id

    def marked(self, body: str) -> Marker | None:
        """What the marker in a text says, whoever wrote it: good for sorting, not for believing."""
        return marker.read(body, by_self=True, repo=self.repo, number=self.number)


def pull_request(found: object, count: int | None) -> PullRequest:
    """A pull request. One made by pushing to `refs/for/…` (AGit) has no fork, but anybody who can read may push it:
    Gitea's Actions treat it as a fork's, and so do we. A deleted source branch looks the same, which errs safely."""
    head, base = at(found, "head"), at(found, "base")
    ref = text_or_none(head, "ref") or ""
    pushed = ref.startswith("refs/pull/") or number_or_none(found, "flow") == 1
    other = number_or_none(head, "repo_id") != number_or_none(base, "repo_id") or at(head, "repo") is None
    return PullRequest(
        number=number(found, "number"),
        title=text(found, "title"),
        body=text_or_none(found, "body") or "",
        author=text_or_none(found, "user", "login") or "ghost",
        author_is_bot=_is_bot(at(found, "user")),
        draft=flag(found, "draft"),
        open=text(found, "state") == "open",
        labels=tuple(name for label in items(found, "labels") if (name := text_or_none(label, "name"))),
        source_branch=text_or_none(head, "label") or ref,
        target_branch=text(base, "ref"),
        head_sha=text(head, "sha"),
        base_sha=text(base, "sha"),
        merge_base=text_or_none(found, "merge_base") or None,
        fork=other or pushed,
        source_repo=text_or_none(head, "repo", "full_name"),
        changed_files=number_or_none(found, "changed_files"),
        web_url=text(found, "html_url"),
        comments=count,
    )


def counted(general: Sequence[object], reviews: Iterable[object]) -> int:
    """How many comments there are. The pull request's own counters differ from version to version in whether a review
    is one (go-gitea/gitea#30556)."""
    return len(general) + sum(number_or_none(review, "comments_count") or 0 for review in submitted(reviews))


def submitted(reviews: Iterable[object]) -> list[object]:
    """The reviews that people see: no pending ones, no requests for one."""
    return [review for review in reviews if text_or_none(review, "state") in _SUBMITTED]


def comment(found: object, me: Me, author: str = "user") -> Comment:
    """A comment, inline or general."""
    return Comment(
        id=text(found, "id"),
        body=text_or_none(found, "body") or "",
        author=text_or_none(found, author, "login") or "ghost",
        by_self=me.wrote(found),
        by_bot=_is_bot(at(found, author)),
        created_at=text_or_none(found, "created_at") or text_or_none(found, "submitted_at") or "",
    )


def reactions(found: Iterable[object]) -> dict[str, tuple[str, ...]]:
    """Who reacted how."""
    by_content: dict[str, tuple[str, ...]] = {}
    for reaction in found:
        content, login = text_or_none(reaction, "content"), text_or_none(reaction, "user", "login")
        if content and login:
            by_content[content] = (*by_content.get(content, ()), login)
    return by_content


def general_threads(comments: Iterable[object], reviews: Iterable[object], me: Me) -> list[Thread]:
    """General comments, and what people wrote as the text of a review."""
    said = [Thread(id=(c := comment(found, me)).id, comments=(c,)) for found in comments]
    for review in submitted(reviews):
        if text_or_none(review, "body"):
            whole = comment(review, me)
            said.append(Thread(id=f"review-{whole.id}", comments=(replace(whole, id=f"review-{whole.id}"),)))
    return said


@dataclass(slots=True)
class _Growing:
    """A thread while its comments are being found."""

    place: Place
    resolvers: list[object]
    comments: list[Comment] = field(default_factory=list)
    shared: bool = False
    """Whether another finding's comment stands in the same conversation, which is resolved as one."""


def inline_threads(found: Iterable[tuple[int, object]], me: Me, *, resolvable: bool) -> list[tuple[Thread, Place]]:
    """Threads out of the comments of all reviews, (review, comment) each.

    The server's conversation is a review's comments on one line; it has no id of its own. A comment with a finding's
    marker begins a thread even there, so that two findings on one line stay two. Our own answers are found by the
    finding they speak of: on older servers they are reviews of their own.
    """
    talks: dict[tuple[int, str, int], list[object]] = {}
    for review, raw in sorted(found, key=lambda pair: number(pair[1], "id")):
        place = _place(review, raw)
        talks.setdefault((review, place.path, place.line), []).append(raw)
    threads: list[_Growing] = []
    by_finding: dict[str, _Growing] = {}
    for (review, _, _), raws in talks.items():
        threads += _split(review, raws, me, by_finding)
    return [(_thread(grown, me, resolvable), grown.place) for grown in threads]


def _split(review: int, raws: Sequence[object], me: Me, by_finding: dict[str, _Growing]) -> list[_Growing]:
    """The threads that one conversation begins; what belongs to an earlier thread is added there."""
    begun: list[_Growing] = []
    current: _Growing | None = None
    starter = text_or_none(raws[0], "user", "login")
    resolvers = [at(raws[0], "resolver")]
    for raw in raws:
        said = comment(raw, me)
        ours = said.by_self or said.author == starter  # a stranger's copy of a marker begins nothing
        mark = me.marked(said.body) if ours else None
        about = by_finding.get(mark.fingerprint) if mark is not None and mark.kind == "note" else None
        if about is not None:
            current = about
        elif current is None or (mark is not None and mark.kind == "finding"):
            current = _Growing(_place(review, raw), [*resolvers, at(raw, "resolver")])
            begun.append(current)
            if mark is not None and mark.kind == "finding":
                by_finding[mark.fingerprint] = current
        current.comments.append(said)
    for grown in begun:
        grown.shared = len(begun) > 1
    return begun


def _thread(grown: _Growing, me: Me, resolvable: bool) -> Thread:
    resolver = next((r for r in grown.resolvers if r is not None), None)
    place = grown.place
    return Thread(
        id=grown.comments[0].id,
        comments=tuple(grown.comments),
        path=place.path,
        line=abs(place.line) + place.extra or None,
        side="new" if place.line >= 0 else "old",
        resolvable=resolvable,
        resolved=resolver is not None,
        resolved_by=text_or_none(resolver, "login"),
        resolved_by_self=resolver is not None and me.wrote({"user": resolver}),
        can_resolve=resolvable and not grown.shared,
    )


def _place(review: int, raw: object) -> Place:
    new, old = number_or_none(raw, "position") or 0, number_or_none(raw, "original_position") or 0
    return Place(
        review=review,
        path=text_or_none(raw, "path") or "",
        line=new or -old,
        extra=number_or_none(raw, "extra_lines_count") or 0,
    )


def _is_bot(user: object) -> bool:
    login = text_or_none(user, "login") or ""
    return (number_or_none(user, "id") or 0) < 0 or login.endswith("[bot]")
