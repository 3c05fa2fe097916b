"""The command line: a thin face of ``services.admin``.

Exit codes: 0 done, 1 failed, 2 wrong use, 75 try again later, 78 configuration, 130 ended by Ctrl-C.
"""
