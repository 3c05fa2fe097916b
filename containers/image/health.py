#!/usr/bin/env python3
"""The container's health check: asks the service for ``/health/live`` or ``/health/ready``, and says what it says."""

import http.client
import os
import sys

port = int(os.environ.get("HTTP_PORT", "8080"))
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
try:
    connection.request("GET", f"/health/{sys.argv[1]}")
    answer = connection.getresponse()
    sys.stdout.buffer.write(answer.read())
    sys.exit(answer.status != http.HTTPStatus.OK)
except OSError as error:
    sys.exit(f"nothing answers on port {port}: {error}")
finally:
    connection.close()
