"""The composition root: turns the host, the checkout and the configuration into the objects a command works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from loom.cli.host import Host, this_host
from loom.core.errors import SourceError, UsageError
from loom.infra.process import looks_secret

if TYPE_CHECKING:
    from loom.config.load import Flag, Loaded
    from loom.infra.git import Git
    from loom.infra.net import Proxies
    from loom.infra.secrets import Masker
    from loom.store.state import RepoState

_MIN_SECRET = 8
"""Characters. Shorter values are words, not secrets: masking them would mask the review."""
_NO_SECRET = ("LOOM_CONFIG_VARS", "SSH_AUTH_SOCK")


def own_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of variables whose names say that they are secret: never printed, sent, kept or logged."""
    return tuple(
        value
        for name, value in environ.items()
        if looks_secret(name) and name not in _NO_SECRET and len(value) >= _MIN_SECRET and not value.startswith("/")
    )


@cache
def masker() -> Masker:
    """The one masker of this process."""
    from loom.infra.secrets import Masker

    return Masker(own_secrets(this_host().environ))


def own_masker() -> Masker:
    """Masks nothing but Loom's own keys."""
    from loom.infra.secrets import Masker

    return Masker(own_secrets(this_host().environ), rules=False)


def mask_own(text: str) -> str:
    """The text without secrets: for what is said after something went wrong."""
    return masker().mask(text)


@dataclass(frozen=True, slots=True)
class Checkout:
    """The folder Loom was started in: a repository, or just a folder."""

    git: Git | None
    why_no_git: SourceError | None
    root: Path
    """Top of the working tree; the current folder outside a repository; the git directory of a bare one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what git was given to work with."""
        if self.git is not None:
            self.git.close()

    @property
    def has_files(self) -> bool:
        """Whether there is a working tree."""
        return self.git is None or self.git.root is not None

    def need_git(self) -> Git:
        """Git, or the error that says why not."""
        if self.git is None:
            assert self.why_no_git is not None
            raise self.why_no_git
        return self.git

    def read(self, path: str) -> bytes | None:
        """A file of the checkout by its repository-relative path, never through a link."""
        from loom.infra.checkout import read_regular

        return read_regular(self.root, path) if self.has_files else None


def open_checkout(host: Host) -> Checkout:
    """Find out where we are. No repository is not an error yet: a `--diff` needs none."""
    from loom.infra.git import Git

    try:
        git = Git.discover(host.cwd, host.environ)
    except SourceError as error:
        return Checkout(None, error, host.cwd)
    return Checkout(git, None, git.root or git.git_dir)


def repo_state(host: Host, checkout: Checkout) -> RepoState:
    """What is kept about this repository, outside of it."""
    from loom.store.state import RepoState

    place = checkout.git.common_dir if checkout.git is not None else checkout.root
    return RepoState(host.state_dir, place)


def watched_files(checkout: Checkout) -> dict[str, bytes]:
    """The files of the checkout that accepting it is about."""
    import os

    from loom.config.trust import watched

    found: dict[str, bytes] = {}
    if not checkout.has_files:
        return found
    for folder, _, names in os.walk(checkout.root / ".loom"):
        for name in names:
            path = (Path(folder) / name).relative_to(checkout.root).as_posix()
            if (content := checkout.read(path)) is not None:
                found[path] = content
    for entry in checkout.root.iterdir():
        if watched(entry.name) and (content := checkout.read(entry.name)) is not None:
            found[entry.name] = content
    return found


@dataclass(frozen=True, slots=True)
class Opened:
    """A configuration, and whether what it says may be done."""

    loaded: Loaded
    accepted: bool


