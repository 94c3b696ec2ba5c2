"""kubelet: this machine as the cluster's one node, `rig-0`."""

import pathlib

from kit import system
from kit.api import condition
from kit.run import DNS_SERVER
from parts import containerd
from parts.kubernetes import MODULE

NAME = "kubelet"
LEVELS = ("real",)
NODE = "rig-0"
# What it makes outside its own folder, and knows no other place for: links to the logs of pods, and a socket.
LINKS = pathlib.Path("/var/log/containers")
OUTSIDE = [LINKS, pathlib.Path("/var/lib/kubelet")]


def build():
    """Builds it."""
    MODULE.build(["kubelet"])


def config(run):
    """Its file: a guest on this machine that leaves control groups, swap and disk as they are."""
    authority = run.authority
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "address": run.address, "port": run.port(NAME), "healthzPort": 0, "readOnlyPort": 0,
        "tlsCertFile": authority.path(NAME, "crt"), "tlsPrivateKeyFile": authority.path(NAME, "key"),
        "authentication": {
            "anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority.certificate)}},
        "containerRuntimeEndpoint": f"unix://{containerd.socket(run)}",
        "clusterDNS": [DNS_SERVER], "clusterDomain": "cluster.local",
        "resolvConf": str(run.write("resolv.conf", f"nameserver {DNS_SERVER}\n")),
        "podLogsDir": str(run.home / "pods"), "failSwapOn": False, "failCgroupV1": False,
        "cgroupDriver": "cgroupfs", "cgroupsPerQOS": False, "enforceNodeAllocatable": [], "evictionHard": {},
        "localStorageCapacityIsolation": False, "serializeImagePulls": False, "registryPullQPS": 0,
        "nodeStatusUpdateFrequency": "10s", "makeIPTablesUtilChains": False,
        "volumePluginDir": str(run.home / "volume-plugins"),
    }


def start(run):
    """Starts it, and waits until the node takes pods."""
    run.borrow(*OUTSIDE)
    run.authority.server(NAME, {run.address}, [NODE])
    kubeconfig = run.component(f"system:node:{NODE}", "system:nodes")
    run.processes.start(NAME, [
        MODULE.program("kubelet"), f"--config={run.write('kubelet.json', config(run))}",
        f"--kubeconfig={kubeconfig}", f"--root-dir={run.home / 'kubelet'}", f"--cert-dir={run.home / 'pki'}",
        f"--hostname-override={NODE}", f"--node-ip={run.address}",
    ], {"PATH": system.PATHS})
    run.wait("the node", lambda: condition(run.api.get(f"/api/v1/nodes/{NODE}"), "Ready"), NAME)


def wipe(run):
    """It ends leaving mounts and links behind."""
    system.unmount(run.home / "kubelet")
    for link in LINKS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(str(run.home)):
            link.unlink()
