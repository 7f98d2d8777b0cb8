"""What goes where: which files a review looks at, which pipelines run, and what each model request shows.

Pure. Everything left out carries its reason: by policy (named, still complete), or for size, trust or failure (named,
and the review is incomplete).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.config.schema import Config, Pipeline
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, show_path
from loom.core.errors import UsageError, did_you_mean
from loom.engine.chunks import Cost, pack
from loom.engine.skip import hidden_reason, policy_reason
from loom.engine.view import FileView
from loom.infra import regex
from loom.infra.globs import Globs

ATTENTION_TOKENS = 24_000
"""Of diff in one request. Models find less in longer prompts, whatever their window (review-quality: more context is
not better)."""
PROMPT_RESERVE = 3_000
"""Tokens kept for our own instructions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line chose."""

    pipelines: tuple[str, ...] = ()
    """Only these; empty means all."""
    skip: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Only files matched by these globs; empty means all."""


@dataclass(frozen=True, slots=True)
class SkippedPipeline:
    """A pipeline that will not run."""

    pipeline: Pipeline
    reason: str
    hint: str = ""
    failed: bool = False
    """Whether it should have run: then the review is incomplete."""
    paths: tuple[str, ...] = ()
    """What it should have looked at, where it failed."""


@dataclass(frozen=True, slots=True)
class AnalyzerWork:
    """One analyzer, linter or script and the part of the change it gets."""

    pipeline: Pipeline
    change: ChangeSet


