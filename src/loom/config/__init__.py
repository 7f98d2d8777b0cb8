"""The configuration: what may be set, by whom, and what it comes to."""
