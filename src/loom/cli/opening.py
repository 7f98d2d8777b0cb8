"""Where the configuration comes from, and whether what it says may be done.

On a developer's machine it is the working tree's, once accepted (`loom trust`). Of a pull request it is the tip's of
its target branch, in a CI job with `--base` that branch's, read as git objects: a change cannot weaken its own review.
Without either the checkout is the change's own.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loom.cli.forks import Stranger
from loom.cli.host import Host
from loom.cli.programs import Programs, Verdict
from loom.cli.wiring import Checkout, ca_bundle, proxies, repo_state, watched_files
from loom.core.change import ChangeSet
from loom.core.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from loom.config.load import Flag, Loaded
    from loom.platforms.pull import Tip

Read = Callable[[str], bytes | None]
"""A file of the trusted place by its repository-relative path."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A configuration, where the files it names are read, and whether what it says may be done."""

    loaded: Loaded
    read: Read
    rules: tuple[tuple[str, bytes | None], ...]
    """The team's own rules: path and content; empty until accepted."""
    accepted: bool
    own_rules: bool = False
    """Whether there are such rules, loaded or not."""
    touched: Mapping[str, str] = field(default_factory=dict)
    """Pipeline -> why it may not run over this very change, although it should: it fails."""
    how: str = ""
    """To the reader: how to make it accepted."""
    programs: Programs = field(default_factory=lambda: Programs(lambda: "no"))
    """Whether linters may run code of the checkout."""
    stranger: Stranger = Stranger()  # noqa: RUF009 (frozen)
    """What may not run because the change comes from a fork."""
    names: Callable[[str], Collection[str]] = lambda _: ()
    """The names in a folder of the trusted place."""


def open_config(
    host: Host,
    checkout: Checkout,
    *,
    change: ChangeSet | None = None,
    tip: Tip | None = None,
    stranger: Stranger = Stranger(),  # noqa: B008 (frozen)
    on_base: bool = False,
    config: str | None = None,
    flags: Mapping[str, Flag] | None = None,
    offline: bool = False,
) -> Opened:
    """Load all layers. `change`: what is reviewed; None for the small commands. `tip`: a pull request's target branch.
    `on_base`: the job itself named the branch it is compared with (`--base`); any other base is the change's own
    commit. Raises ConfigError."""
    from loom.config.trust import touched

    pull = tip is not None
    if tip is None and host.in_ci and on_base and change is not None:
        tip = _of_target(checkout, change)
    read, names, folder = _of_tip(tip) if tip is not None else _of_checkout(checkout)
    layers = _Layers(host, checkout, read, config or host.environ.get("LOOM_CONFIG"), flags or {}, offline)
    if tip is None:
        loaded, accepted = _accepted(host, checkout, layers)
    else:  # on a person's machine a pull request's repository is anybody's
        accepted = host.in_ci
        loaded = layers.load(accepted=accepted)
    there = names()
    rules = [(name, _rule(read, name)) for name in there if accepted]
    # In CI nobody looked at what the change brings. Locally it is missed only where an earlier content was accepted.
    guarded = accepted if host.in_ci else not accepted and bool(repo_state(host, checkout).list())
    return Opened(
        loaded,
        read,
        tuple(rules),
        accepted,
        own_rules=bool(there),
        touched=touched(loaded.config, change) if guarded and change is not None else {},
        how=_how(host, config, pull=pull, stranger=stranger),
        stranger=stranger,
        programs=Programs(
            lambda: _verdict(host, checkout, layers, loaded) if accepted and not stranger.programs else "no",
            of_target=tip is not None and accepted and not stranger.programs,
            earlier=lambda: not (host.in_ci or pull) and bool(repo_state(host, checkout).list()),
        ),
        names=folder,
    )


def _rule(read: Read, name: str) -> bytes | None:
    """A rule file; None for one that is there and cannot be read, which costs that rule and not the review."""
    try:
        return read(name)
    except ConfigError:
        return None


