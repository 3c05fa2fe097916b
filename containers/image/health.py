#!/usr/bin/env python3
"""Health check of a container: requests ``/health/live`` or ``/health/ready`` of the service and prints the response.

The exit code is 0 if the service answers 200, else 1.
"""

import http.client
import os
import sys
from pathlib import Path

file = os.environ.get("HTTP_TOKEN_FILE")
token = os.environ.get("HTTP_TOKEN") or (Path(file).read_text(encoding="utf-8").strip() if file else "")
port = int(os.environ.get("HTTP_PORT", "8080"))
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
try:
    connection.request("GET", f"/health/{sys.argv[1]}", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    sys.stdout.buffer.write(answer.read())
    sys.exit(answer.status != http.HTTPStatus.OK)
except OSError as error:
    sys.exit(f"the service does not answer on port {port}: {error}")
finally:
    connection.close()
