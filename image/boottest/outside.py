"""What is outside the box: the chain, the operator, the client, and the server that updates come from."""

import functools
import http.server
import json
import subprocess
import threading

from boottest.box import CACHE, QUEEN_PORT
from boottest.report import Failed

CHAIN_PORT, FILES_PORT = 18545, 18080
NAME = "box-01"


class Outside:
    """The chain, the operator and the client, on this machine."""

    def __init__(self, work, programs):
        self.work, self.programs, self.fingerprint = work, programs, None
        self.operator = self.new("operator")
        self.client = self.new("client")
        settler = self.new("settler")
        self.node = subprocess.Popen([programs / "devchain", str(CHAIN_PORT), settler, self.client], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        line = self.node.stdout.readline()
        if not line:
            raise SystemExit("error: the development chain did not start (run scripts/setup)")
        self.chain = json.loads(line)

    def new(self, who):
        return self.swarm(who, "key", "new")["address"]

    def swarm(self, who, *arguments, seconds=900):
        command = [self.programs / "swarm", "--home", self.work / who, "--json"]
        if self.fingerprint:
            command += ["--queen", f"https://127.0.0.1:{QUEEN_PORT}", "--fingerprint", self.fingerprint,
                        "--rpc", self.chain["rpc"]]
        done = subprocess.run([*map(str, command), *arguments], capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise Failed(f"swarm {' '.join(arguments)}: exit status {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
        return json.loads(done.stdout)

    def config(self):
        chain = self.chain
        return f"""role = "all-in-one"
name = "{NAME}"
[queen]
operators = ["{self.operator}"]
[queen.listen]
names = ["127.0.0.1"]
[queen.chain]
chain_id = {chain['chain_id']}
rpc_url = "http://10.0.2.2:{CHAIN_PORT}"
escrow = "{chain['escrow']}"
token = "{chain['token']}"
escrow_block = {chain['escrow_block']}
default_cap = "10000000"
[queen.fees]
protocol_payee = "0x0000000000000000000000000000000000000003"
operator_payee = "0x0000000000000000000000000000000000000004"
[queen.settlement]
seal_every = "1000days"
[queen.rails]
lease = "60s"
"""

    def submit(self, *arguments, seconds=1800):
        return self.swarm("client", "submit", str(CACHE / "scan/ch2.nii.gz"), "--type", "brain_mri", *arguments,
                          seconds=seconds)

    def end(self):
        self.node.stdin.close()
        self.node.wait(20)


def serve_updates(directory):
    """The update's files over HTTP, as an operator's server would have them."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", FILES_PORT), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
