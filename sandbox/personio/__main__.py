"""``python -m sandbox.personio``: a Personio on this machine."""

import argparse
import sys
from functools import partial
from pathlib import Path

from sandbox.personio.app import create_app
from sandbox.personio.catalogue import ALL_KEYS, ATTRIBUTES, DEFAULT_WHITELIST
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from sandbox.personio.storage import UnreadableStateError, load, save
from sandbox.serving import listening_socket, serve


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.personio", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8101, help="0 takes a free one")
    parser.add_argument("--employees", type=int, default=250, help="how many are active; some others come in addition")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same company")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep the company here, and go on with it if it exists"
    )
    parser.add_argument("--client-id", default="demo-client")
    parser.add_argument("--client-secret", default="demo-secret")
    parser.add_argument(
        "--attributes", type=_whitelist, default=DEFAULT_WHITELIST, help="all, or keys with commas between"
    )
    parser.add_argument("--no-rate-limit", action="store_true", help="answer as fast as possible")
    return parser


def _whitelist(text: str) -> frozenset[str]:
    keys = ALL_KEYS if text == "all" else frozenset(text.split(","))
    if not keys <= ALL_KEYS:
        raise argparse.ArgumentTypeError(
            f"no such attribute: {', '.join(keys - ALL_KEYS)} (of {', '.join(ATTRIBUTES)})"
        )
    return keys


def _state(options: argparse.Namespace) -> State:
    """An existing file wins over ``--employees``, ``--seed`` and ``--attributes``. Raises ``UnreadableStateError``."""
    credential = Credential(options.client_id, options.client_secret, options.attributes)
    file: Path | None = options.state
    if file is not None and file.exists():
        state = load(file, credential, Clock())
    else:
        state = State.generated(seed=options.seed, employees=options.employees, credential=credential)
    state.behaviour = state.behaviour.changed({"rate_limits": not options.no_rate_limit})
    if file is not None:
        save(state, file)
        state.keep = partial(save, file=file)
    return state


def main() -> int:
    options = _arguments().parse_args()
    try:
        state = _state(options)
        opened = listening_socket(options.host, options.port)
    except (UnreadableStateError, ValueError, OSError) as error:
        print(f"The Personio sandbox cannot start: {error}", file=sys.stderr)
        return 1
    host, port = opened.getsockname()[:2]

    def announce() -> None:
        print(f"Personio sandbox listening on http://{host}:{port}", flush=True)

    with opened:
        serve(create_app(state), opened, announce)
    return 0


if __name__ == "__main__":
    sys.exit(main())
