"""kube-proxy: services by their addresses."""

from kit import system
from kit.run import PODS, listening
from parts import kubelet
from parts.kubernetes import MODULE

NAME = "proxy"
LEVELS = ("real",)
# What it does not clean up, because a kubelet beside it might need it.
TOOLS, SHARED = ("iptables", "ip6tables"), "KUBE-FIREWALL"


def build():
    """Builds it."""
    MODULE.build(["kube-proxy"])


def filter_rules(tool, *words):
    """Asks or changes the packet filter; what it said."""
    return system.run(system.program(tool, "iptables"), "--wait", *words, quiet=True)


def start(run):
    """Starts it."""
    run.keep(filters=[tool for tool in TOOLS if not filter_rules(tool, "--list-rules", SHARED)])
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
    for tool in run.settings.get("filters", []):
        for chain in ("INPUT", "OUTPUT"):
            filter_rules(tool, "--delete", chain, "--jump", SHARED)
        filter_rules(tool, "--flush", SHARED)
        filter_rules(tool, "--delete-chain", SHARED)
