"""`cohortium` as a page of the documentation calls it: what serves ends as soon as its portal has answered."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

COMMAND = [sys.executable, "-c", "from cohortium.cli import main; main()"]

serves = "serve" in sys.argv or sys.argv[1:3] == ["gateway", "run"]
if not serves or "--help" in sys.argv:
    sys.exit(subprocess.run([*COMMAND, *sys.argv[1:]], check=False).returncode)

anywhere = {**os.environ, "COHORTIUM_SERVE__PORT": "0"}
with subprocess.Popen([*COMMAND, *sys.argv[1:]], stdout=subprocess.PIPE, text=True, env=anywhere) as server:
    line = server.stdout.readline()
    address = re.search(r"http://\S+", line)
    if address:
        with urllib.request.urlopen(address[0]) as answer:
            print(line, answer.status)
        server.send_signal(signal.SIGINT)
    sys.exit(server.wait())
