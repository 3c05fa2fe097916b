"""The queries of polls, of ``status`` and of waiting people, with the time and the documents that each takes."""
