"""The commands ``mapping …``."""
