"""The tools: each module here is the only user of its library or program."""
