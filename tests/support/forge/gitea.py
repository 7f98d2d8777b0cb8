"""Gitea and Forgejo: what people and tools say there, with the rules that the servers' own sources show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from support.forge.core import Credential, Forge, Pull, Review, Said, Talk, User
from support.forge.gitea_base import RANK, REPO, GiteaBase, route
from support.forge.server import Request, Response

_REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")


class GiteaFake(GiteaBase):
    """Comments, reviews, conversations."""

    def leave_pending(self, pull: Pull, login: str, path: str, line: int, body: str, *, text: str = "") -> Review:
        """What a person who began a review in the browser has there, or a run that died."""
        with self.forge.lock:
            review = self._pending(self.forge.users[login], pull, pull.head)
            review.body = text or review.body
            review.drafts.append(self._code_comment(pull, path, line, 0, body))
            return review

    def answer_in(self, pull: Pull, login: str, root: Said, body: str) -> Said:
        """A person's answer in the browser: it joins the conversation and its review."""
        talk = self.forge.find_talk(root.thread)
        assert talk is not None
        said = self.forge.say(pull.number, self.forge.users[login], body, talk=talk, review=root.review)
        said.extra.update(self._where(root))
        return said

    def resolve_as(self, login: str, root: Said) -> None:
        """The button in the browser, which is about the first comment of the conversation."""
        talk = self.forge.find_talk(root.thread)
        assert talk is not None
        self._resolve(talk.comments[0], self.forge.users[login])

    # -- general comments ---------------------------------------------------------------------------------------------

    @route("GET", REPO + "/issues/{index}/comments")
    def comments(self, request: Request, who: Credential, index: str) -> Response:
        said = self.forge.general(self._pull_of(index).number)
        return Response(200, [self._comment(s) for s in said], {"X-Total-Count": str(len(said))})

    @route("POST", REPO + "/issues/{index}/comments")
    def comment(self, request: Request, who: Credential, index: str) -> Response:
        said = self.forge.say(self._pull_of(index).number, who.user, request.json["body"])
        return Response(201, self._comment(said))

    @route("GET", REPO + "/issues/comments/{id_}")
    def one_comment(self, request: Request, who: Credential, id_: str) -> Response:
        return Response(200, self._comment(self._said_of(id_)))

    @route("PATCH", REPO + "/issues/comments/{id_}")
    def edit(self, request: Request, who: Credential, id_: str) -> Response:
        said = self._said_of(id_)
        self._own(said, who)
        self.forge.edit(said, request.json["body"])
        return Response(200, self._comment(said))

    @route("DELETE", REPO + "/issues/comments/{id_}")
    def delete(self, request: Request, who: Credential, id_: str) -> Response:
        for review in self.forge.reviews:
            for draft in review.drafts:
                if str(draft["id"]) == id_:
                    if review.author.id != who.user.id:
                        self._refuse(403, "")
                    review.drafts.remove(draft)
                    return Response(204)
        said = self._said_of(id_)
        self._own(said, who)
        said.deleted = True
        return Response(204)

    def _said_of(self, id_: str) -> Said:
        said = self.forge.find_said(int(id_)) if id_.isdigit() else None
        return said or self._refuse(404, "comment does not exist")

    def _own(self, said: Said, who: Credential) -> None:
        if said.author.id != who.user.id and self.forge.role_of(who.user.login) != "admin":
            self._refuse(403, "")

    def _comment(self, said: Said) -> dict[str, Any]:
        return {
            "id": said.id,
            "body": said.body,
            "user": self._user(said.author),
            "created_at": said.created,
            "updated_at": said.updated,
            "html_url": f"http://localhost:3000/{self.forge.name}/pulls/{said.pull}#issuecomment-{said.id}",
        }

    @route("GET", REPO + "/issues/comments/{id_}/reactions")
    def reactions(self, request: Request, who: Credential, id_: str) -> Response:
        found = self._said_of(id_).reactions
        return Response(200, [self._reaction(content, self.forge.users[login]) for content, login in found])

    def _reaction(self, content: str, user: User) -> dict[str, Any]:
        return {"content": content, "user": self._user(user), "created_at": self.forge.now()}

    @route("POST", REPO + "/issues/comments/{id_}/reactions")
    def react(self, request: Request, who: Credential, id_: str) -> Response:
        said, content = self._said_of(id_), request.json["content"]
        if content not in _REACTIONS or content in self.reactions_off:
            self._refuse(403, f"'{content}' is not an allowed reaction")
        new = (content, who.user.login) not in said.reactions
        if new:
            said.reactions.append((content, who.user.login))
        return Response(201 if new else 200, self._reaction(content, who.user))

    # -- reviews ------------------------------------------------------------------------------------------------------

    @route("GET", REPO + "/pulls/{index}/reviews")
    def reviews(self, request: Request, who: Credential, index: str) -> Response:
        """Pending ones are counted, and left out where they are another's: after the page was cut."""
        pull = self._pull_of(index)
        self._inline(pull.number)
        all_ = [r for r in self.forge.reviews if r.pull == pull.number]
        page = self._page(request, all_)
        shown = [r for r in page.json if r.state != "PENDING" or self._sees(r, who)]
        return Response(200, [self._review(r) for r in shown], page.headers)

    def _inline(self, pull: int) -> list[Said]:
        """All comments in threads. Where a test began one on the forge itself, it gets the review that it needs."""
        for talk in self.forge.talks_of(pull):
            root = talk.comments[0]
            if root.review is None:
                made = Review(self.forge.next_id(), pull, root.author, "COMMENT", "", talk.commit, root.created)
                self.forge.reviews.append(made)
            for said in talk.comments:
                if said.review is None:
                    said.review = root.review if said is not root else made.id
                if "line" not in said.extra:
                    line = talk.line or 0
                    place = {"path": talk.path, "line": line if talk.side == "new" else -line}
                    said.extra.update({**place, "extra": 0, "commit": talk.commit})
        return self.forge.inline(pull)

    def _sees(self, review: Review, who: Credential) -> bool:
        return review.state != "PENDING" or review.author.id == who.user.id

    def _review_of(self, index: str, id_: str, who: Credential) -> Review:
        pull = self._pull_of(index)
        found = next((r for r in self.forge.reviews if str(r.id) == id_ and r.pull == pull.number), None)
        if found is None or not self._sees(found, who):
            self._refuse(404, "review does not exist")
        assert found is not None
        return found

    def _review(self, review: Review) -> dict[str, Any]:
        count = len(review.drafts) or len([s for s in self._inline(review.pull) if s.review == review.id])
        return {
            "id": review.id,
            "user": self._user(review.author),
            "state": review.state,
            "body": review.body,
            "commit_id": review.commit,
            "stale": False,
            "official": False,
            "dismissed": False,
            "comments_count": count,
            "submitted_at": review.created,
            "updated_at": review.created,
            "html_url": "",
            "pull_request_url": "",
        }

    @route("GET", REPO + "/pulls/{index}/reviews/{id_}/comments")
    def review_comments(self, request: Request, who: Credential, index: str, id_: str) -> Response:
        review = self._review_of(index, id_, who)
        if review.state == "PENDING":
            return Response(200, [self._code_json(review, draft, review.author) for draft in review.drafts])
        said = [s for s in self._inline(review.pull) if s.review == review.id]
        return Response(200, [self._code_json(review, self._draft_of(s), s.author) for s in said])

    @route("DELETE", REPO + "/pulls/{index}/reviews/{id_}")
    def delete_review(self, request: Request, who: Credential, index: str, id_: str) -> Response:
        review = self._review_of(index, id_, who)
        if review.author.id != who.user.id:
            self._refuse(403, "only admin and user itself can delete a review")
        for said in self.forge.inline(review.pull):
            said.deleted = said.deleted or said.review == review.id
        self.forge.reviews.remove(review)
        return Response(204)

    @route("POST", REPO + "/pulls/{index}/reviews")
    def create_review(self, request: Request, who: Credential, index: str) -> Response:
        """Not atomic: each comment goes into the pending review, then that is submitted with all there is in it."""
        pull, sent = self._pull_of(index), request.json
        event, body, comments = sent.get("event", ""), sent.get("body") or "", sent.get("comments") or []
        state = self._event(pull, who.user, event, body, bool(comments))
        for comment in comments:
            if comment.get("extra_lines_count", 0) < 0:
                self._refuse(422, "extra_lines_count must be >= 0")
            line = -comment["old_position"] if comment.get("old_position", 0) > 0 else comment.get("new_position", 0)
            review = self._pending(who.user, pull, sent.get("commit_id") or pull.head)
            made = self._code_comment(pull, comment["path"], line, comment.get("extra_lines_count", 0), comment["body"])
            review.drafts.append(made)
        if not pull.open:
            self._refuse(422, "can't submit review for a closed or merged PR")
        review = self._pending(who.user, pull, sent.get("commit_id") or pull.head)
        review.state = state
        if state != "PENDING":
            self._publish(review)
        review.body, review.created = body, self.forge.now()
        return Response(200, self._review(review))

    def _event(self, pull: Pull, user: User, event: str, body: str, has_comments: bool) -> str:
        if event in ("APPROVED", "REQUEST_CHANGES") and pull.author.id == user.id:
            verb = "approve" if event == "APPROVED" else "reject"
            self._refuse(422, f"{verb} your own pull is not allowed")
        if event == "COMMENT" and not body.strip() and not has_comments:
            self._refuse(422, f"review event {event} requires a body or a comment")
        if event not in ("APPROVED", "COMMENT") and not body.strip():
            self._refuse(422, f"review event {event} requires a body")
        return event if event in ("APPROVED", "REQUEST_CHANGES", "COMMENT") else "PENDING"

    def _pending(self, user: User, pull: Pull, commit: str) -> Review:
        """The user's pending review; there is one at most."""
        for review in self.forge.reviews:
            if review.pull == pull.number and review.author.id == user.id and review.state == "PENDING":
                return review
        made = Review(self.forge.next_id(), pull.number, user, "PENDING", "", commit, self.forge.now())
        self.forge.reviews.append(made)
        return made

    def _code_comment(self, pull: Pull, path: str, line: int, extra: int, body: str) -> dict[str, Any]:
        """A comment as it is stored. A path that is not there is taken; a line that `git blame` has not is not."""
        if line == 0:
            self._internal("line 0")
        if line > 0:
            data = self.forge.blob(pull.head, path)
            last = len((data or b"").splitlines())
            if data is not None and line > last and self.strict_blame:
                self._internal(f"LineBlame: exit status 128 - fatal: file {path} has only {last} lines")
        stored = self._stored_line(pull, path, line)
        if not self._may_span():
            extra = 0
        return {"id": self.forge.next_id(), "path": path, "line": stored, "extra": extra, "body": body,
                "created": self.forge.now(), "commit": pull.head}  # fmt: skip

    def _stored_line(self, pull: Pull, path: str, line: int) -> int:
        return line

    def _may_span(self) -> bool:
        return False

    def _publish(self, review: Review) -> None:
        talks: dict[tuple[str, int], Talk] = {}
        for draft in review.drafts:
            key = draft["path"], draft["line"]
            if key not in talks:
                talks[key] = self._new_talk(review.pull, draft)
            talk = talks[key]
            moment, extra = self.forge.now(), {k: draft[k] for k in ("path", "line", "extra", "commit")}
            said = Said(
                draft["id"], review.pull, review.author, draft["body"], moment, moment, talk.id, review.id, extra=extra
            )
            self.forge.said.append(said)
            talk.comments.append(said)
        review.drafts.clear()

    def _new_talk(self, pull: int, draft: Mapping[str, Any]) -> Talk:
        first = abs(draft["line"])
        side = "new" if draft["line"] > 0 else "old"
        start = first if draft["extra"] else None
        return self.forge.start_talk(
            pull, draft["path"], "new" if side == "new" else "old", first + draft["extra"], start_line=start
        )

    def _where(self, said: Said) -> dict[str, Any]:
        return {name: said.extra[name] for name in ("path", "line", "extra", "commit")}

    def _draft_of(self, said: Said) -> dict[str, Any]:
        resolver = said.extra.get("resolver")
        return {"id": said.id, "body": said.body, "created": said.created, "resolver": resolver, **self._where(said)}

    def _code_json(self, review: Review, draft: Mapping[str, Any], author: User) -> dict[str, Any]:
        line = draft["line"]
        resolver = draft.get("resolver")
        made = {
            "id": draft["id"],
            "body": draft["body"],
            "path": draft["path"],
            "position": max(line, 0),
            "original_position": max(-line, 0),
            "commit_id": draft["commit"],
            "original_commit_id": "",
            "diff_hunk": "",
            "user": self._user(author),
            "pull_request_review_id": review.id,
            "created_at": draft["created"],
            "updated_at": draft["created"],
            "html_url": "",
            "pull_request_url": "",
        }
        if resolver is not None:
            made["resolver"] = self._user(self.forge.users[resolver])
        return made

    # -- conversations ------------------------------------------------------------------------------------------------

    def _numbers(self) -> tuple[int, ...]:
        """An odd version is taken for the newest."""
        return tuple(int(n) for n in re.findall(r"\d+", self.version.partition("+")[0])[:2]) or (99,)

    @route("POST", REPO + "/pulls/comments/{id_}/resolve")
    def resolve(self, request: Request, who: Credential, id_: str) -> Response:
        if self.forgejo or self._numbers() < (1, 26):
            self._refuse(405 if self.forgejo else 404, "")
        said = self._said_of(id_)
        may = RANK[self.forge.role_of(who.user.login)] >= 2 or self.forge.pulls[said.pull].author.id == who.user.id
        if not may:
            self._refuse(403, "user should have permission to resolve the conversation")
        self._resolve(said, who.user)
        return Response(204)

    def _resolve(self, said: Said, user: User) -> None:
        said.extra["resolver"] = user.login
        talk = self.forge.find_talk(said.thread)
        if talk is not None and talk.comments[0] is said:
            talk.resolved, talk.resolved_by = True, user.login

    @route("POST", REPO + "/pulls/{index}/comments/{id_}/replies")
    def reply(self, request: Request, who: Credential, index: str, id_: str) -> Response:
        if self.forgejo or self._numbers() < (1, 27):
            self._refuse(404, "")
        root = self._said_of(id_)
        review = next(r for r in self.forge.reviews if r.id == root.review)
        said = self.answer_in(self._pull_of(index), who.user.login, root, request.json["body"])
        return Response(201, self._code_json(review, self._draft_of(said), said.author))


