"""Replaces itself by a command that the kernel kills when the parent process dies.

    python -I -S parent_death.py PARENT-PID COMMAND [ARGUMENT ...]

It is a separate program because ``preexec_fn`` of ``subprocess`` can deadlock in a process with threads. The pid stays
the same. Only Linux has the system call. On other systems the command outlives a killed parent.

The kernel watches the *thread* that started the child: start processes from a thread that lives as long as they must.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of ``prctl`` that sets the signal sent at the parent's death, from ``<linux/prctl.h>``."""


def main(parent: int, command: list[str]) -> None:
    """Requests SIGKILL at the death of ``parent``, then replaces this process by the command; does not return."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call, so the kernel will send no signal
            sys.exit(f"the parent process {parent} has ended")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the purpose is to become the command
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
