"""Generates the page about mappings, in each language that administrators read."""
