"""etcd: what the cluster remembers. On loopback without a password, so never anything but a rig's."""

from kit.cache import Module
from kit.run import listening

NAME = "etcd"
LEVELS = ("pretend", "real")
MODULE = Module("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"})


def build():
    """Builds the server."""
    MODULE.build()


def endpoint(run):
    """Where it listens."""
    return f"http://127.0.0.1:{run.port('etcd')}"


def start(run):
    """Starts it. What it holds is thrown away with the run, so it does not wait for the disk."""
    peers = f"http://127.0.0.1:{run.port('etcd-peers')}"
    run.processes.start(NAME, [
        MODULE.program("etcd"), f"--data-dir={run.home / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls={endpoint(run)}", f"--advertise-client-urls={endpoint(run)}",
        f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ])
    run.wait("etcd", lambda: listening("127.0.0.1", run.port("etcd")), NAME)
