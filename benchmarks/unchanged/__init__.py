"""What polls of one large company without changes cost."""
