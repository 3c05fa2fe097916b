"""What the parts of the product tell each other: events, topics, mapping documents and the documents of the store."""
