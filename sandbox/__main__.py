"""``make demo``: runs the whole system on this machine, with sandboxes of Personio and Declaree.

The demo runs until Ctrl-C and restarts each process that ends. It keeps all its data in ``.data/``.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import httpx

from sandbox.installation import Installation
from sandbox.monitor import Monitor
from sandbox.stack.errors import StackError
from sandbox.stack.processes import clear_leftovers
from sandbox.supervisor import Supervisor

DATA = Path(".data")
"""Default folder of all data and logs."""

PORTS = {"personio": 8101, "declaree": 8102}
"""Preferred ports of the sandboxes, by name."""

FULL_SCAN_SECONDS = 60
"""Seconds between two scans of all employees, which find deleted ones."""
POLL_SECONDS = 5
"""Poll interval of the demo, in seconds."""

INSTRUCTIONS = """
The system runs. Look at:
  the accounts in Declaree   {declaree}/
  the data and all logs      {data}/

Try in another terminal; changes arrive within {seconds} seconds:
  curl -X POST {personio}/_control/employees -d '{{"first_name": "Ada", "last_name": "Lovelace"}}'
  curl -X POST {personio}/_control/employees/{employee_id}/rename -d '{{"last_name": "Neumann"}}'
  curl -X POST {personio}/_control/employees/{employee_id}/terminate

The command line of the product, with the settings of this installation:
  set -a; . {data}/environment; set +a
  .venv/bin/personio-declaree status

Ctrl-C stops everything. The same command continues with the data in {data}/; without this folder, it begins again.
"""


def print_line(text: str) -> None:
    """Prints a line at once, even if the output is a pipe."""
    print(text, flush=True)


def parse_arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of all data and logs (default: .data)")
    parser.add_argument("--employees", type=int, default=250, help="number of active employees of the demo company")
    parser.add_argument("--seed", type=int, default=1, help="random seed; the same seed gives the same company")
    return parser.parse_args()


async def run_demo(options: argparse.Namespace) -> None:
    """Runs the demo until it is cancelled. Raises ``StackError`` if a requirement is missing."""
    for name in await clear_leftovers(options.data):
        print_line(f"ended {name}, which an earlier demo left behind")
    installation = Installation(
        options.data,
        active=options.employees,
        seed=options.seed,
        settings={
            "POLL_INTERVAL_SECONDS": str(POLL_SECONDS),
            "POLL_FULL_SCAN_SECONDS": str(FULL_SCAN_SECONDS),
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
        },
        ports=PORTS,
        report=print_line,
    )
    async with installation:
        supervision = asyncio.create_task(Supervisor(installation.components, print_line).run())
        try:
            await print_progress(installation, options.data)
        finally:
            supervision.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await supervision
            print_line("stopping ...")


async def print_progress(installation: Installation, data: Path) -> None:
    """Prints each write to Declaree, each change of the account count and, once it is complete, the instructions."""
    (data / "environment").touch(mode=0o600)
    (data / "environment").write_text("".join(f"{key}='{value}'\n" for key, value in installation.environment.items()))
    monitor = Monitor(installation.personio, installation.declaree)
    printed_count, has_instructions = None, False
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):  # the sandbox may have ended; the supervisor restarts it
                for line in await monitor.describe_new_writes():
                    print_line(line)
                count = await monitor.count_accounts()
                if count != printed_count:
                    print_line(str(count))
                    printed_count = count
                if count.is_complete and not has_instructions:
                    employee_id = await monitor.pick_employee_id()
                    print_line(
                        INSTRUCTIONS.format(
                            declaree=installation.declaree,
                            personio=installation.personio,
                            data=data,
                            seconds=POLL_SECONDS + 2,
                            employee_id=employee_id,
                        )
                    )
                    has_instructions = True
            await asyncio.sleep(0.5)
    finally:
        await monitor.close()


async def run_until_signal(options: argparse.Namespace) -> int:
    """Runs the demo until SIGINT, SIGTERM or SIGHUP; returns the exit code."""
    task = asyncio.ensure_future(run_demo(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return 0
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Runs the command line; returns the exit code."""
    return asyncio.run(run_until_signal(parse_arguments()))


if __name__ == "__main__":
    sys.exit(main())
