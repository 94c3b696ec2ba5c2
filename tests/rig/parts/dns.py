"""CoreDNS: services and pods by their names, and no others, so that no test leans on a network outside."""

from kit.cache import Module
from kit.run import DNS_SERVER, listening

NAME = "dns"
LEVELS = ("real",)
# Its `main` is ours: it names the plugins.
MODULE = Module("coredns", "github.com/coredns/coredns", {"coredns": "."})
CONFIG = """.:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 1
    }}
    cache 1
}}
"""


def build():
    """Builds it."""
    MODULE.build()


def start(run):
    """Starts it."""
    kubeconfig = run.component("mlp-rig-dns", "system:masters")
    config = run.write("Corefile", CONFIG.format(address=DNS_SERVER, kubeconfig=kubeconfig))
    run.processes.start(NAME, [MODULE.program("coredns"), "-conf", config])
    run.wait("DNS", lambda: listening(DNS_SERVER, 53), NAME)
