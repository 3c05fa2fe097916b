"""Starts the Personio sandbox on this machine."""

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
from sandbox.serving import bind_socket, serve


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.personio", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8101, help="port to listen on; 0 selects a free port")
    parser.add_argument(
        "--employees", type=int, default=250, help="number of active employees; some with other statuses are added"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed generates the same company")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="store the company in this file; load it if it exists"
    )
    parser.add_argument("--client-id", default="demo-client", help="client id of the credential")
    parser.add_argument("--client-secret", default="demo-secret", help="client secret of the credential")
    parser.add_argument(
        "--attributes",
        type=_parse_whitelist,
        default=DEFAULT_WHITELIST,
        help="attributes that the credential may read: 'all', or keys separated by commas",
    )
    parser.add_argument("--no-rate-limit", action="store_true", help="disable the rate limits")
    return parser


def _parse_whitelist(text: str) -> frozenset[str]:
    keys = ALL_KEYS if text == "all" else frozenset(text.split(","))
    if not keys <= ALL_KEYS:
        raise argparse.ArgumentTypeError(
            f"unknown attribute ({', '.join(keys - ALL_KEYS)}): use some of {', '.join(ATTRIBUTES)}"
        )
    return keys


def _open_state(options: argparse.Namespace) -> State:
    """Loads the state file if it exists, or generates a company. Raises ``UnreadableStateError``.

    An existing file takes precedence over ``--employees``, ``--seed`` and ``--attributes``.
    """
    credential = Credential(options.client_id, options.client_secret, options.attributes)
    file: Path | None = options.state
    if file is not None and file.exists():
        state = load(file, credential, Clock())
    else:
        state = State.generate(seed=options.seed, employees=options.employees, credential=credential)
    state.behaviour = state.behaviour.copy_with({"rate_limits": not options.no_rate_limit})
    if file is not None:
        save(state, file)
        state.save = partial(save, file=file)
    return state


def main() -> int:
    """Serves the sandbox until the process is terminated. Returns the exit code: 1 if the sandbox cannot start."""
    options = _build_parser().parse_args()
    try:
        state = _open_state(options)
        listener = bind_socket(options.host, options.port)
    except (UnreadableStateError, ValueError, OSError) as error:
        print(f"The Personio sandbox cannot start: {error}", file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]

    def announce() -> None:
        print(f"Personio sandbox listening on http://{host}:{port}", flush=True)

    with listener:
        serve(create_app(state), listener, announce)
    return 0


if __name__ == "__main__":
    sys.exit(main())