def open_config(
    host: Host, checkout: Checkout, *, config: str | None = None, flags: Mapping[str, Flag] | None = None,
    offline: bool = False, base_tree: str | None = None,
) -> Opened:  # fmt: skip
    """Load all layers. `base_tree`: in CI, the commit whose own `.loom/` counts as accepted. Raises ConfigError."""
    from loom.config.load import Sources, load
    from loom.config.trust import is_accepted

    files = watched_files(checkout)
    state = repo_state(host, checkout)
    accepted = is_accepted(files, state.accepted) or _is_of_base(host, checkout, files, base_tree)
    named = config or host.environ.get("LOOM_CONFIG")
    host_file, config_name = _named_config(host, checkout, named)
    user = host.user_file
    loaded = load(
        Sources(
            repo_read=checkout.read,
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
    return Opened(loaded, accepted)


def _is_of_base(host: Host, checkout: Checkout, files: Mapping[str, bytes], base: str | None) -> bool:
    """In a CI job the target branch's own configuration is the team's: T1 without anyone accepting it."""
    if not host.in_ci or base is None or checkout.git is None:
        return False
    from loom.config.trust import watched

    git = checkout.git
    theirs = {p for p in git.list_tree(base, "") if watched(p) and (p.startswith(".loom/") or "/" not in p)}
    return theirs == set(files) and all(git.blob(base, path) == content for path, content in files.items())


def _named_config(host: Host, checkout: Checkout, named: str | None) -> tuple[tuple[str, bytes] | None, str | None]:
    """`--config` or LOOM_CONFIG: a file of the repository keeps its layer; one outside of it is the host's own."""
    if named is None:
        return None, None
    path = (host.cwd / named).resolve()
    root = checkout.root.resolve()
    if path.is_relative_to(root) and checkout.git is not None:
        return None, path.relative_to(root).as_posix()
    try:
        return (named, path.read_bytes()), None
    except OSError as error:
        raise UsageError(
            f"cannot read the configuration {named}: {error.strerror}", hint="--config and LOOM_CONFIG name a file"
        ) from error


def _policy(host: Host, *, offline: bool) -> tuple[str, bytes] | None:
    """LOOM_POLICY: a file, or a URL with its hash."""
    named = host.environ.get("LOOM_POLICY")
    if not named:
        return None
    place, _, digest = named.partition("#sha256=")
    if "://" in place:
        if not digest:
            raise UsageError("LOOM_POLICY is a URL without #sha256=…", hint="add the hash of the file it must be")
        if offline:
            raise UsageError("LOOM_POLICY is a URL and --offline allows no network", hint="use a file")
        content = _fetch(host)(place)
    else:
        try:
            content = (host.cwd / place).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read LOOM_POLICY {place}: {error.strerror}") from error
    if digest:
        import hashlib

        if hashlib.sha256(content).hexdigest() != digest.lower():
            raise UsageError(
                f"LOOM_POLICY {place} is not the file its hash names", hint="check the file, then the hash"
            )
    return place, content


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


def proxies(host: Host) -> Proxies:
    """The proxies the environment names."""
    from loom.infra.net import Proxies

    return Proxies.from_environ(host.environ)


def ca_bundle(host: Host) -> str | None:
    """Extra certificate authorities."""
    return host.environ.get("LOOM_CA_BUNDLE") or host.environ.get("SSL_CERT_FILE") or None


def _short(path: Path, host: Host) -> str:
    home = host.environ.get("HOME", "")
    return f"~/{path.relative_to(home).as_posix()}" if home and path.is_relative_to(home) else str(path)


# -- for the small commands -------------------------------------------------------------------------------------------


def load_config(*, config: str | None = None) -> Loaded:
    """The configuration of the current folder."""
    host = this_host()
    with open_checkout(host) as checkout:
        return open_config(host, checkout, config=config).loaded


def state() -> RepoState:
    """The state of the current repository."""
    host = this_host()
    with open_checkout(host) as checkout:
        return repo_state(host, checkout)


def checkout_files() -> Mapping[str, bytes]:
    """What `loom trust` accepts."""
    with open_checkout(this_host()) as checkout:
        return watched_files(checkout)


def rule_files(checkout: Checkout) -> Sequence[tuple[str, bytes]]:
    """The team's own rules, `.loom/rules/*.yaml`."""
    folder = checkout.root / ".loom" / "rules"
    names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    paths = [f".loom/rules/{name}" for name in names]
    return [(path, content) for path in paths if (content := checkout.read(path)) is not None]


def cache_action(action: str) -> str:
    """Carry out `loom cache ACTION`; what to print."""
    from loom.store.cache import Cache

    kept = Cache(this_host().cache_dir)
    if action == "clear":
        kept.clear()
        return "the cache is empty"
    if action == "prune":
        gone = kept.prune(now_s=time.time())
        kept.close(now_s=time.time())
        return f"{gone} old answers removed"
    size = kept.size()
    return f"{size.entries} answers, {size.bytes / 1e6:.1f} MB, in {size.path}"
