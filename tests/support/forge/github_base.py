"""What all parts of the fake GitHub stand on: who asks and may what, paging, people, and its way to refuse."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from support.forge import github_graph
from support.forge.core import Credential, Forge, Pull, Said, User
from support.forge.server import RefusedError, Request, Response, Routes

REPO = "/repos/{owner}/{repo}"
route = Routes()


def unprocessable(*errors: Any, message: str = "Unprocessable Entity") -> RefusedError:
    return RefusedError(
        422, {"message": message, "errors": list(errors), "documentation_url": "https://docs.github.com"}
    )


class GitHubBase:
    """The forge and the steps that every route takes."""

    forge: Forge

    def _who(self, request: Request) -> Credential | None:
        if request.token is None:
            return None
        if request.token not in self.forge.tokens:
            raise RefusedError(401, {"message": "Bad credentials"})
        return self.forge.tokens[request.token]

    def _need(self, request: Request, permission: str, *others: str) -> User:
        """Who writes; any of the permissions will do."""
        who = self._who(request)
        if who is None:
            raise RefusedError(401, {"message": "Requires authentication"})
        if not any(who.may(name, "write") for name in (permission, *others)):
            accepted = "; ".join(f"{name}=write" for name in (permission, *others))
            raise RefusedError(
                403, {"message": "Resource not accessible by integration"}, {"x-accepted-github-permissions": accepted}
            )
        return who.user

    def _pull(self, number: str) -> Pull:
        pull = self.forge.pulls.get(int(number)) if number.isdigit() else None
        if pull is None:
            raise RefusedError(404, {"message": "Not Found"})
        return pull

    def _paged(self, request: Request, rows: list[Any]) -> Response:
        """`per_page` of at most 100, `page`, and where the others are in `Link`."""
        size = min(int(request.query.get("per_page", 30)), 100)
        page, last = int(request.query.get("page", 1)), max(1, -(-len(rows) // size))
        links = {"next": page + 1, "last": last} if page < last else {}
        links |= {"prev": page - 1, "first": 1} if page > 1 else {}
        host = f"http://{request.headers['host']}{request.target.partition('?')[0]}"
        parts = [f'<{host}?{urlencode({**request.query, "page": n})}>; rel="{rel}"' for rel, n in links.items()]
        headers = {"Link": ", ".join(parts)} if parts else {}
        return Response(200, rows[(page - 1) * size : page * size], headers)


def user_json(user: User) -> dict[str, Any]:
    return {
        "login": f"{user.login}[bot]" if user.bot else user.login, "id": user.id, "node_id": f"U_{user.id}",
        "type": "Bot" if user.bot else "User", "site_admin": False,
    }  # fmt: skip


def reactions_json(said: Said) -> dict[str, Any]:
    counts = {name: sum(content == name for content, _ in said.reactions) for name in github_graph.CONTENT}
    return {"url": "https://x.invalid/", "total_count": len(said.reactions), **counts}
