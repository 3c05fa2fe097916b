"""What a run notes of each process it starts, so that a later run can end what was left behind, and nothing else.

A pid is used again by the system sooner or later. Whether a process is still the noted one is read in /proc: it
started at the noted time and has the noted command. (Linux only; elsewhere nothing is ever taken for a leftover.)
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
# Fields of /proc/<pid>/stat, see proc(5), counted from the third: the second may hold blanks, but ends with `)`.
_PARENT, _START_TIME = 4 - 3, 22 - 3


@dataclass(frozen=True)
class PidNote:
    """`started` is in clock ticks since the machine's start; `parent` is the pid of the run that started it."""

    pid: int
    parent: int
    started: int | None
    command: list[str]

    @classmethod
    def of(cls, pid: int, command: list[str]) -> Self:
        return cls(pid=pid, parent=os.getpid(), started=_stat(pid, _START_TIME), command=command)

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        unfinished = path.with_name(f"{path.name}-new")
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.replace(path)

    @property
    def alive(self) -> bool:
        """Whether this very process runs; one that only waits to be reaped has ended, and has no command line."""
        try:
            line = (_PROC / str(self.pid) / "cmdline").read_bytes()
        except OSError:
            return False
        # A script's own name gives way to its interpreter's.
        same_command = set(self.command[1:]) <= set(line.decode(errors="replace").split("\0"))
        return bool(line) and same_command and self.started == _stat(self.pid, _START_TIME)

    @property
    def attended(self) -> bool:
        """Whether the run that started it still goes on: otherwise the system has given it another parent."""
        return self.alive and _stat(self.pid, _PARENT) == self.parent


def notes_below(folder: Path) -> dict[Path, PidNote]:
    return {path: PidNote.read(path) for path in sorted(folder.rglob("*.pid"))}


def _stat(pid: int, field: int) -> int | None:
    try:
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[field])
    except OSError:
        return None
