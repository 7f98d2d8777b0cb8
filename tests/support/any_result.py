"""A hypothesis strategy for any review result."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from loom.core.change import ChangeRef
from loom.core.finding import CATEGORIES, Anchor, Finding, RawFinding, Severity, SourceRule, State, Suggestion
from loom.core.result import (
    Action,
    Dropped,
    DropReason,
    Notice,
    Outcome,
    PipelineKind,
    PipelineOutcome,
    PipelineStatus,
    Placement,
    RawUnit,
    Redaction,
    ResultFile,
    ResultHunk,
    ReviewResult,
    Usage,
    Where,
)
from loom.store.record import TIMINGS

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
_MAYBE = st.none() | TEXT
_COUNT = st.integers(0, 10**9)
_LINE = st.none() | st.integers(1, 10**6)
_COST = st.none() | st.floats(0, 1000, allow_nan=False)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def _some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


_SUGGESTIONS = st.builds(Suggestion, st.integers(1, 99), st.integers(1, 99), TEXT, st.booleans())
_FINDINGS = st.builds(
    Finding,
    fingerprint=TEXT,
    pipeline=TEXT,
    sources=_some(TEXT),
    rule=_MAYBE,
    category=st.sampled_from(CATEGORIES),
    severity=st.sampled_from(Severity),
    title=TEXT,
    message=TEXT,
    path=TEXT,
    line=_LINE,
    end_line=_LINE,
    column=_LINE,
    side=st.sampled_from(["new", "old"]),
    quote=_MAYBE,
    suggestion=st.none() | _SUGGESTIONS,
    confidence=st.none() | st.floats(0, 1),
    anchor=st.sampled_from(get_args(Anchor)),
    deterministic=st.booleans(),
    deterministic_severity=st.none() | st.sampled_from(Severity),
    rule_url=_MAYBE,
    also=_some(st.builds(SourceRule, TEXT, TEXT, _MAYBE)),
    aliases=_some(TEXT),
    state=st.sampled_from(get_args(State)),
)
_HUNKS = st.builds(
    ResultHunk, old_start=_COUNT, new_start=_COUNT, section=TEXT, lines=_some(st.tuples(st.sampled_from("+- "), TEXT))
)
_FILES = st.builds(
    ResultFile,
    path=TEXT,
    old_path=_MAYBE,
    added=_COUNT,
    deleted=_COUNT,
    binary=st.booleans(),
    reviewed=st.booleans(),
    status=st.sampled_from(["added", "modified", "deleted", "renamed", "copied", "typechange", "mode"]),
    reason=_MAYBE,
    commentable=TEXT,
    hunks=_some(_HUNKS),
)
_PIPELINES = st.builds(
    PipelineOutcome,
    name=TEXT,
    kind=st.sampled_from(get_args(PipelineKind)),
    status=st.sampled_from(get_args(PipelineStatus)),
    required=st.booleans(),
    model=_MAYBE,
    summary=TEXT,
    reason=_MAYBE,
    hint=TEXT,
    requests=_COUNT,
    retries=_COUNT,
    cache_hits=_COUNT,
    input_tokens=_COUNT,
    cached_tokens=_COUNT,
    output_tokens=_COUNT,
    cost_usd=_COST,
    duration_ms=_COUNT,
    not_reviewed=_some(TEXT),
)
_NOTICES = st.builds(Notice, TEXT, TEXT, TEXT, _MAYBE)
_CHANGES = st.builds(
    ChangeRef,
    source=st.sampled_from(["local", "staged", "range", "diff", "pr"]),
    platform=_MAYBE,
    repo=_MAYBE,
    number=st.none() | _COUNT,
    url=_MAYBE,
    title=_MAYBE,
    author=_MAYBE,
    base_sha=_MAYBE,
    head_sha=_MAYBE,
    merge_base=_MAYBE,
    trusted=st.booleans(),
)
_RAW = st.builds(
    RawFinding,
    path=TEXT,
    message=TEXT,
    title=TEXT,
    line=_LINE,
    end_line=_LINE,
    column=_LINE,
    side=st.sampled_from(["new", "old"]),
    severity=st.none() | st.sampled_from(Severity),
    category=st.sampled_from(CATEGORIES),
    quote=_MAYBE,
    suggestion=_MAYBE,
    confidence=st.none() | st.floats(0, 1, allow_nan=False),
    rule=_MAYBE,
    rule_url=_MAYBE,
)
_UNITS = st.builds(
    RawUnit,
    pipeline=TEXT,
    number=_COUNT,
    of=_COUNT,
    outcome=_PIPELINES,
    findings=_some(_RAW),
    notices=_some(_NOTICES),
)
RESULTS = st.builds(
    ReviewResult,
    tool_version=TEXT,
    change=_CHANGES,
    config_hash=TEXT,
    shard=_MAYBE,
    outcome=st.builds(Outcome, st.booleans(), st.booleans(), st.booleans(), st.none() | st.booleans(), _MAYBE, _COUNT),
    files=_some(_FILES),
    findings=_some(_FINDINGS),
    fixed=_some(TEXT),
    dropped=_some(st.builds(Dropped, st.sampled_from(get_args(DropReason)), st.dictionaries(TEXT, _JSON, max_size=3))),
    pipelines=_some(_PIPELINES),
    placements=_some(st.builds(Placement, TEXT, st.sampled_from(get_args(Where)), _MAYBE, _MAYBE)),
    actions=_some(st.builds(Action, TEXT, TEXT, TEXT, _COUNT)),
    redactions=_some(st.builds(Redaction, TEXT, TEXT, _COUNT)),
    timings_ms=st.fixed_dictionaries(dict.fromkeys(TIMINGS, _COUNT)),
    usage=st.builds(
        Usage, requests=_COUNT, input_tokens=_COUNT, output_tokens=_COUNT, cost_usd=_COST, cache_hits=_COUNT
    ),
    warnings=_some(_NOTICES),
    raw=_some(_UNITS),
    errors=_some(_NOTICES),
)
"""Any result that can be written and read back unchanged: what the file does not tell (a description) is not there."""
