"""The command line: a thin face of ``services.admin``. Exit codes: 0 done, 1 failed, 2 wrong use, 75 try later, 78 configuration."""
