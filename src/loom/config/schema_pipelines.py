"""The `pipelines` part of the configuration: prompts, scripts and analyzers, and what each looks at."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from loom.config.types import (
    Count,
    EnvName,
    Glob,
    Permission,
    PipelineName,
    Positive,
    Re2,
    RepositoryPath,
    Seconds,
    SeverityName,
    Share,
    Strict,
    Text,
    UnderLoom,
    fault,
)
from loom.core.errors import did_you_mean
from loom.core.result import PipelineKind

OutputFormat = Literal[
    "sarif", "json", "text", "checkstyle", "junit", "rdjson", "rdjsonl", "codequality", "github", "regex"
]
Filter = Literal["added", "context", "file", "none"]

BUILTINS = ("secrets", "unicode", "hygiene", "rules")
AUTO = "linter/auto"
"""`uses:` of the pipeline that stands for every linter the repository configures."""
REGEX_GROUPS = ("file", "line", "end_line", "column", "severity", "message", "rule")

LLM_KEYS = frozenset(
    (
        "model",
        "prompt_file",
        "prompt",
        "persona",
        "instructions",
        "do_not_flag",
        "context",
        "passes",
        "quorum",
        "verify",
    )
)
SCRIPT_KEYS = frozenset(("parse_output", "pattern", "workdir", "timeout", "env", "shell"))
_LINTER_KEYS = frozenset(("timeout", "env"))
TOOL_KEYS = frozenset(("filter", "severity_map"))
"""Keys of everything that is not a model: scripts, linters, built-in analyzers."""
_MODEL_CHOICE = ("model", "prompt", "prompt_file")


class Instruction(Strict):
    """Something reviewers of certain files should know."""

    paths: tuple[Glob, ...] = Field(default=(), description="For which files; empty: all.")
    text: Text = Field(description="What to tell the model.")


class When(Strict):
    """Conditions of a pipeline. All that are given must hold."""

    paths: tuple[Glob, ...] = Field(default=(), description="A changed file matches one of these; empty: any.")
    labels: tuple[Text, ...] = Field(default=(), description="The PR carries one of these; empty: any.")
    authors: tuple[Text, ...] = Field(default=(), description="The author is one of these; empty: any.")
    branches: tuple[Text, ...] = Field(default=(), description="The target branch matches one of these; empty: any.")
    min_changes: Count = Field(default=0, description="Changed lines, after path filters.")
    fork: bool | None = Field(default=None, description="Whether the change comes from a fork; null: either.")
    author_permission: Permission | None = Field(
        default=None, description="Lowest platform permission of the author; null: any."
    )


class Context(Strict):
    """What of the repository a model is shown besides the change."""

    files: tuple[Text, ...] = Field(default=(), description="Paths or globs that are always shown.")
    symbols: bool = Field(default=True, description="Definitions of what the change uses.")
    search: bool = Field(default=True, description="Code that resembles the change.")
    history: bool = Field(default=True, description="Earlier commits that touched the same lines.")
    tests: bool = Field(default=True, description="Tests of what the change touches.")
    budget: Count = Field(default=8000, description="Tokens for all of it.")


class Pipeline(Strict):
    """One way to look at the change: a model with a prompt, a script, or an analyzer (`uses`)."""

    name: PipelineName = Field(description="Unique; lower-case letters, digits and `-`.")
    description: str = Field(default="", description="For people.")
    enabled: bool = Field(default=True, description="Whether it runs.")
    model: Text = Field(
        default="default", description="A model's name. `default`: the model named so, or the only one."
    )
    prompt_file: UnderLoom | None = Field(
        default=None,
        description="Relative to `.loom/`; null: `prompts/{name}.md` there, then the built-in prompt of that name, "
        "then the built-in `review`.",
    )
    prompt: Text | None = Field(default=None, description="The prompt itself, instead of `prompt_file`.")
    persona: Text = Field(default="default", description="A name in `personas`.")
    instructions: tuple[Instruction, ...] = Field(default=(), description="Added for files that match.")
    do_not_flag: tuple[Text, ...] = Field(default=(), description="What this team does not want to hear.")
    severity: SeverityName = Field(default="warning", description="For findings that come without one.")
    severity_map: dict[str, SeverityName] = Field(
        default_factory=dict,
        description="A tool's levels or rule ids to ours. Without an entry, error and warning become warning, the rest "
        "info, unless the catalogue or rule says blocker.",
    )
    max_severity: SeverityName | None = Field(default=None, description="A ceiling; null: none.")
    include_paths: tuple[Glob, ...] = Field(default=(), description="Look only at these; empty: all.")
    exclude_paths: tuple[Glob, ...] = Field(default=(), description="Leave these out.")
    when: When = Field(default_factory=When, description="Conditions; all that are given must hold.")
    context: Context = Field(default_factory=Context, description="What else of the repository the model is shown.")
    min_confidence: Share = Field(default=0.0, description="Findings below it are dropped (0 to 1).")
    outside_change: bool = Field(
        default=False, description="Keep findings on files that are not in the change (in the summary only)."
    )
    passes: Positive = Field(default=1, description="Independent passes over the same chunk.")
    quorum: Positive = Field(default=1, description="How many passes must agree on a finding.")
    verify: Text | None = Field(default=None, description="A model that must confirm each finding; null: none.")
    suggestions: bool = Field(default=True, description="Ask for and show replacement code.")
    required: bool = Field(default=True, description="false: its failure does not make the review incomplete.")
    run: Text | None = Field(
        default=None,
        description="A command, split as a shell would, run without one. `{files}`: the changed files as arguments.",
    )
    parse_output: OutputFormat = Field(default="sarif", description="What the command prints.")
    pattern: Re2 | None = Field(
        default=None,
        description="For `parse_output: regex` (RE2); groups file, line, end_line, column, severity, message, rule.",
    )
    filter: Filter = Field(default="added", description="Which findings count, by where they stand.")
    workdir: RepositoryPath = Field(default=".", description="Where the command runs, relative to the repository.")
    timeout: Seconds = Field(default=120, description="Seconds; then the command and its children are killed.")
    env: dict[EnvName, str] = Field(default_factory=dict, description="Extra variables for the command.")
    shell: bool = Field(default=False, description="Run the command through a shell.")
    uses: Text | None = Field(default=None, description="`builtin/NAME`, `linter/NAME` or `linter/auto`.")

    @property
    def kind(self) -> PipelineKind:
        """What runs it."""
        if self.run is not None:
            return "script"
        if self.uses is None:
            return "llm"
        return "builtin" if self.uses.startswith("builtin/") else "linter"

    @property
    def idle_keys(self) -> tuple[str, ...]:
        """Keys that are set but mean nothing to this kind of pipeline."""
        kind = self.kind
        idle = SCRIPT_KEYS if kind != "script" else frozenset()
        idle -= _LINTER_KEYS if kind == "linter" else frozenset()
        idle |= TOOL_KEYS if kind == "llm" else LLM_KEYS
        return tuple(sorted(self.model_fields_set & idle))

    @model_validator(mode="after")
    def _one_kind(self) -> Pipeline:
        set_keys = self.model_fields_set
        if self.run is not None and self.uses is not None:
            raise fault("uses", "a pipeline has one of `run` and `uses`, not both")
        if self.run is not None or self.uses is not None:
            what = "run" if self.run is not None else "uses"
            for key in _MODEL_CHOICE:
                if key in set_keys and getattr(self, key) is not None:
                    raise fault(key, f"a pipeline has either `{what}` or a model with a prompt, not both")
        if self.prompt is not None and self.prompt_file is not None:
            raise fault("prompt_file", "a pipeline has one of `prompt` and `prompt_file`, not both")
        if self.quorum > self.passes:
            raise fault("quorum", f"{self.quorum} passes cannot agree when there are {self.passes}", whole=True)
        return self

    @model_validator(mode="after")
    def _known_use(self) -> Pipeline:
        if self.uses is None:
            return self
        shelf, _, name = self.uses.partition("/")
        if shelf == "builtin" and name in BUILTINS:
            return self
        if shelf == "linter" and re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            return self
        known = [f"builtin/{name}" for name in BUILTINS]
        allowed = ", ".join((*known, "linter/NAME", "linter/auto"))
        raise fault("uses", f'unknown "{self.uses[:60]}".{did_you_mean(self.uses, known)} Allowed: {allowed}')

    @model_validator(mode="after")
    def _pattern_fits(self) -> Pipeline:
        if self.kind != "script" or self.parse_output != "regex":
            return self
        if self.pattern is None:
            raise fault("pattern", "`parse_output: regex` needs a `pattern`", whole=True)
        groups = re.findall(r"\(\?P?<(\w+)>", self.pattern)
        for group in groups:
            if group not in REGEX_GROUPS:
                near = did_you_mean(group, REGEX_GROUPS)
                raise fault("pattern", f'unknown group "{group}".{near} Allowed: {", ".join(REGEX_GROUPS)}')
        if missing := [name for name in ("file", "message") if name not in groups]:
            raise fault("pattern", f"the pattern needs a group named `{'` and `'.join(missing)}`: (?P<{missing[0]}>…)")
        return self