class ForgejoFake(GiteaFake):
    """What Forgejo 16 does otherwise: it follows lines with blame, spans several, and takes comments into a review."""

    forgejo = True
    spec = "forgejo.json"

    def __init__(self, forge: Forge) -> None:
        super().__init__(forge)
        self.version = "16.0.1+gitea-1.22.0"
        self.strict_blame = False

    def _may_span(self) -> bool:
        return self._numbers()[0] >= 16

    def _stored_line(self, pull: Pull, path: str, line: int) -> int:
        """Not the line that was sent, but the one of the commit that it comes from; a line of the old side that is
        still there moves to the new one."""
        if line > 0:
            return self._blamed(pull.head, path, line)
        base = self.forge.merge_base(pull)
        out = self.forge.repo.git(
            "blame", "--reverse", "--porcelain", "-L", f"{-line},{-line}", f"{base}..{pull.head}", "--", path, ok=False
        )
        if not out:
            self._internal(f"ReverseLineBlame[{base}, {path}, {-line}]: exit status 128")
        sha, number = out.split("\n", 1)[0].split(" ")[:2]
        return self._blamed(pull.head, path, int(number)) if sha == pull.head else -int(number)

    def _blamed(self, head: str, path: str, line: int) -> int:
        out = self.forge.repo.git("blame", "--porcelain", "-L", f"{line},{line}", head, "--", path, ok=False)
        return int(out.split("\n", 1)[0].split(" ")[1]) if out else line

    def _code_json(self, review: Review, draft: Mapping[str, Any], author: User) -> dict[str, Any]:
        made = super()._code_json(review, draft, author)
        return {**made, "extra_lines_count": draft["extra"]} if self._may_span() else made

    @route("POST", REPO + "/pulls/{index}/reviews/{id_}/comments")
    def add_comment(self, request: Request, who: Credential, index: str, id_: str) -> Response:
        """Joins the conversation whose stored line it names; else it is placed as a new comment is."""
        if not self.forgejo:
            self._refuse(405, "")
        pull, review, sent = self._pull_of(index), self._review_of(index, id_, who), request.json
        line = -sent["old_position"] if sent.get("old_position", 0) > 0 else sent.get("new_position", 0)
        joined = [
            s
            for s in self.forge.inline(pull.number)
            if (s.review, s.extra["path"], s.extra["line"]) == (review.id, sent["path"], line)
        ]
        if joined:
            said = self.answer_in(pull, who.user.login, joined[0], sent["body"])
        else:
            draft = self._code_comment(pull, sent["path"], line, sent.get("extra_lines_count", 0), sent["body"])
            said = self.forge.say(
                pull.number, who.user, sent["body"], talk=self._new_talk(pull.number, draft), review=review.id
            )
            said.extra.update({k: draft[k] for k in ("path", "line", "extra", "commit")})
        return Response(200, self._code_json(review, self._draft_of(said), said.author))
