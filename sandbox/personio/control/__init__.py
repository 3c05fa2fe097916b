"""Control API under ``/_control``: actions of an HR department and of administrators, and faults. JSON without login."""
