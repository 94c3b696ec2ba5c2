"""kube-scheduler."""

from parts.kubernetes import MODULE

NAME = "scheduler"
LEVELS = ("pretend", "real")


def build():
    """Builds it."""
    MODULE.build(["kube-scheduler"])


def start(run):
    """Starts it; who needs it waits for what it does."""
    kubeconfig = run.component("system:kube-scheduler")
    run.processes.start(NAME, [
        MODULE.program("kube-scheduler"), f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={run.port(NAME)}",
        f"--cert-dir={run.home / 'pki' / NAME}", "--profiling=false",
    ])
