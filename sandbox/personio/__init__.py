"""A Personio to try the connector against: the vendor's API v1 over a made-up company, and side doors to change it.

Written from the vendor's documents (developer.personio.de), never from the connector's own client.
"""
