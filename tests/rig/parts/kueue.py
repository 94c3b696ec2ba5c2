"""Kueue's controller: Jobs and JobSets wait in queues until there is quota for them."""

import pathlib
import shutil

from kit.cache import Module
from kit.operators import Operator

NAME = "kueue"
# It reads one of its certificates from a place that only root may write to.
LEVELS = ("real",)
EXTRA = True
METRICS = pathlib.Path("/etc/kueue/metrics/certs")
MODULE = Module("kueue", "sigs.k8s.io/kueue", {"kueue": "sigs.k8s.io/kueue/cmd/kueue"})
OPERATOR = Operator(NAME, MODULE, "config/components/crd/bases", "config/components/webhook")
GROUPS = {"batch", "jobset.x-k8s.io", "kueue.x-k8s.io"}


def build():
    """Builds it."""
    OPERATOR.build()


def start(run):
    """Starts it. JobSets are queued where their controller runs too."""
    OPERATOR.define(run)
    certificate = OPERATOR.certificate(run)
    run.borrow(pathlib.Path("/etc/kueue"))
    shutil.copytree(certificate, METRICS, dirs_exist_ok=True)
    frameworks = ["batch/job"] + (["jobset.x-k8s.io/jobset"] if "jobset" in run.settings["extras"] else [])
    config = run.write("kueue.json", {
        "apiVersion": "config.kueue.x-k8s.io/v1beta1", "kind": "Configuration", "namespace": "kueue-system",
        "leaderElection": {"leaderElect": False}, "internalCertManagement": {"enable": False},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{run.port('kueue-health')}"},
        "webhook": {"host": run.address, "port": run.port("kueue-webhook"), "certDir": str(certificate)},
        "integrations": {"frameworks": frameworks},
    })
    run.processes.start(NAME, [
        MODULE.program("kueue"), f"--config={config}", "--feature-gates=VisibilityOnDemand=false",
    ], {"KUBECONFIG": str(run.kubeconfig)})
    OPERATOR.call(run, lambda webhook: all(set(rule["apiGroups"]) <= GROUPS for rule in webhook["rules"]))
