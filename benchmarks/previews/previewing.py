"""Previews the draft for all employees, as a process like the bare loops.

python -m benchmarks.previews.previewing MONGODB_URL ENCRYPTION_KEY CONNECTION

The further processes of the preview import this module as well, and nothing else of it: so does the program of the commands.
"""

if __name__ == "__main__":
    import asyncio
    import sys

    from benchmarks.bare.measuring import run_measured
    from benchmarks.previews.whole import preview

    run_measured(lambda: preview(*sys.argv[1:]), new_loop=asyncio.new_event_loop)
