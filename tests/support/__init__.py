"""What several tests share: builders, fakes, stages, servers and readers of the repository's own files."""
