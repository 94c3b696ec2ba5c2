"""containerd, with its own state, and the network of pods."""

import contextlib
import json
import os
import pathlib
import signal

from kit import system
from kit.run import POD_BRIDGE, PODS

NAME = "containerd"
LEVELS = ("real",)
PAUSE = "docker.io/mlp-rig/pause:1"
PLUGINS = pathlib.Path("/usr/lib/cni")
# What it and its plugins make outside its own folder; they cannot be told other places.
OUTSIDE = [pathlib.Path("/var/lib/cni"), pathlib.Path("/run/containerd"), pathlib.Path("/run/netns")]


def build():
    """Nothing to build."""


def check():
    """All of it is Debian's."""
    system.program("containerd", "containerd")
    system.program("runc", "runc")
    system.program(str(PLUGINS / "bridge"), "containernetworking-plugins")
    system.program("iptables", "iptables")


def socket(run):
    """Where it listens."""
    return run.home / "containerd.sock"


def ctr(run, *words, quiet=False):
    """Runs its client."""
    client = system.program("ctr", "containerd")
    return system.run(client, "--address", socket(run), "--namespace", "k8s.io", *words, quiet=quiet)


CONFIG = """version = 2
root = "{home}/containerd/root"
state = "{home}/containerd/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  # Without it a sandbox that may not lower its score fails: "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{home}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/containerd/opt"
"""


def network(run):
    """Pods sit on a bridge of their own, which is their way to everything else."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "dataDir": str(run.home / "addresses")}
    bridge = {"type": "bridge", "bridge": POD_BRIDGE, "isDefaultGateway": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "mlp-rig", "plugins": [{**bridge, "ipam": addresses}, ports]}


def start(run):
    """Starts it."""
    run.borrow(*OUTSIDE)
    run.write("cni/10-rig.conflist", network(run))
    config = run.write("containerd.toml", CONFIG.format(
        home=run.home, socket=socket(run), pause=PAUSE, plugins=PLUGINS))
    words = [system.program("containerd", "containerd"), "--config", config]
    run.processes.start(NAME, words, {"PATH": system.PATHS})
    run.wait("containerd", lambda: "Server:" in ctr(run, "version", quiet=True), NAME)


def leave(run):
    """Ends what still runs in pods, while their keeper can still be asked."""
    if not socket(run).exists():
        return
    for container in ctr(run, "containers", "list", "--quiet", quiet=True).split():
        described = ctr(run, "containers", "info", container, quiet=True)
        namespace = network_namespace(described)
        ctr(run, "tasks", "kill", "--signal", "SIGKILL", "--all", container, quiet=True)
        ctr(run, "tasks", "delete", "--force", container, quiet=True)
        ctr(run, "containers", "delete", container, quiet=True)
        if namespace:
            system.run(system.program("ip", "iproute2"), "netns", "delete", namespace, quiet=True)


def network_namespace(described):
    """The name of the network that a container has of its own."""
    if not described:
        return None
    spaces = json.loads(described).get("Spec", {}).get("linux", {}).get("namespaces", [])
    found = [space.get("path", "") for space in spaces if space["type"] == "network"]
    named = [path for path in found if pathlib.Path(path).parent.name == "netns"]
    return pathlib.Path(named[0]).name if named else None


def wipe(run):
    """Ends keepers of containers that outlived it, with what they keep, and unmounts."""
    for pid in system.families(str(socket(run))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    system.unmount(run.home)
