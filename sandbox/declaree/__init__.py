"""A Declaree to try things on: its SCIM 2.0 endpoint in memory, with switches for everything that can go wrong.

Written from the vendor's public pages and from RFC 7643 and RFC 7644, never from the connector's own client. What the
vendor does not document is a field of :class:`~sandbox.declaree.behaviour.Behaviour`.
"""
