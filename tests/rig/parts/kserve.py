"""KServe's controller: InferenceServices as Deployments, of containers only: its own images are missing."""

import json

from kit.cache import Module
from kit.operators import Operator, documents, kubectl

NAME = "kserve"
LEVELS = ("pretend", "real")
EXTRA = True
MODULE = Module("kserve", "github.com/kserve/kserve", {"kserve": "github.com/kserve/kserve/cmd/manager"})
OPERATOR = Operator(NAME, MODULE, "config/crd/full", "config/webhook", {
    "settings.yaml": "config/configmap/inferenceservice.yaml",
})


def build():
    """Builds it."""
    OPERATOR.build()


def settings(run):
    """What its sources ship, for a cluster with neither Knative nor Istio."""
    file = MODULE.home() / "settings.yaml"
    [found] = documents(kubectl(run, "create", "--dry-run=client", "--output=json", "--filename", file))
    data = {key: text for key, text in found["data"].items() if key != "_example"}
    data["deploy"] = json.dumps({"defaultDeploymentMode": "RawDeployment"})
    data["ingress"] = json.dumps({**json.loads(data["ingress"]), "disableIngressCreation": True})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": found["metadata"], "data": data}


def start(run):
    """Starts it."""
    OPERATOR.define(run)
    # It looks for its certificate below the folder for temporary files.
    folder = OPERATOR.certificate(run, run.home / NAME / "k8s-webhook-server" / "serving-certs")
    run.api.apply("/api/v1/namespaces/kserve", {
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kserve"}})
    run.api.apply("/api/v1/namespaces/kserve/configmaps/inferenceservice-config", settings(run))
    run.processes.start(NAME, [
        MODULE.program("kserve"), "--metrics-addr=0", f"--webhook-port={run.port('kserve-webhook')}",
        f"--health-probe-addr=127.0.0.1:{run.port('kserve-health')}",
    ], {"KUBECONFIG": str(run.kubeconfig), "POD_NAMESPACE": "kserve", "TMPDIR": str(folder.parent.parent)})
    # Models that nodes keep are another program's.
    OPERATOR.call(run, lambda webhook: not webhook["name"].startswith("localmodel"))
