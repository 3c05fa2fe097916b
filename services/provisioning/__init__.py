"""What must be written to Declaree, decided by pure code: the apply rule, the reconciliation, the difference."""
