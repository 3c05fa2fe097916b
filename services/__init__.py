"""The product: poller, mapper and writer, the layers they share, and the CLI."""
