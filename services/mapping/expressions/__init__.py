"""Expressions of a mapping: CEL with values for what is empty."""
