"""A bridge with an address that both pods and this machine reach."""

import pathlib

from kit import system
from kit.run import BRIDGE, BRIDGE_ADDRESS, POD_BRIDGE
from kit.talk import Refused

NAME = "network"
LEVELS = ("real",)
FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


def build():
    """Nothing to build."""


def ip(*words, quiet=False):
    """Runs `ip`."""
    return system.run(system.program("ip", "iproute2"), *words, quiet=quiet)


def check():
    """One cluster with real pods at a time: they share the machine's addresses and packet filter."""
    if pathlib.Path(f"/sys/class/net/{BRIDGE}").exists():
        raise Refused(f"the interface {BRIDGE} is there: another cluster with real pods runs, or was killed; "
                      "`rig down --run DIR` ends it, `ip link delete " + BRIDGE + "` removes what one left")


def start(run):
    """Makes the bridge, and lets packets pass from pods to services."""
    run.keep(forward=FORWARD.read_text().strip())
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "add", f"{BRIDGE_ADDRESS}/32", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    FORWARD.write_text("1")


def wipe(run):
    """Takes both back."""
    if "forward" not in run.settings:
        return
    for name in (POD_BRIDGE, BRIDGE):
        ip("link", "delete", name, quiet=True)
    FORWARD.write_text(run.settings["forward"])
