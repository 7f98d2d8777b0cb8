"""The command line: one file a command; wiring.py turns choices into objects."""
