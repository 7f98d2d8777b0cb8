"""`loom plan`: what a review would do, and what of the configuration decides it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from loom.cli import flags

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.cli.host import Host
    from loom.cli.source import Found
    from loom.cli.wiring import Checkout
    from loom.engine.preview import PlannedFile, PlannedPipeline, Preview

_FORMATS = ("text", "json")
_MOST = 200
"""Files that are listed as text; the rest is counted."""


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("plan")(plan_command)


def plan_command(
    local: flags.Local = False,
    staged: flags.Staged = False,
    base: flags.Base = None,
    head: flags.Head = None,
    commit: flags.Commit = None,
    diff: flags.Diff = None,
    pr: flags.Pr = None,
    platform: flags.Platform = None,
    platform_url: flags.PlatformUrl = None,
    repo: flags.RepoName = None,
    config: flags.Config = None,
    pipeline: flags.Pipelines = None,
    skip: flags.Skip = None,
    model: flags.Model = None,
    paths: flags.Paths = None,
    offline: flags.Offline = False,
    format_: Annotated[str, typer.Option("--format", metavar="text|json", help="How to print it.")] = "text",
    shards: Annotated[
        int | None, typer.Option(metavar="N", help="Print a CI matrix of at most N parts for loom review --shard.")
    ] = None,
) -> None:
    """Print what a review of the change would do: files kept and left out, pipelines and what each gets, requests,
    tokens, estimated cost, and what of the configuration decided it. Nothing is sent to a model and nothing runs.

    Exit codes: 0; 2 wrong usage or configuration; 3 the review could not be complete.
    """
    from loom.cli import wiring
    from loom.cli.host import this_host
    from loom.core.errors import UsageError

    if format_ not in _FORMATS:
        raise UsageError(f'--format: "{format_}" is neither text nor json')
    if shards is not None:
        from loom.engine.shards import Shard

        Shard.parse(f"1/{shards}")
    given = flags.ReviewFlags(
        local=local,
        staged=staged,
        base=base,
        head=head,
        commit=commit,
        diff=diff,
        pr=pr,
        platform=platform,
        platform_url=platform_url,
        repo=repo,
        config=config,
        pipelines=flags.split(pipeline),
        skip=flags.split(skip),
        model=model,
        paths=tuple(paths or ()),
        offline=offline,
        quiet=True,
    )
    host = this_host()
    with wiring.open_checkout(host) as checkout:
        planned = _planned(given, host, checkout)
    if shards is not None:
        sys.stdout.write(as_matrix(planned, shards))
        return  # what is lacking, the parts find themselves, and then it is in the result
    _print(as_json(planned) if format_ == "json" else as_text(planned))
    if not planned.complete:
        raise typer.Exit(3)


def _planned(given: ReviewFlags, host: Host, checkout: Checkout) -> Preview:
    """Everything a review does before it runs."""
    from loom.cli import source
    from loom.infra import process

    process.protect_environment()
    source.check(given)
    with source.find_change(given, host, checkout) as found:
        return _planned_for(found, given, host, checkout)


def _planned_for(found: Found, given: ReviewFlags, host: Host, checkout: Checkout) -> Preview:
    import asyncio
    import secrets
    import time

    from loom.cli import crew, session
    from loom.cli.opening import open_config
    from loom.engine.preview import preview
    from loom.infra import process

    opened = open_config(
        host,
        checkout,
        change=found.change,
        tip=found.tip,
        stranger=found.stranger,
        on_base=given.base is not None,
        config=given.config,
        offline=given.offline,
    )
    chosen = crew.Chosen.of(given, host, opened)
    kept = session.open_cache(host, chosen.config)
    job = session.make_job(given, host, opened, chosen, found, timings={})

    def place(key: str, item: int | None) -> str:
        origins = opened.loaded.origins
        return origins.get(f"{key}[{item or 0}]") or origins.get(key, "default")

    async def main() -> Preview:
        tools = crew.make_tools(
            given, host, checkout, opened, chosen, cache=kept, tag=secrets.token_hex(4), stop=process.stop_all
        )
        try:
            return await preview(job, tools, place)
        finally:
            await chosen.aclose()

    try:
        return asyncio.run(main())
    finally:
        if kept is not None:
            kept.close(now_s=time.time())


def as_json(planned: Preview) -> str:
    """The plan for programs; docs/plan.md has the fields."""
    import dataclasses
    import json

    from loom import __version__

    value = dataclasses.asdict(planned)
    del value["change"]["description"]
    head = {"version": 1, "tool": {"name": "loom", "version": __version__}, "complete": planned.complete}
    return json.dumps({**head, **value}, ensure_ascii=False, indent=1) + "\n"


def as_matrix(planned: Preview, shards: int) -> str:
    """The parts of the review as a matrix for CI jobs: only as many as there is work, at least one."""
    import json

    units = sum(len(p.requests) if p.kind == "llm" else 1 for p in planned.pipelines if p.runs)
    of = max(1, min(shards, units))
    return json.dumps({"include": [{"shard": f"{number}/{of}"} for number in range(1, of + 1)]}) + "\n"


def as_text(planned: Preview) -> str:
    """The plan for people."""
    return "\n".join(_lines(planned)) + "\n"


def _lines(planned: Preview) -> Iterator[str]:
    if planned.skipped:
        yield f"Nothing would be reviewed: {planned.skipped}"
        yield ""
    yield from _files(planned.files)
    for pipeline in planned.pipelines:
        yield ""
        yield from _pipeline(pipeline, len(planned.files))
    for notice in planned.notices:
        yield ""
        yield f"note: {notice.message}" + (f" ({notice.hint})" if notice.hint else "")
    if planned.pipelines:
        yield ""
        yield _sum(planned)


def _files(files: Sequence[PlannedFile]) -> Iterator[str]:
    from loom.outputs.summary import plural

    out = [file for file in files if not file.pipelines and file.reason == "left out"]
    yield f"{plural(len(files), 'file')} changed" + (f", {len(out)} left out" if out else "")
    for file in files[:_MOST]:
        about = f"  {file.path}  +{file.added} -{file.deleted}"
        if file.reason:
            about += f"  {file.reason}" + (f", by {file.decided_by}" if file.decided_by else "")
        yield about
    if len(files) > _MOST:
        yield f"  and {len(files) - _MOST:,} more (--format json has them all)"


def _pipeline(pipeline: PlannedPipeline, total: int) -> Iterator[str]:
    from loom.outputs.summary import plural

    what = f"{pipeline.kind}, {pipeline.model}" if pipeline.model else pipeline.kind
    if not pipeline.runs:
        word = "would fail" if pipeline.failed else "does not run"
        decided = f", by {pipeline.decided_by}" if pipeline.decided_by else ""
        yield f"{pipeline.name} ({what}) {word}: {pipeline.reason}{decided}"
        if pipeline.hint:
            yield f"  {pipeline.hint}"
        return
    which = "every file" if len(pipeline.files) == total > 1 else plural(len(pipeline.files), "file")
    yield f"{pipeline.name} ({what}) gets {which}" + ("" if pipeline.required else ", not required")
    if pipeline.command:
        yield f"  runs {pipeline.command}"
    if len(pipeline.files) < total:
        yield from (f"  {path}" for path in _some(pipeline.files))
    for passed in pipeline.passed_over[:10]:
        yield f"  not {passed.path}, by {passed.decided_by}"
    if len(pipeline.passed_over) > 10:
        yield f"  not {len(pipeline.passed_over) - 10:,} more"
    yield from _requests(pipeline)


def _some(paths: Sequence[str], most: int = 20) -> list[str]:
    more = [f"and {len(paths) - most:,} more"] if len(paths) > most else []
    return [*paths[:most], *more]


def _requests(pipeline: PlannedPipeline) -> Iterator[str]:
    from loom.outputs.summary import listed, money, plural, tokens

    if not pipeline.requests:
        return
    cached = sum(1 for request in pipeline.requests if request.cached)
    from_cache = f", {cached} answered from the cache" if cached else ""
    yield f"  {plural(len(pipeline.requests), 'request')}{from_cache}, about {tokens(pipeline.input_tokens)} tokens in"
    if len(pipeline.requests) > 1:
        for number, request in enumerate(pipeline.requests, 1):
            state = "from the cache" if request.cached else f"{tokens(request.tokens)} tokens"
            yield f"    {number}. {state}: {listed(request.hunks, 4)}"
    if pipeline.least_usd is None or pipeline.most_usd is None:
        yield "  cost unknown: set models.NAME.price"
    elif pipeline.most_usd:
        yield f"  {money(pipeline.least_usd)} for the input, {money(pipeline.most_usd)} with the longest answers"


def _sum(planned: Preview) -> str:
    from loom.outputs.summary import money, plural, tokens

    asking = [p for p in planned.pipelines if p.runs and p.requests]
    runs = sum(1 for p in planned.pipelines if p.runs)
    text = plural(runs, "pipeline")
    if asking:
        asked = sum(1 for p in asking for r in p.requests if not r.cached)
        text += f", {plural(asked, 'request')}, about {tokens(sum(p.input_tokens for p in asking))} tokens in"
        most = [p.most_usd for p in asking]
        text += f", at most {money(sum(m for m in most if m is not None))}" if None not in most else ", cost unknown"
    if not planned.complete:
        failed = ", ".join(p.name for p in planned.pipelines if p.failed and p.required)
        return f"Incomplete: {failed} would fail. The rest: {text}."
    return f"{text}."


def _print(text: str) -> None:
    from loom.infra.text import to_terminal

    sys.stdout.write(text if text.startswith("{") else "\n".join(to_terminal(line) for line in text.split("\n")))
