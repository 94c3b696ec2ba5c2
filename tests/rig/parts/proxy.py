"""kube-proxy: services by their addresses."""

from kit import system
from kit.run import PODS, listening
from parts import kubelet
from parts.kubernetes import MODULE

NAME = "proxy"
LEVELS = ("real",)


def build():
    """Builds it."""
    MODULE.build(["kube-proxy"])


def start(run):
    """Starts it."""
    config = run.write("proxy.json", {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(run.component("system:kube-proxy"))},
        "mode": "iptables", "clusterCIDR": PODS, "hostnameOverride": kubelet.NODE, "bindAddress": run.address,
        "healthzBindAddress": f"127.0.0.1:{run.port('proxy-health')}",
        "metricsBindAddress": f"127.0.0.1:{run.port('proxy-metrics')}",
        # The machine's own limits stay as they are.
        "conntrack": {"maxPerCore": 0, "min": 0},
        # Two pods of one bridge speak past the packet filter: answers would come from an address never asked.
        "iptables": {"masqueradeAll": True, "minSyncPeriod": "100ms"},
    })
    run.processes.start(NAME, [MODULE.program("kube-proxy"), f"--config={config}"], {"PATH": system.PATHS})
    run.wait("kube-proxy", lambda: listening("127.0.0.1", run.port("proxy-health")), NAME)


def wipe(run):
    """Removes its rules from the packet filter."""
    if run.processes.record(NAME):
        system.run(MODULE.program("kube-proxy"), "--cleanup", quiet=True, env={"PATH": system.PATHS})
