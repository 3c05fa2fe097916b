"""Personio sandbox: the vendor's API v1 over a generated company, with a control API that changes the company.

Its source is the vendor's documentation (developer.personio.de). It shares no code with the product's Personio client.
"""
