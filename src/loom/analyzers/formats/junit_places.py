"""Where a failed test stands, for reports that do not say so: by traces, names of classes and names of suites."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from loom.analyzers.formats.base import Reading

_TEXT = 100_000
"""Characters of a failure's text in which places are looked for, from its end."""
_PYTHON = re.compile(r'^\s*File "(?P<path>[^"\n]{1,1000})", line (?P<line>\d{1,9})', re.MULTILINE)
_JAVA = re.compile(r"\bat (?:[\w.]+/)?(?P<owner>[\w.$]{1,300})\((?P<path>[\w$-]{1,200}\.\w{1,10}):(?P<line>\d{1,9})\)")
_PLAIN = re.compile(
    r"(?:webpack(?:-internal)?://[^/\s]{0,100}/)?"
    r"(?P<path>(?:file://|[A-Za-z]:[\\/])?[^\s:()\[\]{}<>\"'`,;=|]{1,500}\.\w{1,10})"
    r":(?:line )?(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?"
)
_PHP = re.compile(r"(?P<path>/[^\s:()\"']{1,500}\.php)(?::| on line |\()(?P<line>\d{1,9})")
_LIKE_A_FILE = re.compile(r"^[^\s:]*/[^/\s:]+\.[A-Za-z]\w{0,9}$")
_TEST = re.compile(r"(?i)(?:^|[/_.-])(?:tests?|spec)s?(?:[/_.-]|$)|(?:Test|Spec|IT)s?\.\w+$")


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the repository, and a line where that is known."""

    path: str
    line: int | None = None
    column: int | None = None


@dataclass(slots=True)
class Places:
    """Finds places; what it has asked the repository once it knows."""

    reading: Reading
    _there: dict[str, bool] = field(default_factory=dict)

    def of(
        self,
        told: tuple[tuple[str, int | None, int | None], ...],
        body: str,
        groups: Iterable[str],
        suites: Iterable[str],
    ) -> Place | None:
        """The best place: the deepest in the text that is in the file of the test, else what the attributes say (their
        lines are those of the test's head, pytest's count from 0); without such a file the deepest in the text."""
        groups = tuple(groups)
        files = [(path, line, column) for file, line, column in told if (path := self.named([file]))]
        home = files[0][0] if files else self._of_class(groups) or self.named(suites)
        seen = list(self._in_text(body, groups, home))
        if not home:
            tests = [place for place in seen if _TEST.search(place.path)]
            return next(reversed(tests or seen), None)
        line, column = next(((line, column) for path, line, column in files if path == home and line), (None, None))
        return next((place for place in reversed(seen) if place.path == home), Place(home, line, column))

    def named(self, names: Iterable[str]) -> str:
        """The path of the first of these names that is a file of the repository or looks like one; else empty."""
        for name in names:
            path = self.reading.path(name)
            if path and (self._is_there(path) or _LIKE_A_FILE.search(path)):
                return path
        return ""

    def _is_there(self, path: str) -> bool:
        if path not in self._there:
            inside = not path.startswith(("/", "../")) and path not in ("", ".")
            self._there[path] = path in self.reading.known or (inside and self.reading.head(path) is not None)
        return self._there[path]

    def _in_text(self, body: str, groups: tuple[str, ...], home: str) -> Iterator[Place]:
        """Places of the text that are in the repository, or in the file that is known to be the test's, in order."""
        found: list[tuple[int, Place]] = []
        text = body[-_TEXT:]
        frames = list(_JAVA.finditer(text))
        for match in frames:
            package = match["owner"].rpartition(".")[0].rpartition(".")[0]
            path = self._ending((package.replace(".", "/") + "/" if package else "") + match["path"])
            if path and int(match["line"]) >= 1:
                found.append((-match.start(), Place(path, int(match["line"]))))  # the first frame is the deepest
        taken = {match.start("path") for match in frames}
        for pattern in (_PYTHON, _PHP, _PLAIN):
            for match in pattern.finditer(text):
                number = int(match["line"])
                path = self._seen(match["path"], groups, home) if match.start("path") not in taken else ""
                if path and number >= 1:
                    found.append(
                        (match.start(), Place(path, number, int(match.groupdict().get("column") or 0) or None))
                    )
        return (place for _, place in sorted(found, key=lambda item: item[0]))

    def _seen(self, told: str, groups: tuple[str, ...], home: str) -> str:
        path = self.reading.path(told)
        return path if path == home or self._is_there(path) else self._beside(told, groups)

    def _beside(self, name: str, groups: tuple[str, ...]) -> str:
        """A bare file name (Go's) in the folder that the class is called by: `example.org/x/pkg/sum`."""
        if "/" in name or "\\" in name:
            return ""
        for group in groups:
            parts = group.split("/")
            for start in range(len(parts)):
                if self._is_there(path := posixpath.join(*parts[start:], name)):
                    return path
        return self._ending(name)

    def _of_class(self, groups: tuple[str, ...]) -> str:
        """The file of a class: `tests.unit.test_a.TestB` in tests/unit/test_a.py, `com.acme.FooTest` in
        src/test/java/com/acme/FooTest.java, or a path itself."""
        for group in groups:
            if "/" in group or "\\" in group:
                if path := self.named([group]):
                    return path
                continue
            parts = group.partition("$")[0].split(".")
            for end in range(len(parts), 0, -1):
                stem = "/".join(parts[:end])
                if path := self._with_stem(stem, bare=end == 1):
                    return path
        return ""

    def _with_stem(self, stem: str, *, bare: bool) -> str:
        """A file of the change with this path but for its ending, at the top or below folders; or a Python module."""
        hits = [path for path in self.reading.known if posixpath.splitext(path)[0] == stem]
        hits = hits or [path for path in self.reading.known if posixpath.splitext(path)[0].endswith("/" + stem)]
        if len(hits) == 1:
            return hits[0]
        return "" if hits or bare else next((path for path in (stem + ".py",) if self._is_there(path)), "")

    def _ending(self, end: str) -> str:
        """The one file of the change that ends so; empty for none and for several."""
        hits = [path for path in self.reading.known if path == end or path.endswith("/" + end)]
        return hits[0] if len(hits) == 1 else ""
