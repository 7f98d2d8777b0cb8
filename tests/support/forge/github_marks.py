"""Commit statuses and check runs on the fake GitHub."""

from __future__ import annotations

from typing import Any

from support.forge.core import Mark
from support.forge.github_base import REPO, GitHubBase, route, unprocessable
from support.forge.server import RefusedError, Request, Response


class Marking(GitHubBase):
    """Those routes, with the limits of section 2.6."""

    # -- statuses and checks ------------------------------------------------------------------------------------------

    @route("POST", REPO + "/statuses/{sha}")
    def post_status(self, request: Request, sha: str) -> Response:
        self._need(request, "statuses")
        body = request.json
        if not self.forge.has_commit(sha):
            raise unprocessable(message=f"No commit found for SHA: {sha}")
        if len(body.get("description") or "") > 140:
            raise unprocessable("description is too long (maximum is 140 characters)", message="Validation Failed")
        mark = Mark(self.forge.next_id(), sha, body["context"], body["state"], body.get("description") or "")
        self.forge.marks.append(mark)
        return Response(
            201, {"id": mark.id, "state": mark.state, "context": mark.name, "description": mark.description}
        )

    @route("POST", REPO + "/check-runs")
    def post_check(self, request: Request) -> Response:
        who = self._who(request)
        if who is not None and who.kind != "installation":
            raise RefusedError(403, {"message": "You must authenticate via a GitHub App."})
        self._need(request, "checks")
        body = request.json
        if not self.forge.has_commit(body["head_sha"]):
            raise unprocessable(message=f"No commit found for SHA: {body['head_sha']}")
        mark = Mark(self.forge.next_id(), body["head_sha"], body["name"], "in_progress", "", "check")
        self._update(mark, body)
        self.forge.marks.append(mark)
        return Response(201, self._check_json(mark))

    @route("PATCH", REPO + "/check-runs/{key}")
    def patch_check(self, request: Request, key: str) -> Response:
        self._need(request, "checks")
        mark = next((m for m in self.forge.marks if str(m.id) == key and m.kind == "check"), None)
        if mark is None:
            raise RefusedError(404, {"message": "Not Found"})
        self._update(mark, request.json)
        return Response(200, self._check_json(mark))

    def _update(self, mark: Mark, body: dict[str, Any]) -> None:
        output = body.get("output") or {}
        notes = output.get("annotations") or []
        if len(notes) > 50:
            raise unprocessable("No more than 50 items are allowed; 51 were supplied.", message="Invalid request.")
        if len(output.get("summary") or "") > 65_535:
            raise unprocessable("Only 65535 characters are allowed", message="Invalid request.")
        for note in notes:
            if note["end_line"] < note["start_line"]:
                raise unprocessable("end_line must not be before start_line", message="Invalid request.")
        mark.notes += notes
        mark.description = output.get("title") or mark.description
        mark.extra["summary"] = output.get("summary")
        mark.state = body.get("conclusion") or body.get("status") or mark.state

    def _check_json(self, mark: Mark) -> dict[str, Any]:
        finished = mark.state not in ("in_progress", "queued")
        return {
            "id": mark.id, "node_id": f"CR_{mark.id}", "head_sha": mark.sha, "name": mark.name,
            "status": "completed" if finished else mark.state, "conclusion": mark.state if finished else None,
        }  # fmt: skip
