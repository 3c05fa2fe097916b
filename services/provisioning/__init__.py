"""The pure core of the writer: it decides which requests lead to which calls, ledger entries and outcomes."""
