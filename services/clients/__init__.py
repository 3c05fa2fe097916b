"""The clients of the vendors: the only code that speaks HTTP."""
