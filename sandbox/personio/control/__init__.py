"""The control API under ``/_control``: what an HR department, an administrator or bad luck would do. JSON, no login."""
