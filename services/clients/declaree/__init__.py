"""Declaree's SCIM 2.0 endpoint, or any other server of RFC 7643 and RFC 7644."""
