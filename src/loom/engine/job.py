"""A review to be done: what to review, and everything it works with. Made by the command line, used by the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from loom.analyzers.base import Analyzer
from loom.config.schema import Config, Pipeline
from loom.core.change import ChangeSet, Files
from loom.core.result import Notice, ReviewResult
from loom.engine.plan import Selection, SkippedPipeline
from loom.engine.shards import Shard
from loom.infra.progress import Progress
from loom.infra.secrets import Masker
from loom.llm.base import Model
from loom.store.cache import Cache
from loom.store.memory import Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to review, and how."""

    change: ChangeSet
    files: Files
    config: Config
    config_hash: str
    selection: Selection = field(default_factory=Selection)
    previous: ReviewResult | None = None
    """The last result on the same change, for new, open and fixed."""
    notices: tuple[Notice, ...] = ()
    memory: tuple[Suppression, ...] = ()
    """What is not to be said again, expired entries included; from the trusted place and the user alone."""
    allow_incomplete: bool = False
    with_diff: bool = True
    timings_ms: Mapping[str, int] = field(default_factory=dict)
    """What was spent before the review began."""
    shard: Shard | None = None
    """Which part of the review this is; None: all of it."""

    @property
    def trust(self) -> str:
        """The trust domain of kept answers: one about a stranger's change never serves a trusted one."""
        return "own" if self.change.ref.trusted else "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a review works with; made by cli.wiring."""

    masker: Masker
    own_masker: Masker
    """Only Loom's own keys, for `privacy.redact: false`."""
    mask: Callable[[str], str]
    analyzer: Callable[[Pipeline], Analyzer]
    models: Callable[[str], Sequence[Model]]
    """A configured model's name -> it and its fallbacks. Raises LoomError (no key, host not allowed)."""
    refuse: Callable[[Pipeline], SkippedPipeline | None]
    """What trust and the configuration keep from running."""
    prompt: Callable[[Pipeline], str | None]
    """The team's own prompt of a pipeline, from the trusted place; None: the built-in one."""
    cache: Cache | None
    progress: Progress
    clock: Callable[[], float]
    """time.monotonic"""
    now_s: Callable[[], float]
    """time.time"""
    tag: str
    """Random; fences untrusted text in prompts."""
    stop: Callable[[], None]
    """Kill every child process; called on an interrupt."""
    expand: Callable[[Pipeline, ChangeSet, Files, frozenset[str]], tuple[Pipeline, ...]] = lambda p, *_: (p,)
    """What a pipeline stands for: itself, or others, also those among the named ones that have nothing to do here."""
    looks_at: Callable[[Pipeline, str], bool] = lambda *_: True
    """Whether a pipeline is for files of that name at all, besides what its own paths say."""
