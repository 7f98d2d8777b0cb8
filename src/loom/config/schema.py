"""The shape of `.loom/config.yaml`: every key with its type, default and meaning.

The JSON Schema, the reference in docs/configuration.md and `loom config show` are made from these classes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from loom.config.schema_models import Budget, ModelConfig, Price
from loom.config.schema_pipelines import AUTO, BUILTINS, Context, Instruction, Pipeline, When
from loom.config.types import (
    Bar,
    Count,
    EnvName,
    Glob,
    InsideLoom,
    ModelName,
    Permission,
    Positive,
    Re2,
    SeverityName,
    Strict,
    Text,
    UnderLoom,
)

__all__ = [
    "AUTO",
    "BUILTINS",
    "Advanced",
    "Budget",
    "Cache",
    "Commands",
    "Config",
    "Context",
    "Instruction",
    "Memory",
    "ModelConfig",
    "Output",
    "Persona",
    "Pipeline",
    "Price",
    "Privacy",
    "Triggers",
    "When",
]


class Triggers(Strict):
    """When a change is reviewed, and which of its files."""

    branches: tuple[Text, ...] = Field(default=(), description="Target branches (globs); empty: all.")
    include_paths: tuple[Glob, ...] = Field(default=(), description="Review only these; empty: all.")
    ignore_paths: tuple[Glob, ...] = Field(
        default=(), description="Dropped from the review; a change left with no file is skipped."
    )
    ignore_authors: tuple[Text, ...] = Field(default=(), description="Whose PRs are skipped, `dependabot[bot]` say.")
    require_labels: tuple[Text, ...] = Field(default=(), description="Review only PRs with any of these; empty: all.")
    ignore_labels: tuple[Text, ...] = Field(default=(), description="Skip PRs with any of these, `skip-review` say.")
    ignore_titles: tuple[Re2, ...] = Field(default=(), description="Skip PRs whose title matches one of these (RE2).")
    drafts: bool = Field(default=False, description="Review drafts too.")
    min_changes: Count = Field(default=0, description="Skip below so many changed lines, after path filters.")
    max_changes: Positive = Field(
        default=5000, description="Changed lines for model pipelines; analyzers always run on everything."
    )
    max_files: Positive = Field(default=100, description="Files for model pipelines.")
    on_too_large: Literal["partial", "skip"] = Field(
        default="partial",
        description="partial: the riskiest files within the limits, the rest named as not reviewed (incomplete). "
        "skip: skipped, with a word on how to raise the limits.",
    )


class Output(Strict):
    """What is shown and posted, and what fails the job."""

    summary: bool = Field(default=True, description="Post a summary.")
    inline_comments: bool = Field(default=True, description="Post comments on lines.")
    inline_min_severity: SeverityName = Field(default="info", description="Below it: in the summary only.")
    min_severity: SeverityName = Field(default="info", description="Below it: in the result file only.")
    format: Literal["review", "inline-comments", "summary-only", "json"] = Field(
        default="review", description="What is posted on the PR."
    )
    max_comments: Count = Field(
        default=20, description="Inline; the rest stands in the summary. Never changes what counts for the gate."
    )
    max_comments_per_file: Count = Field(default=10, description="The same for one file.")
    group_by: Literal["severity", "file", "pipeline", "none"] = Field(
        default="severity", description="How the findings are grouped where they are listed."
    )
    summary_template: UnderLoom | None = Field(
        default=None, description="A file relative to `.loom/`, with `{{name}}` substitution; null: the built-in one."
    )
    review_action: Literal["comment", "approve", "request_changes"] = Field(
        default="comment",
        description="approve: when the review is complete and nothing is at the threshold, else comment. "
        "request_changes: when something is at the threshold, else comment.",
    )
    request_changes_threshold: SeverityName = Field(default="blocker", description="The threshold of `review_action`.")
    fail_on: Bar = Field(
        default="blocker", description="Deterministic findings (rules, linters, scripts) at or over it fail the job."
    )
    fail_on_model: Bar = Field(
        default="never", description="The same for findings that only a model reports. `--fail-on X` sets both."
    )
    resolve_fixed: bool = Field(default=True, description="Resolve the threads of findings that are gone.")
    status: bool = Field(default=True, description="Post a commit status or check.")
    language: Text = Field(default="en", description="Of what models write, as an IETF tag or a name.")


class Persona(Strict):
    """How a reviewer speaks and what it cares about."""

    tone: str = Field(default="direct, specific and kind", description="How to say it.")
    focus: tuple[Text, ...] = Field(default=(), description="What to look at first.")
    instructions: str = Field(default="", description="Anything else to tell the model.")


class Commands(Strict):
    """Lowest platform permission for each comment command."""

    review: Permission = Field(default="write", description="`/loom review`")
    ask: Permission = Field(default="write", description="`/loom ask …`")
    explain: Permission = Field(default="write", description="`/loom explain`")
    ignore: Permission = Field(default="write", description="`/loom ignore [why]`")
    resolve: Permission = Field(default="write", description="`/loom resolve`")


class Memory(Strict):
    """What is remembered across reviews."""

    enabled: bool = Field(default=True, description="Apply what the file says.")
    file: InsideLoom = Field(default=".loom/memory.yaml", description="Where it is kept, under `.loom/`.")


class Privacy(Strict):
    """What may leave the machine."""

    redact: bool = Field(default=True, description="Mask secrets on every path to a model.")
    send_description: bool = Field(default=True, description="Show models the PR's title and description.")
    send_context: bool = Field(default=True, description="Show models code beyond the change.")


class Cache(Strict):
    """Answers of models, kept by content."""

    enabled: bool = Field(default=True, description="Read and write the cache.")
    ttl_days: Positive = Field(default=7, description="How long an answer is good for.")
    max_mb: Positive = Field(default=500, description="How large it may grow.")


class Advanced(Strict):
    """Rarely needed."""

    parallel_pipelines: bool = Field(default=True, description="Run pipelines at once; false: one after the other.")
    retry_on_error: bool = Field(default=True, description="Try again after transient failures.")
    max_retries: int = Field(default=3, ge=0, le=10, description="How often, per request.")
    debug: bool = Field(default=False, description="Log as with `-vv`.")
    script_env: dict[EnvName, str] = Field(default_factory=dict, description="Variables for every script.")


class Config(Strict):
    """A whole configuration, in its canonical form."""

    extends: tuple[Text, ...] = Field(
        default=(),
        description="Files this one is based on: `./path.yaml` under `.loom/`, `https://host/x.yaml#sha256=…`, or "
        "`org:group/repo//path.yaml@ref`. A single text is fine too. Deep-merged, later wins, the file itself last.",
    )
    triggers: Triggers = Field(default_factory=Triggers, description="When a change is reviewed, and which files.")
    models: dict[ModelName, ModelConfig] = Field(default_factory=dict, description="Models by name.")
    pipelines: tuple[Pipeline, ...] = Field(
        default=(),
        description="What runs; merged by name. Without any: all built-in analyzers, `linter/auto`, one model review.",
    )
    output: Output = Field(default_factory=Output, description="What is shown and posted, and what fails the job.")
    personas: dict[Text, Persona] = Field(
        default_factory=lambda: {"default": Persona()}, description="Ways to speak, by name."
    )
    commands: Commands = Field(default_factory=Commands, description="Who may use comment commands.")
    budget: Budget = Field(default_factory=Budget, description="What one review may use.")
    memory: Memory = Field(default_factory=Memory, description="What is remembered across reviews.")
    privacy: Privacy = Field(default_factory=Privacy, description="What may leave the machine.")
    cache: Cache = Field(default_factory=Cache, description="Answers of models, kept by content.")
    advanced: Advanced = Field(default_factory=Advanced, description="Rarely needed.")

    def persona(self, name: str) -> Persona:
        """The persona of that name; `default` exists even when the file does not define it."""
        return self.personas.get(name) or Persona()
