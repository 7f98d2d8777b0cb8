"""Holds what went over the wire against a platform's official OpenAPI description, read at run time from data."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest

from support.data import DATA, SHARED
from support.forge.server import Entry

_TOOL = SHARED / "tools" / "contract.py"


class Contract:
    """One platform's description. `allow` says which complaints are errors of the description itself."""

    def __init__(
        self,
        spec: str,
        *,
        prefix: str = "",
        multi: tuple[str, ...] | None = None,
        skip: Callable[[Entry], bool] = lambda entry: False,
        allow: tuple[str, ...] = (),
        answers: bool = True,
    ) -> None:
        self.spec = spec
        self.prefix = prefix
        self.multi = multi
        self.skip = skip
        self.allow = allow
        self.answers = answers

    def violations(self, journal: Iterable[Entry], origin: str) -> list[str]:
        """What the description does not allow; nothing where it is not beside the project (unless it must be)."""
        if not _TOOL.exists() or not (DATA / "specs" / self.spec).exists():
            if os.environ.get("LOOM_REQUIRE_DATA") == "1":
                pytest.fail(f"the description {self.spec} is not beside the project")
            return []
        checker = _checker(self.spec, self.prefix, self.multi)
        found = [line for entry in journal for line in self._of(checker, entry, origin)]
        return [line for line in found if not any(known in line for known in self.allow)]

    def _of(self, checker: Any, entry: Entry, origin: str) -> list[str]:
        import httpx2

        request = entry.request
        if self.skip(entry) or "git-upload-pack" in request.target or request.path.endswith("/info/refs"):
            return []
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        sent = httpx2.Request(request.method, origin + request.target, headers=headers, content=request.raw)
        found = [f"{request.method} {request.target}: {line}" for line in checker.check_request(sent)]
        response = entry.response
        if self.answers and response is not None and entry.fault is None and response.status < 300:
            got = httpx2.Response(
                response.status, headers={"content-type": response.type}, content=response.bytes, request=sent
            )
            found += [f"answer to {request.method} {request.target}: {line}" for line in _wrong(checker, sent, got)]
        return found


def _wrong(checker: Any, sent: Any, got: Any) -> list[str]:
    """What is wrong with an answer. A fake leaves out what nobody reads, so that something is missing does not count;
    that what is there has its type, its values and its place does."""
    module = sys.modules[type(checker).__module__]
    asked = module._Req(sent, "http://contract.test", checker.match(sent)[2])
    found = []
    for error in checker.oa.iter_response_errors(asked, module._Resp(got)):
        schema_errors = getattr(error.__cause__, "schema_errors", None)
        if schema_errors is None:
            found.append(f"{type(error).__name__}: {error}")
        found += [
            f"{'/'.join(map(str, wrong.absolute_path))}: {wrong.message[:200]}"
            for wrong in schema_errors or ()
            if not _only_lacks(wrong)
        ]
    return found


def _only_lacks(error: Any) -> bool:
    """Whether nothing but missing members is wrong, in one of the alternatives at least."""
    if error.validator == "required":
        return True
    branches: dict[Any, list[Any]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    return any(all(_only_lacks(inner) for inner in branch) for branch in branches.values())


@cache
def _checker(spec: str, prefix: str, multi: tuple[str, ...] | None) -> Any:
    found = importlib.util.spec_from_file_location("loom_shared_contract", _TOOL)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tool and what it imports, which are not ours
        found.loader.exec_module(module)
        return module.Contract(DATA / "specs" / spec, prefix=prefix, multi=list(multi) if multi is not None else None)