@dataclass(frozen=True, slots=True)
class Acceptable:
    """What `loom trust` accepts."""

    loaded: Loaded
    files: Mapping[str, bytes]
    """Path -> what identifies its content (`Checkout.fingerprints`)."""
    digests: tuple[str, ...]
    """Of the files that are always watched, by which the configuration may be read whole; and, last, of all."""


def acceptable(host: Host, checkout: Checkout, *, config: str | None = None, whole: bool) -> Acceptable:
    """What there is to accept. `whole`: with the configuration as if it were accepted, https `extends` and all. Raises
    ConfigError: what is wrong cannot be accepted."""
    from loom.config.trust import checkout_digest

    layers = _Layers(host, checkout, checkout.read, config or host.environ.get("LOOM_CONFIG"), {}, offline=False)
    loaded = layers.load(accepted=True) if whole else _accepted(host, checkout, layers)[0]
    first = layers.watched()
    files = first | _named_files(checkout, loaded)
    return Acceptable(loaded, files, tuple(dict.fromkeys((checkout_digest(first), checkout_digest(files)))))


def _accepted(host: Host, checkout: Checkout, layers: _Layers) -> tuple[Loaded, bool]:
    """The configuration of a working tree, and whether it was accepted: first by its own files, before anything is
    fetched for it, then with the files that its commands name."""
    from loom.config.trust import is_accepted, runs_programs

    known = repo_state(host, checkout).accepted
    own = layers.config_name is not None or os.path.lexists(checkout.root / ".loom")
    if not own:
        loaded = layers.load(accepted=True)
        if not any(map(runs_programs, loaded.config.pipelines)):
            return loaded, True  # nothing of the checkout is in effect: no need to look for files
    first = layers.watched()
    if is_accepted(first, known):
        loaded = layers.load(accepted=True)
        if is_accepted(first | _named_files(checkout, loaded), known):
            return loaded, True
    return layers.load(accepted=False), False


def _verdict(host: Host, checkout: Checkout, layers: _Layers, loaded: Loaded) -> Verdict:
    """Whether linters may run what this working tree holds: also where its configuration has nothing to accept."""
    from loom.config.trust import checkout_digest

    files = layers.watched() | _named_files(checkout, loaded)
    if not files:
        return "nothing"
    return "accepted" if repo_state(host, checkout).accepted(checkout_digest(files)) else "no"


def _named_files(checkout: Checkout, loaded: Loaded) -> dict[str, bytes]:
    from loom.config.trust import named_files

    return checkout.fingerprints(named_files(loaded.config))


def _how(host: Host, config: str | None, *, pull: bool, stranger: Stranger) -> str:
    if stranger.programs:
        return stranger.programs
    if pull and not host.in_ci:
        return "choose a model with `--model` or LOOM_MODEL; programs run in the repository's own CI jobs"
    if host.in_ci:
        return "name the target branch with `--base`: then its configuration counts; `loom trust` accepts this one"
    named = f" --config {shlex.quote(config)}" if config else ""
    return f"look at it (`loom trust --show{named}`), then `loom trust{named}`"


@dataclass(frozen=True, slots=True)
class _Layers:
    """Where the layers of the configuration come from."""

    host: Host
    checkout: Checkout
    read: Read
    named: str | None
    flags: Mapping[str, Flag]
    offline: bool

    @property
    def config_name(self) -> str | None:
        """The file of the repository that was named in place of `.loom/config.yaml`."""
        return _named(self.host, self.checkout, self.named)[1]

    def watched(self) -> dict[str, bytes]:
        """What accepting is about before anything is loaded."""
        named = self.config_name
        return watched_files(self.checkout) | self.checkout.fingerprints([named] if named is not None else [])

    def load(self, *, accepted: bool) -> Loaded:
        """All layers. Raises ConfigError."""
        from loom.config.load import Sources, load

        host, offline = self.host, self.offline
        host_file, config_name = _named(host, self.checkout, self.named)
        user = host.user_file
        return load(
            Sources(
                repo_read=self.read,
                flags=self.flags,
                environ=host.environ,
                user_file=(_short(user, host), user.read_bytes()) if user.is_file() else None,
                config_name=config_name,
                host_file=host_file,
                policy=_policy(host, offline=offline),
                fetch=None if offline else _fetch(host),
                local=not host.in_ci,
                accepted=accepted,
            )
        )


