"""The work of each stage with its libraries only. Each loop is a process that prints one line of JSON."""
