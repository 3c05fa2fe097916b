"""Fetch and decode: bare, and with the product's client and parser beside it."""

from benchmarks import loops
from benchmarks.report import Stage
from sandbox.installation import PERSONIO_ID, PERSONIO_SECRET, Installation


async def run(installation: Installation) -> tuple[Stage, Stage]:
    """The bare loop, and the product's."""
    beside = {"sandbox personio": installation.processes["personio"].pid}
    credential = (installation.personio, PERSONIO_ID, PERSONIO_SECRET)
    bare = await loops.run("bare.fetch", *credential, beside=beside)
    product = await loops.run("parsing", *credential, beside=beside)
    return (
        Stage("fetch, decode", bare.counts["employees"], bare.seconds, bare.usage),
        Stage(
            "fetch, decode, parse (the poller's client)", product.counts["employees"], product.seconds, product.usage
        ),
    )
