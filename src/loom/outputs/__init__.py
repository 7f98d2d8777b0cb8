"""What a review looks like: one file a format, found through the table here."""

from __future__ import annotations

from pathlib import Path

from loom.core.errors import UsageError
from loom.infra import lookup
from loom.outputs.base import Output

FORMATS = {
    "text": "loom.outputs.terminal:render",
    "json": "loom.outputs.json:render",
    "sarif": "loom.outputs.sarif:render",
    "markdown": "loom.outputs.markdown:render",
    "github": "loom.outputs.github_annotations:render",
    "gitlab-codequality": "loom.outputs.gitlab_codequality:render",
    "junit": "loom.outputs.junit:render",
    "rdjsonl": "loom.outputs.rdjsonl:render",
    "agent": "loom.outputs.agent:render",
    "html": "loom.outputs.html:render",
}
"""Format -> the function that renders it."""


def output(name: str) -> Output:
    """The output called `name`. Raises UsageError."""
    found: Output = lookup.load(FORMATS, name, what="output format")
    return found


def parse_spec(spec: str) -> tuple[str, Path | None]:
    """`sarif:loom.sarif` as (format, file); `sarif:-` as (format, None), which is standard output. Raises UsageError
    when the format is unknown or no file is named."""
    name, colon, path = spec.partition(":")
    if name in FORMATS:
        if not colon or not path.strip():
            raise UsageError(
                f'--output {spec}: no file named for the format "{name}"',
                hint=f"write --output {name}:FILE, or --format {name} to print it",
            )
    elif not colon:
        guess = Path(spec).suffix.lstrip(".")
        raise UsageError(
            f"--output {spec}: the format is missing",
            hint=f"write --output {guess if guess in FORMATS else 'json'}:{spec}",
        )
    output(name)
    return name, None if path == "-" else Path(path)
