"""Runs a sandbox of Declaree on a port of this machine: ``python -m sandbox.declaree``."""

import argparse
import sys
from pathlib import Path

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.serving import bind_socket, serve


def parse_rate(text: str) -> float:
    """Parses ``20/s`` or ``20`` into requests per second."""
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"invalid rate ({text!r}): write 20/s") from error
    if rate <= 0:
        raise argparse.ArgumentTypeError(f"invalid rate ({text!r}): must be above 0")
    return rate


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.declaree", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free port")
    parser.add_argument("--api-key", default="demo-key", help="API key of the first start (default: %(default)s)")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--rate-limit", type=parse_rate, metavar="N/s", help="requests per second above which a request gets 429"
    )
    limit.add_argument(
        "--no-rate-limit", dest="rate_limit", action="store_const", const=None, help="accept all requests (the default)"
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="file that keeps accounts and groups over restarts and kills"
    )
    parser.add_argument(
        "--journal-size", type=int, default=10_000, metavar="N", help="requests in the journal (default: %(default)s)"
    )
    parser.add_argument("--enable-delete", action="store_true", help="support DELETE (default: reject it with 405)")
    parser.add_argument("--enable-versions", action="store_true", help="support ETag, If-Match and If-None-Match")
    parser.add_argument("--behaviour", metavar="JSON", default="{}", help="fields of Behaviour as a JSON object")
    return parser


def read_behaviour(arguments: argparse.Namespace) -> Behaviour:
    """Returns the behaviour that the options describe. Raises ``ValueError`` with the name of an invalid field."""
    behaviour = Behaviour.model_validate_json(arguments.behaviour)
    changes: dict[str, object] = {}
    if arguments.rate_limit is not None:
        changes["rate_limit"] = arguments.rate_limit
    if arguments.enable_delete:
        changes["delete"] = "allowed"
    if arguments.enable_versions:
        changes["versions"] = True
    return behaviour.model_copy(update=changes)


def main(arguments: list[str] | None = None) -> None:
    """Serves the sandbox until the process is told to stop. Exits with a message if it cannot start."""
    options = build_parser().parse_args(arguments)
    try:
        behaviour = read_behaviour(options)
        listener = bind_socket(options.host, options.port)
        declaree = Declaree(
            api_key=options.api_key,
            behaviour=behaviour,
            journal_size=options.journal_size,
            state_file=options.state,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"sandbox Declaree cannot start: {error}")
    address = f"http://{options.host}:{listener.getsockname()[1]}"

    def announce() -> None:
        print(f"sandbox Declaree listens: {address}{BASE_PATH}/ (page: {address}/)", flush=True)

    try:
        serve(create_app(declaree), listener, announce)
    finally:
        declaree.close()
        listener.close()


if __name__ == "__main__":
    main()
