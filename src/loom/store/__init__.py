"""What lives between runs: cache, state, result files."""
