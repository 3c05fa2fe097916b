"""What an administrator or operator can do, as typed functions; the CLI and later the console only speak."""
