"""Where the configuration comes from, and whether what it says may be done.

On a developer's machine it is the working tree's, once accepted (`loom trust`). In a CI job it is the target branch's,
read as git objects: a change cannot weaken its own review.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loom.cli.host import Host
from loom.cli.wiring import Checkout, ca_bundle, proxies, repo_state, watched_files
from loom.core.change import ChangeSet
from loom.core.errors import UsageError

if TYPE_CHECKING:
    from loom.config.load import Flag, Loaded

Read = Callable[[str], bytes | None]
"""A file of the trusted place by its repository-relative path."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A configuration, where the files it names are read, and whether what it says may be done."""

    loaded: Loaded
    read: Read
    rules: tuple[tuple[str, bytes], ...]
    """The team's own rules: path and content; empty until accepted."""
    accepted: bool


def open_config(
    host: Host,
    checkout: Checkout,
    *,
    change: ChangeSet | None = None,
    config: str | None = None,
    flags: Mapping[str, Flag] | None = None,
    offline: bool = False,
) -> Opened:
    """Load all layers. `change`: what is reviewed; None for the small commands. Raises ConfigError."""
    from loom.config.load import Sources, load

    place = _of_target(checkout, change) if host.in_ci and change is not None else None
    read, names, accepted = place or _of_checkout(host, checkout)
    host_file, config_name = _named(host, checkout, config or host.environ.get("LOOM_CONFIG"))
    user = host.user_file
    loaded = load(
        Sources(
            repo_read=read,
            flags=flags or {},
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
    rules = [(name, content) for name in names() if accepted and (content := read(name)) is not None]
    return Opened(loaded, read, tuple(rules), accepted)


Place = tuple[Read, Callable[[], list[str]], bool]
"""How to read a file, which rule files there are, whether it is accepted."""


def _of_checkout(host: Host, checkout: Checkout) -> Place:
    from loom.config.trust import is_accepted

    accepted = is_accepted(watched_files(checkout), repo_state(host, checkout).accepted)

    def rules() -> list[str]:
        folder = checkout.root / ".loom" / "rules"
        found = folder.iterdir() if checkout.has_files and folder.is_dir() else ()
        return sorted(f".loom/rules/{p.name}" for p in found if p.suffix in (".yaml", ".yml"))

    return checkout.read, rules, accepted


def _of_target(checkout: Checkout, change: ChangeSet) -> Place | None:
    """The tip of the branch that the change is compared with; None for a diff file, which has none."""
    git, tip = checkout.git, change.ref.base_sha
    if git is None or change.ref.source == "diff":
        return None

    def rules() -> list[str]:
        names = git.list_tree(tip, ".loom/rules") if tip is not None else ()
        return sorted(name for name in names if name.endswith((".yaml", ".yml")))

    return (lambda path: git.blob(tip, path) if tip is not None else None), rules, True


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
