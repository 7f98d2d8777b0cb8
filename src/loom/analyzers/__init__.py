"""Analyzers: review without a model. One file each."""
