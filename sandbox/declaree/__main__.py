"""``python -m sandbox.declaree``: a Declaree on a port of this machine."""

import argparse
import sys
from pathlib import Path

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.serving import listening_socket, serve


def requests_a_second(text: str) -> float:
    """Reads ``20/s`` or ``20``."""
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; write 20/s") from error
    if rate <= 0:
        raise argparse.ArgumentTypeError("a rate is above 0")
    return rate


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m sandbox.declaree", description=__doc__)
    found.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    found.add_argument("--port", type=int, required=True, help="0 takes a free one")
    found.add_argument("--api-key", default="demo-key", help="default: %(default)s")
    limit = found.add_mutually_exclusive_group()
    limit.add_argument("--rate-limit", type=requests_a_second, metavar="N/s", help="answer 429 above it")
    limit.add_argument("--no-rate-limit", dest="rate_limit", action="store_const", const=None, help="the default")
    found.add_argument("--state", type=Path, metavar="FILE", help="keep accounts over restarts and kills")
    found.add_argument("--journal-size", type=int, default=10_000, metavar="N", help="default: %(default)s")
    found.add_argument("--enable-delete", action="store_true", help="DELETE works (default: refused with 405)")
    found.add_argument("--enable-versions", action="store_true", help="ETag, If-Match, If-None-Match")
    found.add_argument("--behaviour", metavar="JSON", default="{}", help="fields of Behaviour, as a JSON object")
    return found


def behaviour(arguments: argparse.Namespace) -> Behaviour:
    """Raises ``ValueError`` naming the field that is wrong."""
    given = Behaviour.model_validate_json(arguments.behaviour)
    changes: dict[str, object] = {}
    if arguments.rate_limit is not None:
        changes["rate_limit"] = arguments.rate_limit
    if arguments.enable_delete:
        changes["delete"] = "allowed"
    if arguments.enable_versions:
        changes["versions"] = True
    return given.model_copy(update=changes)


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        wanted = behaviour(options)
        opened = listening_socket(options.host, options.port)
        declaree = Declaree(
            api_key=options.api_key,
            behaviour=wanted,
            journal_size=options.journal_size,
            state_file=options.state,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"sandbox Declaree cannot start: {error}")
    address = f"http://{options.host}:{opened.getsockname()[1]}"

    def announce() -> None:
        print(f"sandbox Declaree listens: {address}{BASE_PATH}/ (page: {address}/)", flush=True)

    try:
        serve(create_app(declaree), opened, announce)
    finally:
        declaree.close()
        opened.close()


if __name__ == "__main__":
    main()
