"""Personio's API v1 (https://developer.personio.de/reference)."""
