"""Loom: a stateless, CI-native code review tool. This module imports nothing, so that `--version` stays instant."""

__version__ = "0.1.0"
