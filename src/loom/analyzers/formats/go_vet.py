"""What `go vet -json` prints, as plain JSON: objects package -> analyzer -> diagnostics, between lines of the compiler.
Go up to 1.25 prints them to standard error, later ones to standard output (https://pkg.go.dev/cmd/vet)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from loom.analyzers.formats.values import items, mapping, text

_POSITION = re.compile(r"(?P<path>.+?):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?")
_COMPILER = re.compile(r"(?:vet: )?(?P<posn>[^\s#:{}\"][^\n:]*\.go:\d{1,9}(?::\d{1,9})?): (?P<message>.+)")
_SAYS_NOTHING = ("#", "go: ", "note: ")


def documents(content: str) -> list[object] | None:
    """The values between the lines of Go's tools, and a flat diagnostic for every line of the compiler; None where
    the text is no such output. Raises ValueError for an object that is no JSON."""
    found: list[object] = []
    lines = iter(content.splitlines())
    for line in lines:
        if line.startswith("{"):
            found.append(json.loads(_object(line, lines)))
        elif said := _COMPILER.fullmatch(line):
            found.append(_flat(said["posn"], {"message": said["message"]}))
        elif line.strip() and not line.startswith(_SAYS_NOTHING):
            return None
    return found


def _object(first: str, rest: Iterator[str]) -> str:
    """The lines of an object that begins and ends in the first column."""
    block = [first]
    while not block[-1].startswith("}") and not (len(block) == 1 and first.rstrip().endswith("}")):
        line = next(rest, None)
        if line is None:
            break
        block.append(line)
    return "\n".join(block)


def diagnostics(value: object) -> Sequence[object] | None:
    """The diagnostics of a document of vet's, each with its place and its analyzer as rule; None for any other
    document. An analyzer that failed is an error."""
    packages = [mapping(package) for package in mapping(value).values()]
    told = [(name, of) for package in packages for name, of in package.items()]
    places = [one for _, of in told for one in items(of)]
    failed = [text(mapping(of).get("error")) for _, of in told if not isinstance(of, list)]
    if not told or not all(packages) or not all(failed) or not all("posn" in mapping(one) for one in places):
        return None
    found = [_flat(text(mapping(one)["posn"]), mapping(one), name) for name, of in told for one in items(of)]
    return [*found, *([{"findings": [], "errors": [{"message": error} for error in failed]}] if failed else [])]


def _flat(posn: str, diagnostic: Mapping[str, object], rule: str | None = None) -> Mapping[str, object]:
    place = _POSITION.fullmatch(posn)
    flat = {"message": text(diagnostic.get("message")), "rule": rule}
    if place is None:
        return {"file": posn, **flat}
    return {"file": place["path"], "line": int(place["line"]), "column": int(place["column"] or 1), **flat}
