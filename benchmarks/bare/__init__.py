"""Each stage's work as a loop of nothing but the libraries, each a process of its own that prints one line of JSON."""
