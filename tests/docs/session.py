"""`cohortium` as a page of the documentation calls it: `serve` ends as soon as the portal has answered."""

import re
import signal
import subprocess
import sys
import urllib.request

COMMAND = [sys.executable, "-c", "from cohortium.cli import main; main()"]

if "serve" not in sys.argv or "--help" in sys.argv:
    sys.exit(subprocess.run([*COMMAND, *sys.argv[1:]], check=False).returncode)

with subprocess.Popen([*COMMAND, *sys.argv[1:], "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
    line = server.stdout.readline()
    address = re.search(r"http://\S+", line)
    if address:
        with urllib.request.urlopen(address[0]) as answer:
            print(line, answer.status)
        server.send_signal(signal.SIGINT)
    sys.exit(server.wait())
