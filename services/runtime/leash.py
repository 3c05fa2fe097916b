"""Becomes the given command, which the kernel then kills when the process that asked for it is gone.

    python -I -S leash.py PARENT-PID COMMAND [ARGUMENT ...]

A program of its own, since the call belongs between fork and exec, where Python code may deadlock. The pid stays the
same. Only Linux has the call; elsewhere the command runs without a leash.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            sys.exit(f"the process {parent} that started this one is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
