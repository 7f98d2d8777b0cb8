"""GitLab's REST API over `gitlab_state`: which request does what, with the statuses and words of the real one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from support.forge.core import Credential, Mark
from support.forge.gitlab_state import LEVELS, PROJECT_ID, DraftNote, GitLabState
from support.forge.server import RefusedError, Request, Response, Routes

route = Routes()
P = "/api/v4/projects/{id}"
MR = P + "/merge_requests/{iid}"


class GitLabFake(GitLabState):
    """What the server speaks for."""

    def answer(self, request: Request) -> Response:
        """Carry a request out."""
        with self.forge.lock:
            who = self.who(request)
            found = route.find(request.method, request.path)
            if found is None:
                raise RefusedError(404, {"error": "404 Not Found"})
            handler, segments = found
            project = segments.pop("id", None)
            if project is not None:
                self.may_see(project)
            return handler(self, request, who, **segments)

    # -- people and the project ---------------------------------------------------------------------------------------

    @route("GET", "/api/v4/user")
    def get_user(self, request: Request, who: Credential) -> Response:
        return Response(200, self.user(who.user))

    @route("GET", "/api/v4/version")
    def get_version(self, request: Request, who: Credential) -> Response:
        return Response(200, {"version": self.quirks.version, "revision": "0123abc"})

    @route("GET", "/api/v4/personal_access_tokens/self")
    def get_scopes(self, request: Request, who: Credential) -> Response:
        scopes = ["api"] if who.may("api", "write") else ["read_api"]
        return Response(200, {"id": 1, "scopes": scopes, "active": True, "user_id": who.user.id})

    @route("GET", P)
    def get_project(self, request: Request, who: Credential) -> Response:
        wanted = request.path.rpartition("/")[2]
        fork = next((p for p in self.forge.pulls.values() if str(self.source_id(p)) == wanted and p.fork), None)
        path = fork.source_repo if fork is not None else self.forge.name
        level = self.level(who)
        access = {"access_level": level, "notification_level": 3} if level else None
        permissions = {"project_access": access, "group_access": None}
        return Response(200, {"id": PROJECT_ID, "path_with_namespace": path, "permissions": permissions})

    @route("GET", P + "/members/all")
    def members(self, request: Request, who: Credential) -> Response:
        query = request.query.get("query", "")
        found = [user for user in self.forge.users.values() if query.lower() in user.login.lower()]
        rows = [{**self.user(user), "access_level": LEVELS[self.forge.role_of(user.login)]} for user in found]
        return self.paged(request, [row for row in rows if row["access_level"]])

    # -- reading ------------------------------------------------------------------------------------------------------

    @route("GET", MR)
    def get_mr(self, request: Request, who: Credential, iid: str) -> Response:
        pull = self.pull(iid)
        ready = self.quirks.preparing <= 0
        self.quirks.preparing -= 1
        count = len(self.forge.diff(pull).files)
        said = [s for notes in self.discussions(pull) for s in notes if not s.extra.get("system")]
        pipeline = self.pipelines.get(pull.head)
        own = pipeline is not None and not pull.fork
        return Response(200, {
            "id": 5000 + pull.number, "iid": pull.number, "title": pull.title, "description": pull.body,
            "state": "opened" if pull.open else "closed", "draft": pull.draft, "labels": list(pull.labels),
            "author": self.user(pull.author), "source_branch": pull.branch, "target_branch": pull.target,
            "source_project_id": self.source_id(pull), "target_project_id": PROJECT_ID, "sha": pull.head,
            "diff_refs": self.refs(pull) if ready else None, "user_notes_count": len(said),
            "changes_count": str(count) if count < self.quirks.most_files else f"{self.quirks.most_files}+",
            "head_pipeline": {"id": pipeline, "sha": pull.head} if own else None,
            "web_url": f"http://gitlab.invalid/{self.forge.name}/-/merge_requests/{pull.number}",
        })  # fmt: skip

    @route("GET", MR + "/versions")
    def versions(self, request: Request, who: Credential, iid: str) -> Response:
        pull = self.pull(iid)
        found = []
        for number, head in enumerate(pull.heads, 1):
            refs = {name.replace("_sha", "_commit_sha"): sha for name, sha in self.refs(pull, head).items()}
            found.append({"id": number, "state": "collected", **refs})
        return self.paged(request, reversed(found))

    @route("GET", MR + "/raw_diffs")
    def raw_diffs(self, request: Request, who: Credential, iid: str) -> Response:
        if not self.quirks.raw_diffs:
            raise RefusedError(404, {"error": "404 Not Found"})
        files = self.forge.diff(self.pull(iid)).files[: self.quirks.most_files]
        return Response(200, raw=b"".join(map(self.raw_of, files)), type="text/plain")

    @route("GET", MR + "/diffs")
    def diffs(self, request: Request, who: Credential, iid: str) -> Response:
        if int(request.query.get("per_page", 20)) > 30:
            raise RefusedError(500, {"message": "500 Internal Server Error"})
        files = self.forge.diff(self.pull(iid)).files[: self.quirks.most_files]
        return self.paged(request, [self.entry_json(file) for file in files])

    @route("GET", P + "/repository/files/{path}/raw")
    def raw_file(self, request: Request, who: Credential, path: str) -> Response:
        content = self.forge.blob(request.query.get("ref", "HEAD"), path)
        if content is None:
            raise RefusedError(404, {"message": "404 File Not Found"})
        return Response(200, raw=content, type="text/plain; charset=utf-8")

    @route("GET", P + "/repository/tree")
    def tree(self, request: Request, who: Credential) -> Response:
        folder = request.query.get("path", "")
        listed = self.forge.repo.git("ls-tree", "-z", request.query["ref"], *([f"{folder}/"] if folder else []))
        rows = []
        for line in filter(None, listed.split("\0")):
            head, _, path = line.partition("\t")
            mode, kind, sha = head.split(" ")
            rows.append({"id": sha, "name": path.rpartition("/")[2], "type": kind, "path": path, "mode": mode})
        return self.paged(request, rows)

    @route("GET", P + "/repository/commits/{sha}")
    def get_commit(self, request: Request, who: Credential, sha: str) -> Response:
        known = self.forge.has_commit(sha) or self.forge.has_commit(f"refs/heads/{sha}")
        if not known:
            raise RefusedError(404, {"message": "404 Commit Not Found"})
        found = self.forge.tip(sha)
        pipeline = self.pipelines.get(found)
        return Response(200, {"id": found, "last_pipeline": {"id": pipeline, "sha": found} if pipeline else None})

    @route("GET", P + "/repository/commits/{sha}/merge_requests")
    def mrs_of_commit(self, request: Request, who: Credential, sha: str) -> Response:
        found = [p for p in self.forge.pulls.values() if sha in p.heads]
        rows = [{"iid": p.number, "sha": p.head, "state": "opened" if p.open else "merged"} for p in found]
        return self.paged(request, rows)

    @route("GET", P + "/repository/merge_base")
    def merge_base(self, request: Request, who: Credential) -> Response:
        refs = [value for name, value in parse_qsl(request.target.partition("?")[2]) if name == "refs[]"]
        if len(refs) != 2:
            raise RefusedError(400, {"error": "Provide at least 2 refs"})
        found = self.forge.repo.git("merge-base", *refs, ok=False)
        if not found:
            raise RefusedError(404, {"message": f"404 Could not find ref: {refs[0]}"})
        return Response(200, {"id": found})

    # -- notes and discussions ----------------------------------------------------------------------------------------

    @route("GET", MR + "/discussions")
    def list_discussions(self, request: Request, who: Credential, iid: str) -> Response:
        return self.paged(request, [self.discussion_json(notes) for notes in self.discussions(self.pull(iid))])

    @route("POST", MR + "/discussions")
    def start_discussion(self, request: Request, who: Credential, iid: str) -> Response:
        self.limit()
        said = self.start(self.pull(iid), who.user, request.json["body"], request.json.get("position"))
        return Response(201, self.discussion_json([said]))

    @route("PUT", MR + "/discussions/{discussion}")
    def resolve(self, request: Request, who: Credential, iid: str, discussion: str) -> Response:
        pull = self.pull(iid)
        notes = self.find_discussion(pull, discussion)
        talk = self.forge.find_talk(notes[0].thread)
        if talk is None:
            raise RefusedError(400, {"message": "400 Bad request - Discussion is not resolvable"})
        if self.level(who) < 30 and pull.author is not who.user:
            raise RefusedError(403, {"message": "403 Forbidden"})
        talk.resolved = request.json["resolved"]
        talk.resolved_by = who.user.login if talk.resolved else None
        return Response(200, self.discussion_json(notes))

    @route("POST", MR + "/discussions/{discussion}/notes")
    def reply(self, request: Request, who: Credential, iid: str, discussion: str) -> Response:
        self.limit()
        pull = self.pull(iid)
        root = self.find_discussion(pull, discussion)[0]
        talk = self.forge.find_talk(root.thread)
        if talk is None:  # GitLab makes a thread of it, which then has to be resolved
            talk = self.forge.start_talk(pull.number, "", "new", None)
            root.thread = talk.id
            talk.comments.append(root)
        said = self.forge.say(pull.number, who.user, self.heard(request.json["body"]), talk=talk)
        return Response(201, self.note_json(said))

    @route("GET", MR + "/notes")
    def list_notes(self, request: Request, who: Credential, iid: str) -> Response:
        notes = [said for said in self.forge.said if said.pull == int(iid) and not said.deleted]
        ordered = notes if request.query.get("sort") == "asc" else notes[::-1]
        return self.paged(request, [self.note_json(said) for said in ordered])

    @route("POST", MR + "/notes")
    def create_note(self, request: Request, who: Credential, iid: str) -> Response:
        self.limit()
        text = self.heard(request.json["body"])
        if len(text) > 1_000_000:
            raise RefusedError(400, {"message": "400 Bad request - Note is too long (maximum is 1000000 characters)"})
        if not text:
            return Response(202, {"commands_changes": {}, "summary": ["Commands applied"]})
        return Response(201, self.note_json(self.forge.say(self.pull(iid).number, who.user, text)))

    @route("PUT", MR + "/notes/{note}")
    def edit_note(self, request: Request, who: Credential, iid: str, note: str) -> Response:
        said = self.find_note(self.pull(iid), note)
        if said.author is not who.user and self.level(who) < 40:
            raise RefusedError(403, {"message": "403 Forbidden"})
        self.forge.edit(said, self.heard(request.json["body"]))
        return Response(200, self.note_json(said))

    @route("DELETE", MR + "/notes/{note}")
    def delete_note(self, request: Request, who: Credential, iid: str, note: str) -> Response:
        said = self.find_note(self.pull(iid), note)
        if said.author is not who.user and self.level(who) < 40:
            raise RefusedError(403, {"message": "403 Forbidden"})
        said.deleted = True
        return Response(204)

    @route("GET", MR + "/notes/{note}/award_emoji")
    def awards(self, request: Request, who: Credential, iid: str, note: str) -> Response:
        said = self.find_note(self.pull(iid), note)
        rows = [{"id": n, "name": name, "user": self.user(self.forge.users[login])}
                for n, (name, login) in enumerate(said.reactions, 1)]  # fmt: skip
        return self.paged(request, rows)

    @route("POST", MR + "/notes/{note}/award_emoji")
    def award(self, request: Request, who: Credential, iid: str, note: str) -> Response:
        said = self.find_note(self.pull(iid), note)
        given = (request.json["name"], who.user.login)
        if given in said.reactions:
            raise RefusedError(404, {"message": "404 Award Emoji Name has already been taken Not Found"})
        said.reactions.append(given)
        return Response(201, {"id": len(said.reactions), "name": given[0], "user": self.user(who.user)})

    # -- draft notes --------------------------------------------------------------------------------------------------

    @route("GET", MR + "/draft_notes")
    def list_drafts(self, request: Request, who: Credential, iid: str) -> Response:
        return Response(200, [self.draft_json(draft) for draft in self.drafts_of(self.pull(iid), who)])

    @route("POST", MR + "/draft_notes")
    def stage(self, request: Request, who: Credential, iid: str) -> Response:
        pull = self.pull(iid)
        self.drafts_of(pull, who)
        self.limit()
        draft = DraftNote(
            self.forge.next_id(), pull.number, who.user, request.json["note"], request.json.get("position")
        )
        self.drafts.append(draft)
        return Response(201, self.draft_json(draft))

    @route("PUT", MR + "/draft_notes/{draft}")
    def change_draft(self, request: Request, who: Credential, iid: str, draft: str) -> Response:
        found = self.find_draft(self.pull(iid), who, draft)
        found.note = request.json.get("note", found.note)
        found.position = request.json.get("position", found.position)
        return Response(200, self.draft_json(found))

    @route("DELETE", MR + "/draft_notes/{draft}")
    def drop_draft(self, request: Request, who: Credential, iid: str, draft: str) -> Response:
        self.drafts.remove(self.find_draft(self.pull(iid), who, draft))
        return Response(204)

    @route("PUT", MR + "/draft_notes/{draft}/publish")
    def publish_one(self, request: Request, who: Credential, iid: str, draft: str) -> Response:
        self.publish(self.find_draft(self.pull(iid), who, draft))
        return Response(204)

    @route("POST", MR + "/draft_notes/bulk_publish")
    def publish_all(self, request: Request, who: Credential, iid: str) -> Response:
        pull = self.pull(iid)
        for draft in self.drafts_of(pull, who):
            self.publish(draft)  # breaks off at the first bad one; those before it are out
        state = (request.json or {}).get("reviewer_state")
        if state is not None and self.at_least(19, 2):
            self.states.append((pull.number, who.user.login, state))
        return Response(204)

    # -- approvals and statuses ---------------------------------------------------------------------------------------

    @route("GET", MR + "/approvals")
    def get_approvals(self, request: Request, who: Credential, iid: str) -> Response:
        by = self.approvals.get(int(iid), set())
        return Response(200, {"user_has_approved": who.user.login in by, "approved": bool(by)})

    @route("POST", MR + "/approve")
    def approve(self, request: Request, who: Credential, iid: str) -> Response:
        pull = self.pull(iid)
        if request.json.get("sha") not in (None, pull.head):
            raise RefusedError(409, {"message": "SHA does not match HEAD of source branch: " + pull.head})
        by = self.approvals.setdefault(pull.number, set())
        if pull.author is who.user or self.level(who) < 30 or who.user.login in by:
            raise RefusedError(401, {"message": "401 Unauthorized"})
        by.add(who.user.login)
        return Response(201, {"id": 5000 + pull.number})

    @route("POST", P + "/statuses/{sha}")
    def set_status(self, request: Request, who: Credential, sha: str) -> Response:
        body: dict[str, Any] = request.json
        owner = request.path.split("/")[4]
        here = [
            p for p in self.forge.pulls.values() if sha in p.heads and (not p.fork or str(self.source_id(p)) == owner)
        ]
        if not here:
            raise RefusedError(404, {"message": "404 Commit Not Found"})
        if self.level(who) < 30:
            raise RefusedError(403, {"message": "403 Forbidden"})
        same = [mark for mark in self.forge.marks if (mark.sha, mark.name) == (sha, body["name"])]
        if same and same[-1].state == body["state"] == "pending":
            said = "Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition)"
            raise RefusedError(400, {"message": said})
        extra = {"pipeline_id": body.get("pipeline_id"), "target_url": body.get("target_url"), "project": owner}
        mark = Mark(self.forge.next_id(), sha, body["name"], body["state"], body["description"], extra=extra)
        self.forge.marks.append(mark)
        return Response(201, {"id": mark.id, "status": mark.state, "name": mark.name})
