"""What the writer and the preview share: the lookups of accounts, their owners, and the brake before disabling."""
