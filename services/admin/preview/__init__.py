"""What a mapping would do, before it is published: from both systems as they are now, or over recorded changes."""
