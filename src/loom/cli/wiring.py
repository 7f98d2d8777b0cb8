"""The composition root: turns the host, the checkout and the configuration into the objects a command works with."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from loom.cli.host import Host, environment, this_host
from loom.core.errors import SourceError
from loom.infra.process import looks_secret

if TYPE_CHECKING:
    from loom.cli.opening import Acceptable
    from loom.config.load import Loaded
    from loom.infra.git import Git
    from loom.infra.net import Proxies
    from loom.infra.secrets import Masker
    from loom.store.state import RepoState

_MIN_SECRET = 8
"""Characters. Shorter values are words, not secrets: masking them would mask the review."""
_CA_VARIABLES = (
    *("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"),
    "CI_SERVER_TLS_CA_FILE",
)
_NO_SECRET = ("LOOM_CONFIG_VARS", "SSH_AUTH_SOCK")


def own_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of variables whose names say that they are secret: never printed, sent, kept or logged."""
    return tuple(environ[name] for name in secret_names(environ))


def secret_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that hold secrets, as far as their names tell."""
    return tuple(
        name
        for name, value in environ.items()
        if looks_secret(name) and name not in _NO_SECRET and len(value) >= _MIN_SECRET and not _is_path(value)
    )


def _is_path(value: str) -> bool:
    """Whether a variable says where a secret stands, rather than being one. Keys in base64 may begin with `/` too."""
    return value.startswith("/") and os.path.exists(value)  # noqa: PTH110 (Path.exists raises for names too long)


@cache
def masker() -> Masker:
    """The one masker of this process."""
    from loom.infra.secrets import Masker

    return Masker(own_secrets(environment()))


def own_masker() -> Masker:
    """Masks nothing but Loom's own keys."""
    from loom.infra.secrets import Masker

    return Masker(own_secrets(environment()), rules=False)


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

    def fingerprints(self, paths: Iterable[str]) -> dict[str, bytes]:
        """What identifies the content of each of these files that is there."""
        from loom.infra.checkout import fingerprint

        found = ((path, fingerprint(self.root, path)) for path in paths if self.has_files)
        return {path: content for path, content in found if content is not None}


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
    """The files of the checkout that accepting it is always about, and what identifies the content of each."""
    from loom.config.trust import watched

    if not checkout.has_files:
        return {}
    also = linter_code()
    # What git ignores did not come with anybody's branch; but a configuration is read even where it is ignored.
    paths = set(_walk(checkout.root, ".loom"))
    paths.update(checkout.git.worktree_paths() if checkout.git is not None else _walk(checkout.root))
    return checkout.fingerprints(path for path in paths if watched(path, also))


def linter_code() -> frozenset[str]:
    """By which files linters of the catalogue run code of the checkout."""
    from loom.analyzers.linter_file import catalogue

    return frozenset(pattern for row in catalogue().values() for pattern in row.runs_code)


def _walk(root: Path, below: str = ".") -> Iterator[str]:
    """Files below a folder, as paths from `root`; links are not followed."""
    for folder, _, names in os.walk(root / below):
        for name in names:
            yield (Path(folder) / name).relative_to(root).as_posix()


def proxies(host: Host) -> Proxies:
    """The proxies the environment names."""
    from loom.infra.net import Proxies

    return Proxies.from_environ(host.environ)


def ca_bundle(host: Host) -> str | None:
    """Extra certificate authorities: Loom's own variable, else what other programs of the job are told, where it is a
    file (facts: platforms, section 1.2)."""
    if own := host.environ.get("LOOM_CA_BUNDLE"):
        return str(host.cwd / own)
    named = (host.environ.get(name, "") for name in _CA_VARIABLES)
    return next((str(host.cwd / path) for path in named if path and (host.cwd / path).is_file()), None)


# -- for the small commands -------------------------------------------------------------------------------------------


def load_config(*, config: str | None = None) -> Loaded:
    """The configuration of the current folder."""
    from loom.cli.opening import open_config

    host = this_host()
    with open_checkout(host) as checkout:
        return open_config(host, checkout, config=config).loaded


def state() -> RepoState:
    """The state of the current repository."""
    host = this_host()
    with open_checkout(host) as checkout:
        return repo_state(host, checkout)


def acceptable(*, config: str | None = None, whole: bool) -> Acceptable:
    """What `loom trust` is about."""
    from loom.cli import opening

    host = this_host()
    with open_checkout(host) as checkout:
        return opening.acceptable(host, checkout, config=config, whole=whole)


def cache_action(action: str) -> str:
    """Carry out `loom cache ACTION`; what to print."""
    from loom.store.cache import Cache

    kept = Cache(this_host().cache_dir)
    if action == "clear":
        kept.clear()
        return "the cache is empty"
    if action == "prune":
        limits = load_config().config.cache
        kept = Cache(this_host().cache_dir, ttl_days=limits.ttl_days, max_mb=limits.max_mb)
        gone = kept.prune(now_s=time.time())
        kept.close(now_s=time.time())
        return f"{gone} answers removed that were older than {limits.ttl_days} days or beyond {limits.max_mb} MB"
    size = kept.size()
    return f"{size.entries} answers, {size.bytes / 1e6:.1f} MB, in {size.path}"