@dataclass(frozen=True, slots=True)
class ModelWork:
    """One model pipeline and the chunks it asks about."""

    pipeline: Pipeline
    model: str
    chunks: tuple[tuple[FileView, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole review, before anything runs."""

    analyzers: tuple[AnalyzerWork, ...] = ()
    models: tuple[ModelWork, ...] = ()
    skipped: tuple[SkippedPipeline, ...] = ()
    policy: Mapping[str, str]
    """Path -> why models are not asked about it, where any is to be asked. Complete all the same."""
    left_out: Mapping[str, str]
    """Path -> why it was not reviewed although it should have been. Incomplete."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The files of a review by what is to be done with them."""

    readable: tuple[FileChange, ...]
    """What analyzers get."""
    for_models: tuple[FileChange, ...]
    """What models are asked about, before the limits."""
    policy: Mapping[str, str]
    """Path -> why models are not asked about it. Complete all the same."""
    hidden: Mapping[str, str]
    """Path -> why nobody can look at it although somebody should. Incomplete."""


Refusal = Callable[[Pipeline], "SkippedPipeline | None"]
"""Whether trust, missing models or missing parts keep a pipeline from running."""


def sort_files(in_scope: Sequence[FileChange], files: Files) -> Sorted:
    """Look at every file once. `files` gives the contents that the target branch has."""
    readable = [f for f in in_scope if f.unreadable is None]
    bases = {f.path: files.base(f.base_path) for f in readable}
    hidden = {f.path: reason for f in readable if (reason := hidden_reason(f, base=bases[f.path]))}
    policy = {
        f.path: reason for f in readable if f.path not in hidden and (reason := policy_reason(f, base=bases[f.path]))
    }
    asked = tuple(f for f in readable if f.path not in policy and f.hunks)
    return Sorted(tuple(readable), asked, policy, hidden)


def trigger_reason(
    config: Config, change: ChangeSet, in_scope: Sequence[FileChange], files: Sorted, selection: Selection
) -> str | None:
    """Why the review as a whole is skipped, or None. What a change does not have (a local run has no labels) does not
    skip it."""
    triggers, ref = config.triggers, change.ref
    if change.files and not in_scope:
        if selection.paths:
            return f"no changed file matches --paths {' '.join(selection.paths)}"
        return "every changed file is ignored by triggers.ignore_paths or outside triggers.include_paths"
    if ref.source == "pr" and (reason := _pr_reason(config, change)):
        return reason
    lines = sum(f.added + f.deleted for f in in_scope)
    if lines < triggers.min_changes:
        return f"{lines} changed lines are fewer than triggers.min_changes ({triggers.min_changes})"
    if triggers.on_too_large == "skip" and (too_large := _too_large(config, files.for_models)):
        return f"{too_large}; raise the limit or set triggers.on_too_large: partial"
    return None


def scope(config: Config, change: ChangeSet, selection: Selection) -> tuple[FileChange, ...]:
    """The files this review is about."""
    left_out = Scope(config, selection)
    return tuple(file for file in change.files if left_out.by(file.path) is None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What of the configuration or the command line decided something."""

    key: str
    """`triggers.ignore_paths`, `--paths`."""
    pattern: str | None = None
    """The pattern in it that matched; None where none did."""
    index: int | None = None
    """The number of that pattern, from 0."""

    def __str__(self) -> str:
        return f"{self.key}: {self.pattern}" if self.pattern is not None else self.key

    @classmethod
    def of(cls, key: str, globs: Globs, path: str) -> Decision:
        """What of a list of patterns decides about the path."""
        index = globs.deciding(path)
        return cls(key) if index is None else cls(key, globs.patterns[index], index)


class Scope:
    """Which files a review is about, by name alone."""

    def __init__(self, config: Config, selection: Selection) -> None:
        triggers = config.triggers
        self._ignored, self._included = Globs(triggers.ignore_paths), Globs(triggers.include_paths)
        self._chosen = Globs(selection.paths)

    def by(self, path: str) -> Decision | None:
        """What leaves the file out; None when it is in."""
        if self._ignored.match(path):
            return Decision.of("triggers.ignore_paths", self._ignored, path)
        if self._included and not self._included.match(path):
            return Decision.of("triggers.include_paths", self._included, path)
        if self._chosen and not self._chosen.match(path):
            return Decision.of("--paths", self._chosen, path)
        return None


def choose(config: Config, selection: Selection) -> tuple[Pipeline, ...]:
    """The pipelines that are enabled and selected. Raises UsageError for a name that does not exist."""
    names = [p.name for p in config.pipelines]
    for name in (*selection.pipelines, *selection.skip):
        if name not in names:
            known = ", ".join(names) or "none"
            raise UsageError(f'no pipeline is called "{name}".{did_you_mean(name, names)}', hint=f"known: {known}")
    wanted = selection.pipelines
    return tuple(
        p for p in config.pipelines if (p.name in wanted if wanted else p.enabled) and p.name not in selection.skip
    )


def plan(
    *,
    config: Config,
    change: ChangeSet,
    in_scope: Sequence[FileChange],
    files: Sorted,
    views: Mapping[str, FileView],
    pipelines: Sequence[Pipeline],
    refuse: Refusal,
    room: Callable[[str], tuple[int, Cost]],
    looks_at: Callable[[Pipeline, str], bool] = lambda *_: True,
) -> Plan:
    """Deal the files out. `room(model name)` gives the tokens of diff that one request may hold and how to count;
    `looks_at(pipeline, path)` says which files it is for, besides its own paths."""
    for_models, left_out = _within_limits(config, files.for_models)
    analyzers, models, skipped = [], [], []
    asks = may_ask = False
    for pipeline in pipelines:
        whole = for_models if pipeline.kind == "llm" else files.readable
        mine = [f for f in whole if wants(pipeline, f.path) and looks_at(pipeline, f.path)]
        if refusal := refuse(pipeline):
            paths = tuple(show_path(f.path) for f in mine) if refusal.failed else ()
            skipped.append(replace(refusal, paths=paths))
            continue
        if reason := _when_reason(pipeline, change, in_scope):
            skipped.append(SkippedPipeline(pipeline, reason))
            continue
        may_ask = may_ask or pipeline.kind == "llm"
        asks = asks or (pipeline.kind == "llm" and pipeline.required)
        if not change.files:
            continue  # nothing changed: that is said once, not by every pipeline
        if not mine:
            skipped.append(SkippedPipeline(pipeline, "no changed file is for it"))
        elif pipeline.kind == "llm":
            model = pipeline.model or "default"
            budget, cost = room(model)
            chunks = pack([views[f.path] for f in mine], budget=budget, cost=cost)
            models.append(ModelWork(pipeline, model, tuple(chunks)))
        else:
            analyzers.append(AnalyzerWork(pipeline, replace(change, files=tuple(mine), unread=())))
    return Plan(
        analyzers=tuple(analyzers),
        models=tuple(models),
        skipped=tuple(skipped),
        policy=files.policy if may_ask else {},
        left_out={**(left_out if asks else {}), **files.hidden},
    )


def may_run(pipeline: Pipeline, change: ChangeSet, in_scope: Sequence[FileChange]) -> bool:
    """Whether the change can hold work for the pipeline, as far as names and numbers tell."""
    return any(wants(pipeline, f.path) for f in in_scope) and _when_reason(pipeline, change, in_scope) is None


def wants(pipeline: Pipeline, path: str) -> bool:
    """Whether the pipeline looks at that file at all."""
    included, excluded = Globs(pipeline.include_paths), Globs(pipeline.exclude_paths)
    return (not included or included.match(path)) and not (excluded and excluded.match(path))


def _when_reason(pipeline: Pipeline, change: ChangeSet, in_scope: Sequence[FileChange]) -> str | None:
    """Why `when` keeps the pipeline out, or None: everything given must hold."""
    when, ref = pipeline.when, change.ref
    if when.paths and not any(Globs(when.paths).match(f.path) for f in in_scope):
        return "when.paths: no changed file matches"
    if when.labels and not set(when.labels) & set(ref.labels):
        return "when.labels: the change has none of them"
    if when.authors and ref.author not in when.authors:
        return "when.authors: the author is not among them"
    if when.branches and not (ref.target_branch and Globs(when.branches).match(ref.target_branch)):
        return "when.branches: the target branch does not match"
    if when.min_changes and sum(f.added + f.deleted for f in in_scope) < when.min_changes:
        return f"when.min_changes: fewer than {when.min_changes} changed lines"
    if when.fork is not None and when.fork != ref.fork:
        return f"when.fork: the change is {'' if ref.fork else 'not '}from a fork"
    return None


def _pr_reason(config: Config, change: ChangeSet) -> str | None:
    triggers, ref = config.triggers, change.ref
    if triggers.branches and not (ref.target_branch and Globs(triggers.branches).match(ref.target_branch)):
        return f"target branch {ref.target_branch} is not among triggers.branches"
    if ref.author in triggers.ignore_authors:
        return f"{ref.author} is among triggers.ignore_authors"
    if triggers.require_labels and not set(triggers.require_labels) & set(ref.labels):
        return "none of triggers.require_labels is set"
    if ignored := set(triggers.ignore_labels) & set(ref.labels):
        return f"label {min(ignored)} is among triggers.ignore_labels"
    if ref.draft and not triggers.drafts:
        return "it is a draft, and triggers.drafts is off"
    if any(regex.compile(pattern).search(ref.title or "") for pattern in triggers.ignore_titles):
        return "its title matches triggers.ignore_titles"
    return None


def _too_large(config: Config, files: Sequence[FileChange]) -> str | None:
    lines = sum(f.added + f.deleted for f in files)
    if lines > config.triggers.max_changes:
        return f"{lines} changed lines are more than triggers.max_changes ({config.triggers.max_changes})"
    if len(files) > config.triggers.max_files:
        return f"{len(files)} files are more than triggers.max_files ({config.triggers.max_files})"
    return None


def _within_limits(config: Config, files: Sequence[FileChange]) -> tuple[list[FileChange], dict[str, str]]:
    """The riskiest files within the limits, in their order, and the rest with the reason."""
    reason = _too_large(config, files)
    if reason is None:
        return list(files), {}
    kept: set[str] = set()
    lines = 0
    for file in sorted(files, key=_safety):
        size = file.added + file.deleted
        if len(kept) < config.triggers.max_files and lines + size <= config.triggers.max_changes:
            kept.add(file.path)
            lines += size
    return [f for f in files if f.path in kept], {f.path: reason for f in files if f.path not in kept}


_RISKY_WORDS = (
    "auth", "login", "session", "token", "secret", "crypt", "passw", "permission", "payment", "billing", "admin",
    "sql", "query", "upload", "middleware", "security", "migration",
)  # fmt: skip
_PROSE = (".md", ".rst", ".txt", ".adoc")
_DATA = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".html", ".css", ".csv", ".lock")


def _safety(file: FileChange) -> tuple[int, int, str]:
    """Sorts the riskiest first: code before data before tests before prose, then telling names, then the path."""
    path = file.path.lower()
    if path.endswith(_PROSE):
        kind = 3
    elif "test" in path or "spec" in path:
        kind = 2
    elif path.endswith(_DATA):
        kind = 1
    else:
        kind = 0
    return (kind, 0 if any(word in path for word in _RISKY_WORDS) else 1, file.path)
