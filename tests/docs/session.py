"""`cohortium` as a page of the documentation calls it: what serves ends as soon as its portal has answered."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import nursery

serves = "serve" in sys.argv or sys.argv[1:3] == ["gateway", "run"]
if not serves or "--help" in sys.argv:
    sys.exit(nursery.start(*sys.argv[1:]).wait())

anywhere = {**os.environ, "COHORTIUM_SERVE__PORT": "0"}
with nursery.start(*sys.argv[1:], stdout=subprocess.PIPE, env=anywhere) as server:
    line = server.stdout.readline()
    address = re.search(r"http://\S+", line)
    if address:
        with urllib.request.urlopen(address[0]) as answer:
            print(line, answer.status)
        server.send_signal(signal.SIGINT)
    sys.exit(server.wait())
