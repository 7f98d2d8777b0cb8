"""The kinds of text a configuration holds (names, globs, patterns, paths, addresses) and what makes each one valid.

A check raises ValueError with a message that says what is allowed; it never repeats the value, which may be a secret.
"""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from loom.config import hosts, secrecy

SeverityName = Literal["blocker", "warning", "info"]
Bar = Literal["blocker", "warning", "info", "never"]
Permission = Literal["read", "write", "admin"]

_MODEL_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_PIPELINE_NAME = re.compile(r"[a-z0-9-]+")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2 token
LOOM_FOLDER = ".loom/"


class Strict(BaseModel):
    """A piece of the configuration: unknown keys are errors, nothing is converted, nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def fault(key: str, message: str, *, whole: bool = False) -> PydanticCustomError:
    """An error about one key of the piece that is being checked, so that it is reported where that key stands.

    `whole`: it only counts once all layers are merged, since another layer may give what is lacking.
    """
    return PydanticCustomError("loom", "{message}", {"key": key, "message": message, "whole": whole})


def _model_name(value: str) -> str:
    if not _MODEL_NAME.fullmatch(value):
        raise ValueError("a model's name has letters, digits, `_`, `.` and `-` only")
    return value


def _pipeline_name(value: str) -> str:
    if not _PIPELINE_NAME.fullmatch(value):
        raise ValueError("a pipeline's name has lower-case letters, digits and `-` only")
    return value


def _env_name(value: str) -> str:
    if not _ENV_NAME.fullmatch(value):
        raise ValueError("the name of an environment variable has letters, digits and `_` only")
    return value


def _key_variable(value: str) -> str:
    """The name of the variable that holds a key. What looks like the key itself is refused without showing it."""
    if secrecy.looks_secret(value) or not _ENV_NAME.fullmatch(value) or len(value) > 100:
        raise ValueError(
            "this must be the name of an environment variable, such as OPENAI_API_KEY. If a key itself stands here, "
            "take it out and revoke it: whoever can read the file can use it"
        )
    return value


_FRAMING = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect")
)


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError("not a valid HTTP header name")
    if value.lower() in _FRAMING:
        raise ValueError("this header belongs to the connection, and is set by it")
    return value


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("a header's value has printable ASCII characters only")
    return value


def _pattern(value: str) -> str:
    from loom.infra import regex

    try:
        regex.compile(value)
    except ValueError as error:
        raise ValueError(f"not a valid RE2 pattern: {error}") from error
    return value


def _glob(value: str) -> str:
    if not value.strip("!/ ") or "\\" in value.replace("\\ ", "").replace("\\#", "").replace("\\!", ""):
        raise ValueError('a glob in gitignore style names something and uses `/`, such as "src/**/*.py"')
    return value


def under_loom(value: str) -> str:
    """A path relative to `.loom/`, without the tolerated prefix. Raises ValueError when it leads out of there."""
    inner = value.removeprefix("./").removeprefix(LOOM_FOLDER)
    clean = posixpath.normpath(inner)
    outside = clean.startswith(("/", "../", "~")) or clean in ("..", ".")
    if not inner or outside or "\\" in inner or ":" in inner or ".." in inner.split("/"):
        raise ValueError("the path must stay under .loom/ (relative, no `..`, no `~`, forward slashes)")
    return clean


def _inside_loom(value: str) -> str:
    return LOOM_FOLDER + under_loom(value)


def _in_repository(value: str) -> str:
    clean = posixpath.normpath(value)
    if not value or clean.startswith(("/", "../", "~")) or clean == ".." or "\\" in value or ".." in value.split("/"):
        raise ValueError("the path must stay in the repository (relative, no `..`, forward slashes)")
    return clean


def _base_url(value: str) -> str:
    hosts.parse(value)
    return value


ModelName = Annotated[str, AfterValidator(_model_name)]
PipelineName = Annotated[str, AfterValidator(_pipeline_name)]
EnvName = Annotated[str, AfterValidator(_env_name)]
KeyVariable = Annotated[str, AfterValidator(_key_variable)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Re2 = Annotated[str, AfterValidator(_pattern)]
Glob = Annotated[str, AfterValidator(_glob)]
UnderLoom = Annotated[str, AfterValidator(under_loom)]
InsideLoom = Annotated[str, AfterValidator(_inside_loom)]
RepositoryPath = Annotated[str, AfterValidator(_in_repository)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[float, Field(ge=0)]
