"""GitHub's GraphQL API: the documents that Loom sends, and its errors, which come with HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping

from loom.infra.text import one_line
from loom.platforms.answers import Reply, at, items, text_or_none
from loom.platforms.base import AuthError, DeniedError, LimitedError, MissingError, PlatformError, RejectedError
from loom.platforms.http import Api

VIEWER = "query{viewer{login}}"

_SAID = """
fragment said on Comment{body author{login __typename} viewerDidAuthor createdAt}
fragment felt on Reactable{reactions(first:20){nodes{content user{login}}}}
"""
# `databaseId` has 32 bits and is to go; older Enterprise Servers do not know `fullDatabaseId` yet.
TALK = (
    """query($owner:String!,$name:String!,$number:Int!,$threads:String,$comments:String,$reviews:String,
 $moreThreads:Boolean!,$moreComments:Boolean!,$moreReviews:Boolean!){
 viewer{login}
 repository(owner:$owner,name:$name){pullRequest(number:$number){
  reviewThreads(first:100,after:$threads)@include(if:$moreThreads){pageInfo{hasNextPage endCursor} nodes{
   id isResolved isOutdated path line originalLine diffSide subjectType viewerCanResolve resolvedBy{login}
   comments(first:50){pageInfo{hasNextPage endCursor} nodes{id number:NUMBER state ...said ...felt}}}}
  comments(first:100,after:$comments)@include(if:$moreComments){pageInfo{hasNextPage endCursor}
   nodes{id number:NUMBER ...said ...felt}}
  reviews(first:100,after:$reviews)@include(if:$moreReviews){pageInfo{hasNextPage endCursor}
   nodes{id number:NUMBER state ...said ...felt}}}}}"""
    + _SAID
)
REST_OF_THREAD = (
    """query($thread:ID!,$after:String){node(id:$thread){...on PullRequestReviewThread{
 comments(first:100,after:$after){pageInfo{hasNextPage endCursor} nodes{id number:NUMBER state ...said ...felt}}}}}"""
    + _SAID
)
RESOLVE = "mutation($thread:ID!){resolveReviewThread(input:{threadId:$thread}){thread{isResolved}}}"
MINIMISE = (
    "mutation($subject:ID!){minimizeComment(input:{subjectId:$subject,classifier:OUTDATED})"
    "{minimizedComment{isMinimized}}}"
)
DOCUMENTS = (VIEWER, TALK, REST_OF_THREAD, RESOLVE, MINIMISE)
NUMBERS = ("fullDatabaseId", "databaseId")
"""What NUMBER stands for, the newest first."""

_DENIED = ("FORBIDDEN", "INSUFFICIENT_SCOPES", "UNAUTHORIZED", "SAML_FAILURE")


class Graph:
    """Asks and changes over GraphQL, through the same client as REST."""

    def __init__(self, api: Api) -> None:
        self._api = api
        # Enterprise Server: https://host/api/v3 beside https://host/api/graphql; else below the root.
        root = api.root
        self._url = f"{root.removesuffix('/v3')}/graphql" if root.endswith("/api/v3") else f"{root}/graphql"

    async def ask(self, document: str, variables: Mapping[str, object]) -> object:
        """The data of a query. Raises PlatformError, also where only a part could be had."""
        reply = await self._api.query(self._url, {"query": document, "variables": dict(variables)})
        return self._data(reply, writes=False)

    async def change(self, document: str, variables: Mapping[str, object]) -> object:
        """The data of a mutation. Raises like `Api.send`, and DeniedError for what GitHub calls FORBIDDEN."""
        reply = await self._api.send("POST", self._url, {"query": document, "variables": dict(variables)})
        return self._data(reply, writes=True)

    def _data(self, reply: Reply, *, writes: bool) -> object:
        errors = items(reply.json, "errors")
        data = at(reply.json, "data")
        if not errors and data is not None:
            return data
        first = errors[0] if errors else None
        said = one_line(self._api.masked(text_or_none(first, "message") or "an answer without data"), 300)
        kind = text_or_none(first, "type") or text_or_none(first, "extensions", "code") or ""
        raise _error(kind, f"GitHub's GraphQL API refused: {said}", said, writes=writes)


def _error(kind: str, message: str, said: str, *, writes: bool) -> PlatformError:
    if kind in _DENIED or (writes and kind == "NOT_FOUND"):
        return DeniedError(
            message, hint="the token lacks a permission for this (docs/github.md)", status=403, said=said
        )
    if kind == "NOT_FOUND":
        return MissingError(message, hint="check repository and number", status=404, said=said)
    if kind == "RATE_LIMITED":
        return LimitedError(message, hint="run again later", status=429, said=said)
    if kind == "BAD_CREDENTIALS":
        return AuthError(message, status=401, said=said)
    return RejectedError(message, status=422, said=said)
