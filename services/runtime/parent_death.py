"""Replaces itself by a command that the kernel kills when the process that started it has died.

    python -I -S parent_death.py PARENT-PID COMMAND [ARGUMENT ...]

This is a program, because the system call belongs between fork and exec, where Python code may deadlock. The PID stays the
same. Only Linux has the call: on other systems the command survives its parent.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of ``prctl``: the signal that this process gets when its parent dies (<linux/prctl.h>)."""


def main(parent: int, command: list[str]) -> None:
    """Replaces this process by the command. Ends with a message if the parent has died or the command cannot start."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call
            sys.exit(f"the process {parent} that started this one has ended")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the purpose of this program
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