Place = tuple[Read, Callable[[], list[str]], Callable[[str], Collection[str]]]
"""How to read a file, which rule files there are, and which names a folder holds."""


def _of_checkout(checkout: Checkout) -> Place:
    def rules() -> list[str]:
        folder = checkout.root / ".loom" / "rules"
        found = folder.iterdir() if checkout.has_files and folder.is_dir() else ()
        return sorted(f".loom/rules/{p.name}" for p in found if p.suffix in (".yaml", ".yml"))

    def read(path: str) -> bytes | None:
        content = checkout.read(path)
        if content is None and checkout.has_files and os.path.lexists(checkout.root / path):
            # Not "no configuration": rules and bars that silently do not count would make a review look green.
            message = "it is there and cannot be read: a link, a folder, too large, or not permitted"
            raise ConfigError([Problem(path, 0, 0, "", message)], hint="make it a regular file")
        return content

    def names(folder: str) -> Collection[str]:
        place = checkout.root / folder
        return frozenset(os.listdir(place)) if checkout.has_files and place.is_dir() else ()  # noqa: PTH208 (names)

    return read, rules, names


def _of_target(checkout: Checkout, change: ChangeSet) -> Tip | None:
    """The tip of the branch that the change is compared with; None where there is none."""
    from loom.platforms.pull import GitTip

    git, tip = checkout.git, change.ref.base_sha
    return GitTip(git, tip) if git is not None and tip is not None else None


def _of_tip(tip: Tip) -> Place:
    """The files of a commit."""

    def rules() -> list[str]:
        names = tip.names(".loom/rules") or ()
        return sorted(f".loom/rules/{name}" for name in names if name.endswith((".yaml", ".yml")))

    return tip.read, rules, lambda folder: tip.names(folder) or ()


def _named(host: Host, checkout: Checkout, named: str | None) -> tuple[tuple[str, bytes] | None, str | None]:
    """`--config` or LOOM_CONFIG: a file of the repository keeps its layer; one outside of it is the host's own."""
    if named is None:
        return None, None
    path = (host.cwd / named).resolve()
    root = checkout.root.resolve()
    if path.is_relative_to(root) and checkout.git is not None:
        return None, path.relative_to(root).as_posix()
    return (named, _read_host_file(path, named, "--config and LOOM_CONFIG name a file")), None


def _read_host_file(path: Path, named: str, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {named}: {error.strerror}", hint=hint) from error


def _policy(host: Host, *, offline: bool) -> tuple[str, bytes] | None:
    """LOOM_POLICY: a file, or a URL with its hash."""
    from loom.config import extends

    named = host.environ.get("LOOM_POLICY")
    if not named:
        return None
    if "://" not in named:
        return named, _read_host_file(host.cwd / named, f"LOOM_POLICY {named}", "a file, or https://…#sha256=…")
    if offline:
        raise UsageError("LOOM_POLICY is a URL and --offline allows no network", hint="use a file")
    try:
        what = extends.pinned(named)
    except ValueError as error:
        raise UsageError(f"LOOM_POLICY: {error}") from error
    return what.url, extends.read_pinned(what, _fetch(host))


def _fetch(host: Host) -> Callable[[str], bytes]:
    """GET a small https document; whoever asks checks its hash."""

    def fetch(url: str) -> bytes:
        import asyncio

        from loom.infra.net import Network, Rules, Settings, origin_of

        async def get() -> bytes:
            rules = Rules(named=frozenset({origin_of(url).host}))
            network = Network(Settings(rules=rules, proxies=proxies(host), ca_bundle=ca_bundle(host)))
            try:
                status, body = await network.get(url)
            finally:
                await network.aclose()
            if status != 200:
                raise UsageError(f"{origin_of(url)} answered HTTP {status} for a configuration file")
            return body

        return asyncio.run(get())

    return fetch


def _short(path: Path, host: Host) -> str:
    home = host.environ.get("HOME", "")
    return f"~/{path.relative_to(home).as_posix()}" if home and path.is_relative_to(home) else str(path)
