"""The command line: calls the functions of ``services.admin`` and prints their results.

Exit codes: 0 success, 1 failure, 2 invalid option or argument, 75 try again later, 78 configuration error, 130 ended by
Ctrl-C.
"""
