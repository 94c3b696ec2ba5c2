"""JobSet's controller: several Jobs as one, whose pods find each other by name."""

from kit.cache import Module
from kit.operators import Operator

NAME = "jobset"
LEVELS = ("pretend", "real")
EXTRA = True
MODULE = Module("jobset", "sigs.k8s.io/jobset", {"jobset": "sigs.k8s.io/jobset"})
OPERATOR = Operator(NAME, MODULE, "config/components/crd/bases", "config/components/webhook")


def build():
    """Builds it."""
    OPERATOR.build()


def start(run):
    """Starts it."""
    OPERATOR.define(run)
    certificate = OPERATOR.certificate(run)
    config = run.write("jobset.json", {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1", "kind": "Configuration",
        "leaderElection": {"leaderElect": False}, "internalCertManagement": {"enable": False},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{run.port('jobset-health')}"},
        "webhook": {"host": run.address, "port": run.port("jobset-webhook"), "certDir": str(certificate)},
    })
    words = [MODULE.program("jobset"), f"--config={config}"]
    run.processes.start(NAME, words, {"KUBECONFIG": str(run.kubeconfig)})
    OPERATOR.call(run)
