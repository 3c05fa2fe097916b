"""What a company without changes costs."""
