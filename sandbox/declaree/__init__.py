"""A sandbox of Declaree: its SCIM 2.0 endpoint in memory, with switches for failures and for undocumented behaviour.

It is written from the vendor's public pages and from RFC 7643 and RFC 7644, independently of the connector's client.
What the vendor does not document is a field of :class:`~sandbox.declaree.behaviour.Behaviour`.
"""
