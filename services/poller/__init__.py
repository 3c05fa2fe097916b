"""The poller: reads employees from Personio and publishes their changes."""
