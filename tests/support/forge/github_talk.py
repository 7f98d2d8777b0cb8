"""What people and tokens say on the fake GitHub: reviews, comments on lines, general comments, reactions."""

from __future__ import annotations

from typing import Any

from support.forge import github_graph
from support.forge.core import Forge, Pull, Review, Said, User
from support.forge.diffs import Diff, Side
from support.forge.github_base import REPO, GitHubBase, reactions_json, route, unprocessable, user_json
from support.forge.server import RefusedError, Request, Response

_MAX_BODY = 65_536


class Talking(GitHubBase):
    """Those routes, with the rules of section 2.4."""

    may_approve = True

    # -- reviews ------------------------------------------------------------------------------------------------------

    @route("GET", REPO + "/pulls/{number}/reviews")
    def list_reviews(self, request: Request, number: str) -> Response:
        who = self._who(request)
        me = who.user if who is not None else None
        pull = self._pull(number)
        shown = [r for r in self.forge.reviews if r.pull == pull.number and (r.state != "PENDING" or r.author is me)]
        return self._paged(request, [self._review_json(review) for review in shown])

    def _review_json(self, review: Review) -> dict[str, Any]:
        return {
            "id": review.id, "node_id": f"PRR_{review.id}", "user": user_json(review.author), "body": review.body,
            "state": review.state, "html_url": "https://x.invalid/", "pull_request_url": "https://x.invalid/",
            "commit_id": review.commit, "submitted_at": review.created,
        }  # fmt: skip

    @route("POST", REPO + "/pulls/{number}/reviews")
    def post_review(self, request: Request, number: str) -> Response:
        author, pull, body = self._need(request, "pull_requests"), self._pull(number), request.json
        with self.forge.lock:
            if any(r.pull == pull.number and r.author is author and r.state == "PENDING" for r in self.forge.reviews):
                raise unprocessable("User can only have one pending review per pull request")
            commit = self._commit(pull, body.get("commit_id") or pull.head)
            event, comments = body.get("event"), body.get("comments") or []
            self._check_event(request, event, pull, author, body.get("body") or "", comments)
            diff = self.forge.diff_between(self._base_of(pull, commit), commit)
            errors = [why for comment in comments if (why := self._why_not(diff, comment)) is not None]
            if errors:
                raise unprocessable(*errors)
            review = self._store(pull, author, commit, event, body.get("body") or "", comments)
        return Response(200, self._review_json(review))

    def _store(
        self, pull: Pull, author: User, commit: str, event: str | None, body: str, comments: list[dict[str, Any]]
    ) -> Review:
        states = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
        state = states[event] if event else "PENDING"
        review = Review(self.forge.next_id(), pull.number, author, state, body, commit, self.forge.now())
        self.forge.reviews.append(review)
        if state == "PENDING":
            review.drafts = list(comments)
            return review
        for comment in comments:
            self._start(pull, author, commit, comment, review.id)
        return review

    def _check_event(
        self, request: Request, event: str | None, pull: Pull, author: User, body: str, comments: list[Any]
    ) -> None:
        if event not in (None, "APPROVE", "REQUEST_CHANGES", "COMMENT"):
            raise unprocessable("Variable $event of type PullRequestReviewEvent was provided invalid value")
        who = self._who(request)
        if event == "APPROVE" and who is not None and who.kind == "installation" and not self.may_approve:
            raise unprocessable("GitHub Actions is not permitted to approve pull requests.")
        if event in ("APPROVE", "REQUEST_CHANGES") and author is pull.author:
            verb = "approve" if event == "APPROVE" else "request changes on"
            raise unprocessable(f"Can not {verb} your own pull request")
        if not body and (event == "REQUEST_CHANGES" or (event == "COMMENT" and not comments)):
            raise unprocessable("Review body can't be blank")
        self._check_length(body)

    def _check_length(self, body: str) -> None:
        if len(body) > _MAX_BODY:
            problem = {"resource": "IssueComment", "code": "custom", "field": "body"}
            raise unprocessable(
                {**problem, "message": "body is too long (maximum is 65536 characters)"}, message="Validation Failed"
            )

    def _commit(self, pull: Pull, sha: str) -> str:
        if sha not in pull.heads:
            raise unprocessable("commit_id is not part of the pull request")
        return sha

    def _base_of(self, pull: Pull, commit: str) -> str:
        return self.forge.repo.git("merge-base", self.forge.tip(pull.target), commit)

    def _why_not(self, diff: Diff, comment: dict[str, Any]) -> str | None:
        """GitHub's words for a comment that has no place in the diff."""
        if not comment.get("body"):
            return "Body can't be blank"
        if len(comment["body"]) > _MAX_BODY:
            return "Body is too long (maximum is 65536 characters)"
        file = diff.file(comment.get("path", ""))
        if file is None:
            return "Path could not be resolved"
        if comment.get("subject_type") == "file":
            return None
        line, start = comment.get("line"), comment.get("start_line")
        if line is None:
            return "Position could not be resolved"
        side: Side = "old" if comment.get("side") == "LEFT" else "new"
        hunk = file.hunk_of(side, line)
        if hunk is None:
            thread = "Pull request review thread"
            return f"{thread} line must be part of the diff and {thread} diff hunk can't be blank"
        if start is None:
            return None
        if start >= line:
            return "Pull request review thread start line must precede the end line."
        start_side: Side = "old" if comment.get("start_side", comment.get("side")) == "LEFT" else "new"
        if file.hunk_of(start_side, start) != hunk:
            return "Pull request review thread start line must be part of the same hunk as the line."
        return None

    def _start(self, pull: Pull, author: User, commit: str, comment: dict[str, Any], review: int) -> Said:
        side: Side = "old" if comment.get("side") == "LEFT" else "new"
        line = None if comment.get("subject_type") == "file" else comment["line"]
        start = comment.get("start_line")
        talk = self.forge.start_talk(pull.number, comment["path"], side, line, start_line=start, commit=commit)
        talk.outdated = commit != pull.head
        return self.forge.say(pull.number, author, comment["body"], talk=talk, review=review)

    @route("GET", REPO + "/pulls/{number}/reviews/{key}/comments")
    def review_comments(self, request: Request, number: str, key: str) -> Response:
        review = self._review(number, key)
        drafts = [self._draft_json(review, draft) for draft in review.drafts]
        said = [c for c in self.forge.inline(review.pull) if c.review == review.id]
        return self._paged(request, drafts + [self._inline_json(c, bare=True) for c in said])

    def _draft_json(self, review: Review, draft: dict[str, Any]) -> dict[str, Any]:
        return {"id": 1, "node_id": "x", "path": draft["path"], "body": draft["body"], "user": user_json(review.author)}

    def _review(self, number: str, id_: str) -> Review:
        pull = self._pull(number)
        found = next((r for r in self.forge.reviews if r.pull == pull.number and str(r.id) == id_), None)
        if found is None:
            raise RefusedError(404, {"message": "Not Found"})
        return found

    @route("GET", REPO + "/pulls/{number}/reviews/{key}")
    def get_review(self, request: Request, number: str, key: str) -> Response:
        return Response(200, self._review_json(self._review(number, key)))

    @route("PUT", REPO + "/pulls/{number}/reviews/{key}")
    def edit_review(self, request: Request, number: str, key: str) -> Response:
        self._need(request, "pull_requests")
        review = self._review(number, key)
        review.body = request.json["body"]
        return Response(200, self._review_json(review))

    @route("DELETE", REPO + "/pulls/{number}/reviews/{key}")
    def delete_review(self, request: Request, number: str, key: str) -> Response:
        self._need(request, "pull_requests")
        review = self._review(number, key)
        if review.state != "PENDING":
            raise unprocessable("Can not delete a non-pending pull request review")
        self.forge.reviews.remove(review)
        return Response(200, self._review_json(review))

    # -- comments on lines --------------------------------------------------------------------------------------------

    @route("GET", REPO + "/pulls/{number}/comments")
    def list_inline(self, request: Request, number: str) -> Response:
        return self._paged(request, [self._inline_json(c) for c in self.forge.inline(self._pull(number).number)])

    @route("POST", REPO + "/pulls/{number}/comments")
    def post_inline(self, request: Request, number: str) -> Response:
        author, pull, body = self._need(request, "pull_requests"), self._pull(number), request.json
        with self.forge.lock:
            if any(r.pull == pull.number and r.author is author and r.state == "PENDING" for r in self.forge.reviews):
                raise unprocessable("User can only have one pending review per pull request")
            commit = self._commit(pull, body["commit_id"])
            diff = self.forge.diff_between(self._base_of(pull, commit), commit)
            why = self._why_not(diff, body)
            if why is not None:
                raise unprocessable(why, message="Validation Failed")
            review = Review(self.forge.next_id(), pull.number, author, "COMMENTED", "", commit, self.forge.now())
            self.forge.reviews.append(review)
            said = self._start(pull, author, commit, body, review.id)
        return Response(201, self._inline_json(said))

    def _inline_json(self, said: Said, *, bare: bool = False) -> dict[str, Any]:
        talk = self.forge.find_talk(said.thread)
        assert talk is not None
        root = talk.comments[0]
        file = self.forge.diff_between(self._base_of(self.forge.pulls[said.pull], talk.commit), talk.commit).file(
            talk.path
        )
        entry: dict[str, Any] = {
            "id": said.id, "node_id": f"PRRC_{said.id}", "pull_request_review_id": said.review,
            "path": talk.path, "commit_id": talk.commit, "original_commit_id": talk.commit,
            "diff_hunk": (file.patch or "") if file else "", "user": user_json(said.author), "body": said.body,
            "created_at": said.created, "updated_at": said.updated, "html_url": "https://x.invalid/",
            "pull_request_url": "https://x.invalid/", "side": "LEFT" if talk.side == "old" else "RIGHT",
            "reactions": reactions_json(said),
        }  # fmt: skip
        if said is not root:
            entry["in_reply_to_id"] = root.id
        if bare:  # GitHub's list of one review's comments has no lines (pulls/legacy-review-comment)
            return entry
        line = None if talk.outdated else talk.line
        entry |= {"subject_type": "file" if talk.line is None else "line", "original_line": talk.line or 1}
        return {**entry, "line": line} if line is not None else entry

    def _find(self, id_: str, *, inline: bool) -> Said:
        said = self.forge.find_said(int(id_)) if id_.isdigit() else None
        if said is None or (said.thread is not None) != inline:
            raise RefusedError(404, {"message": "Not Found"})
        return said

    @route("POST", REPO + "/pulls/{number}/comments/{key}/replies")
    def reply(self, request: Request, number: str, key: str) -> Response:
        author, root = self._need(request, "pull_requests"), self._find(key, inline=True)
        talk = self.forge.find_talk(root.thread)
        assert talk is not None
        if talk.comments[0] is not root:
            raise unprocessable("in_reply_to must be the id of a top-level comment")
        self._check_length(request.json["body"])
        return Response(201, self._inline_json(self.forge.say(root.pull, author, request.json["body"], talk=talk)))

    @route("GET", REPO + "/pulls/comments/{key}")
    def get_inline(self, request: Request, key: str) -> Response:
        return Response(200, self._inline_json(self._find(key, inline=True)))

    @route("PATCH", REPO + "/pulls/comments/{key}")
    def edit_inline(self, request: Request, key: str) -> Response:
        return Response(200, self._inline_json(self._edited(request, self._find(key, inline=True), "pull_requests")))

    @route("DELETE", REPO + "/pulls/comments/{key}")
    def delete_inline(self, request: Request, key: str) -> Response:
        self._need(request, "pull_requests")
        self._find(key, inline=True).deleted = True
        return Response(204)

    @route("POST", REPO + "/pulls/comments/{key}/reactions")
    def react_inline(self, request: Request, key: str) -> Response:
        return self._react(request, self._find(key, inline=True), "pull_requests")

    # -- general comments ---------------------------------------------------------------------------------------------

    @route("GET", REPO + "/issues/{number}/comments")
    def list_general(self, request: Request, number: str) -> Response:
        return self._paged(request, [self._general_json(c) for c in self.forge.general(self._pull(number).number)])

    @route("POST", REPO + "/issues/{number}/comments")
    def post_general(self, request: Request, number: str) -> Response:
        author, pull = self._need(request, "issues", "pull_requests"), self._pull(number)
        self._check_length(request.json["body"])
        return Response(201, self._general_json(self.forge.say(pull.number, author, request.json["body"])))

    def _general_json(self, said: Said) -> dict[str, Any]:
        return {
            "id": said.id, "node_id": f"IC_{said.id}", "url": "https://x.invalid/", "html_url": "https://x.invalid/",
            "issue_url": "https://x.invalid/", "body": said.body, "user": user_json(said.author),
            "created_at": said.created, "updated_at": said.updated, "reactions": reactions_json(said),
        }  # fmt: skip

    @route("GET", REPO + "/issues/comments/{key}")
    def get_general(self, request: Request, key: str) -> Response:
        return Response(200, self._general_json(self._find(key, inline=False)))

    @route("PATCH", REPO + "/issues/comments/{key}")
    def edit_general(self, request: Request, key: str) -> Response:
        said = self._edited(request, self._find(key, inline=False), "issues", "pull_requests")
        return Response(200, self._general_json(said))

    @route("DELETE", REPO + "/issues/comments/{key}")
    def delete_general(self, request: Request, key: str) -> Response:
        self._need(request, "issues", "pull_requests")
        self._find(key, inline=False).deleted = True
        return Response(204)

    @route("POST", REPO + "/issues/comments/{key}/reactions")
    def react_general(self, request: Request, key: str) -> Response:
        return self._react(request, self._find(key, inline=False), "issues", "pull_requests")

    def _edited(self, request: Request, said: Said, *permissions: str) -> Said:
        author = self._need(request, *permissions)
        if said.author is not author:
            raise RefusedError(403, {"message": "Resource not accessible by integration"})
        self._check_length(request.json["body"])
        self.forge.edit(said, request.json["body"])
        return said

    def _react(self, request: Request, said: Said, *permissions: str) -> Response:
        author, content = self._need(request, *permissions), request.json["content"]
        if content not in github_graph.CONTENT:
            raise unprocessable("content is not a reaction")
        known = (content, author.login) in said.reactions
        if not known:
            said.reactions.append((content, author.login))
        body = {
            "id": 1,
            "node_id": "REA_1",
            "user": user_json(author),
            "content": content,
            "created_at": self.forge.now(),
        }
        return Response(200 if known else 201, body)


def leave_pending(forge: Forge, pull: Pull, body: str, author: User | None = None, *, comment: str = "draft") -> Review:
    """A review that was begun and never submitted."""
    review = Review(forge.next_id(), pull.number, author or forge.bot, "PENDING", body, pull.head, forge.now())
    review.drafts.append({"path": forge.diff(pull).files[0].path, "body": comment})
    forge.reviews.append(review)
    return review
