"""One run of the rig: its directory, its ports, its processes and its cluster."""

import functools
import json
import os
import pathlib
import random
import socket
import tempfile
import time

from kit.api import Api
from kit.certs import Authority
from kit.processes import Processes
from kit.talk import Refused

# Below the range of outgoing connections, of node ports, and of what the project's tests take.
PORTS = range(14_000, 20_000)
SERVICES = "10.97.0.0/24"
FIRST_SERVICE = "10.97.0.1"
DNS_SERVER = "10.98.0.1"
BRIDGE, BRIDGE_ADDRESS = "mlprig", "10.98.0.1"
POD_BRIDGE, PODS = "mlprigpods", "10.99.0.0/24"


def default_home():
    """Where a run lies when nobody says."""
    named = os.environ.get("MLP_RIG_RUN")
    return pathlib.Path(named or f"{tempfile.gettempdir()}/mlp-rig-{os.getuid()}").resolve()


class Run:
    """The level is `pretend` (without root) or `real`."""

    def __init__(self, home):
        self.home = home
        self.processes = Processes(home)
        self.kubeconfig = home / "kubeconfig"
        self._settings = home / "settings.json"
        self.settings = json.loads(self._settings.read_text()) if self._settings.is_file() else {}

    def make(self, level, extras):
        """A new directory, with ports of its own."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keep(level=level, extras=extras, ports={}, ready=False)

    def keep(self, **settings):
        """Remembers settings of this run."""
        self.settings.update(settings)
        half = self.home / ".settings"
        half.write_text(json.dumps(self.settings, indent=1))
        half.rename(self._settings)

    @property
    def level(self):
        """`pretend` or `real`."""
        return self.settings["level"]

    @property
    def address(self):
        """Where servers listen: pods cannot reach loopback, and a kubelet refuses it as a node's address."""
        return BRIDGE_ADDRESS if self.level == "real" else "127.0.0.1"

    def port(self, name):
        """A free port, the same each time it is asked for."""
        ports = self.settings["ports"]
        if name not in ports:
            ports[name] = free_port(set(ports.values()))
            self.keep(ports=ports)
        return ports[name]

    @property
    def server(self):
        """The API server's address."""
        return f"https://{self.address}:{self.port('apiserver')}"

    @functools.cached_property
    def authority(self):
        """Who signs this run's certificates."""
        return Authority(self.home / "pki")

    @functools.cached_property
    def api(self):
        """The API server, as its administrator."""
        return Api(self.address, self.port("apiserver"), self.authority)

    def component(self, user, group=None):
        """The path of a kubeconfig for a part of the cluster."""
        name = user.replace(":", "-")
        path = self.home / "pki" / f"{name}.kubeconfig"
        if not path.exists():
            self.authority.client(name, user, group)
            self.authority.kubeconfig(path, self.server, name)
        return path

    def write(self, path, content):
        """Writes a file of the run; what is not text becomes JSON, which is YAML."""
        path = self.home / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    def borrow(self, *folders):
        """Says that a part makes folders outside the run's; those that were not there go with the run."""
        absent = [str(folder) for folder in folders if not folder.exists()]
        self.keep(borrowed=self.settings.get("borrowed", []) + absent)

    def wait(self, what, question, name=None, seconds=90):
        """Asks until the answer is yes. `name` is the process whose end would make waiting vain."""
        until = time.monotonic() + seconds
        while not question():
            record = self.processes.record(name) if name else None
            if record and not self.processes.alive(record):
                raise Refused(f"{name} ended while {what} was awaited:\n{self.processes.tail(name)}")
            if time.monotonic() > until:
                said = f":\n{self.processes.tail(name)}" if name else ""
                raise Refused(f"{what} did not come about in {seconds} s{said}")
            time.sleep(0.05)


def free_port(taken):
    """A port that nothing listens on."""
    for _ in range(1000):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        if port not in taken:
            return port
    raise Refused(f"no port between {PORTS[0]} and {PORTS[-1]} is free")


def listening(address, port):
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0
