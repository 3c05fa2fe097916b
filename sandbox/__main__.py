"""``make demo``: the whole system on this machine, with sandboxes of Personio and Declaree.

Goes on until Ctrl-C; what dies meanwhile is started again. Everything it keeps lies in ``.data/``.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import httpx

from sandbox.arrivals import Arrivals
from sandbox.installation import Installation
from sandbox.keeper import Keeper
from sandbox.stack.errors import StackError
from sandbox.stack.processes import clear_leftovers

DATA = Path(".data")
PORTS = {"personio": 8101, "declaree": 8102}
POLL_SECONDS = 5

WHERE = """
The system runs. Look at:
  the accounts in Declaree   {declaree}/
  what is kept, and all logs {data}/

Try in another terminal; changes arrive within {seconds} seconds:
  curl -X POST {personio}/_control/employees -d '{{"first_name": "Ada", "last_name": "Lovelace"}}'
  curl -X POST {personio}/_control/employees/{someone}/rename -d '{{"last_name": "Neumann"}}'
  curl -X POST {personio}/_control/employees/{someone}/terminate

The command line of the product, with this installation's settings:
  set -a; . {data}/environment; set +a
  .venv/bin/personio-declaree status

Ctrl-C stops everything; `make demo` goes on with what is kept in {data}/, `make clean` forgets it.
"""


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of everything that is kept (default: .data)")
    parser.add_argument("--employees", type=int, default=250, help="active employees of the made-up company")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same company")
    return parser.parse_args()


async def demo(options: argparse.Namespace) -> None:
    """Until it is cancelled. Raises ``StackError`` where something is missing."""
    for name in await clear_leftovers(options.data):
        say(f"ended {name}, which an earlier demo left behind")
    installation = Installation(
        options.data,
        active=options.employees,
        seed=options.seed,
        settings={"POLL_INTERVAL_SECONDS": str(POLL_SECONDS), "KAFKA_SESSION_TIMEOUT_MS": "6000"},
        ports=PORTS,
        say=say,
    )
    async with installation:
        keeping = asyncio.create_task(Keeper(installation.parts, say).run())
        try:
            await follow(installation, options.data)
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            say("stopping ...")


async def follow(installation: Installation, data: Path) -> None:
    """Shows each write to Declaree, and the tally whenever it has changed."""
    (data / "environment").touch(mode=0o600)
    (data / "environment").write_text("".join(f"{key}='{value}'\n" for key, value in installation.environment.items()))
    arrivals = Arrivals(installation.personio, installation.declaree)
    shown, told = None, False
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):  # a sandbox that died is started again
                news = await arrivals.news()
                for line in news:
                    say(line)
                tally = await arrivals.tally()
                if tally != shown:
                    say(str(tally))
                    shown = tally
                if tally.complete and not told:
                    someone = await arrivals.someone()
                    say(
                        WHERE.format(
                            declaree=installation.declaree,
                            personio=installation.personio,
                            data=data,
                            seconds=POLL_SECONDS + 2,
                            someone=someone,
                        )
                    )
                    told = True
            await asyncio.sleep(0.5)
    finally:
        await arrivals.close()


async def until_told(options: argparse.Namespace) -> int:
    task = asyncio.ensure_future(demo(options))
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
    return asyncio.run(until_told(arguments()))


if __name__ == "__main__":
    sys.exit(main())
