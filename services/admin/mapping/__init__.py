"""What an administrator does with the mapping of a connection: drafts, versions, examples, explanations."""
