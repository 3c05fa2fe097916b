"""Independent SCIM servers that tests run as processes: ``scim2-server`` (Python) and SCIM-SDK (Java)."""
