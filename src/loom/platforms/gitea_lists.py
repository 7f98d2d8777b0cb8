"""Whole lists from Gitea and Forgejo, whose pages are counted by `x-total-count` alone in most places."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from loom.platforms.answers import number, number_or_none, text_or_none
from loom.platforms.base import DeniedError, MissingError, PlatformError
from loom.platforms.gitea_values import submitted
from loom.platforms.http import Api, Reply

_PAGE = 50
"""What a server gives at most, unless its MAX_RESPONSE_ITEMS says otherwise."""
_PAGES = 1_000
Listed = list[object]


class Lists:
    """The lists of one repository; every one of them is whole, or an error."""

    def __init__(self, api: Api, repo: str) -> None:
        self._api = api
        self._repo = repo

    async def general(self, number: int) -> Listed:
        """The general comments of a pull request. Not paged (so far)."""
        return await self._all(f"{self._repo}/issues/{number}/comments", paged=False)

    async def reviews(self, number: int) -> Listed:
        """All reviews: our own pending one too, of other people only submitted ones."""
        return await self._all(f"{self._repo}/pulls/{number}/reviews")

    async def of_review(self, number: int, review: int) -> Listed:
        """The comments of one review. Not paged."""
        return await self._all(f"{self._repo}/pulls/{number}/reviews/{review}/comments", paged=False)

    async def inline(self, pull: int, reviews: Listed) -> list[tuple[int, object]]:
        """(review, comment) of all that people see. There is no list of them but one by one review."""
        ids = [number(r, "id") for r in submitted(reviews) if number_or_none(r, "comments_count") != 0]
        lists = await asyncio.gather(*(self._still_there(pull, id_) for id_ in ids))
        return [(id_, raw) for id_, raws in zip(ids, lists, strict=True) for raw in raws]

    async def _still_there(self, pull: int, review: int) -> Listed:
        try:
            return await self.of_review(pull, review)
        except MissingError:  # somebody deleted the review meanwhile
            return []

    async def said(self, number: int) -> tuple[Listed, Listed] | None:
        """General comments and reviews; None where the token may not list them."""
        try:
            general, reviews = await asyncio.gather(self.general(number), self.reviews(number))
        except DeniedError:
            return None
        return general, reviews

    async def changed(self, number: int) -> list[str]:
        """The paths that a pull request changes."""
        found = await self._all(f"{self._repo}/pulls/{number}/files")
        return [name for file in found if (name := text_or_none(file, "filename"))]

    async def open_pulls(self) -> Listed:
        """The open pull requests, those with news first."""
        return await self._all(f"{self._repo}/pulls", {"state": "open", "sort": "recentupdate"})

    async def _all(self, path: str, params: Mapping[str, str] | None = None, *, paged: bool = True) -> Listed:
        """All pages, those after the first at once. A server may give fewer than asked for, and leaves out what the
        token may not see but counts it: an empty page is the end only where no total says otherwise."""
        given = dict(params or {})
        first = await self._api.get(path, {**given, "page": 1, "limit": _PAGE} if paged else given)
        found = _items(first)
        told = first.headers.get("x-total-count", "")
        if not told.isdigit():
            return await self._until_empty(path, given, found) if paged and found else found
        if len(found) >= int(told):
            return found
        size = len(found) or _PAGE
        pages = range(2, min(-(-int(told) // size), _PAGES) + 1)
        rest = await asyncio.gather(
            *(self._api.get(path, {**given, "page": n, "limit": _PAGE if paged else size}) for n in pages)
        )
        return [*found, *(item for reply in rest for item in _items(reply))]

    async def _until_empty(self, path: str, given: Mapping[str, str], found: Listed) -> Listed:
        for page in range(2, _PAGES + 1):
            more = _items(await self._api.get(path, {**given, "page": page, "limit": _PAGE}))
            if not more:
                break
            found = [*found, *more]
        return found


def _items(reply: Reply) -> Listed:
    """The items of a page; `null` is an empty one."""
    if reply.json is not None and not isinstance(reply.json, list):
        raise PlatformError("the platform's answer is not a list", slug="platform-answer")
    return list(reply.json or [])
