"""The formats that the services share: events, topics, mapping documents and the documents of the store."""
