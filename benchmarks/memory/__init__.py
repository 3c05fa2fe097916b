"""The memory of each service in first imports of companies of several sizes."""
