"""What GitHub shows beside a commit: a check run with annotations, or a commit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loom.infra.text import one_line
from loom.platforms.answers import text
from loom.platforms.base import Limits
from loom.platforms.http import Api
from loom.platforms.values import Note, Posted, Status, StatusState

NAME = "loom"
_DESCRIPTION = 140
_SUMMARY = 65_000
_TITLE = 255
_MESSAGE = 16_000
"""Characters; GitHub takes 64 KB."""
_CONCLUSIONS: Mapping[StatusState, str] = {
    "success": "success", "failure": "failure", "error": "failure", "neutral": "neutral",
}  # fmt: skip
_LEVELS = {"blocker": "failure", "warning": "warning", "info": "notice"}


class Poster:
    """The status of one commit; a check run that was begun as pending is brought to its end."""

    def __init__(self, api: Api, repo: str) -> None:
        self._api = api
        self._repo = repo
        self._runs: dict[str, str] = {}
        """Head -> the check run that was made for it."""

    async def commit_status(self, sha: str, status: Status) -> None:
        """A commit status. There is no neutral one: that is a success with its reason."""
        state = "success" if status.state == "neutral" else status.state
        body = {"state": state, "context": NAME, "description": one_line(status.title, _DESCRIPTION)}
        if status.url:
            body["target_url"] = status.url
        await self._api.send("POST", f"{self._repo}/statuses/{sha}", body)

    async def check_run(self, sha: str, status: Status, limits: Limits) -> list[Posted]:
        """A check run; annotations go in portions, and those beyond the limit come back as not posted."""
        notes = list(status.notes[: limits.notes_total])
        size = limits.notes_per_request
        portions = [notes[i : i + size] for i in range(0, len(notes), size)] or [[]]
        for portion in portions:
            await self._send(sha, self._body(status, portion, last=portion is portions[-1]))
        why = f"a check run holds {limits.notes_total:,} annotations"
        return [
            Posted(fingerprint=note.fingerprint, ok=n < len(notes), why=None if n < len(notes) else why)
            for n, note in enumerate(status.notes)
        ]

    async def _send(self, sha: str, body: dict[str, object]) -> None:
        run = self._runs.get(sha)
        if run is not None:
            await self._api.send("PATCH", f"{self._repo}/check-runs/{run}", body)
        else:
            reply = await self._api.send("POST", f"{self._repo}/check-runs", {**body, "head_sha": sha})
            self._runs[sha] = text(reply.json, "id")

    def _body(self, status: Status, notes: Sequence[Note], *, last: bool) -> dict[str, object]:
        done = last and status.state != "pending"
        body: dict[str, object] = {"name": NAME, "status": "completed" if done else "in_progress"}
        if done:
            body["conclusion"] = _CONCLUSIONS[status.state]
        if status.url:
            body["details_url"] = status.url
        body["output"] = {
            "title": one_line(status.title, _TITLE),
            "summary": status.summary[:_SUMMARY] or status.title,
            "annotations": [_annotation(note) for note in notes],
        }
        return body


def _annotation(note: Note) -> dict[str, object]:
    line = note.line or 1
    message = note.message or note.title
    if note.rule_url:
        message = f"{message}\n{note.rule_url}"
    return {
        "path": note.path,
        "start_line": line,
        "end_line": max(line, note.end_line or line),
        "annotation_level": _LEVELS[note.severity],
        "title": one_line(note.title, _TITLE),
        "message": message[:_MESSAGE],
    }
