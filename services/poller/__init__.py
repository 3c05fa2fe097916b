"""Watches Personio and emits what has changed."""
