"""HTTP for all vendors: transport, client and responses."""
