"""Consumes the mapped events and brings Declaree's accounts to what they ask for, idempotently."""
