"""Pid files: what a run records about each process it starts, so that a later run can end exactly the leftovers.

The system reuses pids. A process is therefore identified in ``/proc`` by its start time and command as well. This works
on Linux only; on other systems no process counts as a leftover.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
# Indexes of the fields of /proc/<pid>/stat after the second one, see proc(5). The second field may contain spaces,
# but ends with ")", so the others are counted from there.
_PARENT, _START_TIME = 4 - 3, 22 - 3


@dataclass(frozen=True)
class PidNote:
    """The content of a pid file; it identifies one process for as long as the machine runs."""

    pid: int
    """Pid of the process."""
    parent: int
    """Pid of the run that started the process."""
    started: int | None
    """Start time in clock ticks since the machine started; None if the process had ended or ``/proc`` is missing."""
    command: list[str]
    """The command line of the process."""

    @classmethod
    def create(cls, pid: int, command: list[str]) -> Self:
        """Returns the note of a process that this process has just started."""
        return cls(pid=pid, parent=os.getpid(), started=_read_stat(pid, _START_TIME), command=command)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Returns the note in a pid file."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Writes the pid file atomically."""
        unfinished = path.with_name(f"{path.name}-new")
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.replace(path)

    @property
    def is_alive(self) -> bool:
        """Whether exactly this process runs. A zombie does not: it has no command line."""
        try:
            line = (_PROC / str(self.pid) / "cmdline").read_bytes()
        except OSError:
            return False
        # For a script, the interpreter takes the first position, so the program name is not compared.
        is_same_command = set(self.command[1:]) <= set(line.decode(errors="replace").split("\0"))
        return bool(line) and is_same_command and self.started == _read_stat(self.pid, _START_TIME)

    @property
    def has_parent(self) -> bool:
        """Whether the process and the run that started it are both alive. An orphan has a new parent."""
        return self.is_alive and _read_stat(self.pid, _PARENT) == self.parent


def read_notes(folder: Path) -> dict[Path, PidNote]:
    """Returns the notes of all pid files in the folder and its subfolders, by path."""
    return {path: PidNote.read(path) for path in sorted(folder.rglob("*.pid"))}


def _read_stat(pid: int, field: int) -> int | None:
    try:
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[field])
    except OSError:
        return None
