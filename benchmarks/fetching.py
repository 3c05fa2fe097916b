"""Fetch and decode: a bare loop, and the product's client and parser."""

from benchmarks import loops
from benchmarks.report import Stage
from sandbox.installation import PERSONIO_ID, PERSONIO_SECRET, Installation


async def run(installation: Installation) -> tuple[Stage, Stage]:
    """Returns the measurements of the bare loop and of the product's client."""
    servers = {"sandbox personio": installation.processes["personio"].pid}
    credential = (installation.personio, PERSONIO_ID, PERSONIO_SECRET)
    bare = await loops.run("bare.fetch", *credential, servers=servers)
    product = await loops.run("parsing", *credential, servers=servers)
    return (
        Stage("fetch, decode", bare.counts["employees"], bare.seconds, bare.usage),
        Stage(
            "fetch, decode, parse (the poller's client)", product.counts["employees"], product.seconds, product.usage
        ),
    )
