"""Client of SCIM 2.0 servers (RFC 7643, RFC 7644), such as Declaree's."""
