"""Applies the published mappings to employees' changes."""
