"""Every test runs in a scrubbed environment: no CI, no tokens, no user configuration, no colour settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loom.store.cache import Cache

# What would change Loom's behaviour from outside: CI detection, keys, git's and the user's own configuration.
_SCRUB_PREFIXES = ("LOOM_", "GITHUB_", "GITLAB_", "GITEA_", "RUNNER_", "ACTIONS_", "CI_", "GIT_", "XDG_", "OLLAMA_")
_SCRUB_NAMES = {
    "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "CI", "NO_COLOR",
    "FORCE_COLOR", "COLUMNS", "TERM", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
}  # fmt: skip
_KEEP = {"LOOM_REQUIRE_DATA"}


@pytest.fixture(autouse=True)
def scrubbed(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Remove everything that could leak in; give the test a home of its own. Returns that home."""
    for name in list(os.environ):
        hostile = name.startswith(_SCRUB_PREFIXES) or name in _SCRUB_NAMES or name.endswith(("_API_KEY", "_TOKEN"))
        if hostile and name not in _KEEP:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Test")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "test@example.invalid")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Test")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "test@example.invalid")
    return home


@pytest.fixture
def open_cache() -> Iterator[Callable[..., Cache]]:
    """Makes caches like `Cache(folder, …)`, and closes them when the test has ended."""
    opened: list[Cache] = []

    def make(folder: Path, **given: Any) -> Cache:
        opened.append(Cache(folder, **given))
        return opened[-1]

    yield make
    for cache in opened:
        cache.close(now_s=0)
