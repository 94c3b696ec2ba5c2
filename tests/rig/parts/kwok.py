"""kwok: nodes and pods that only pretend. Pods become ready, those of Jobs complete; none of them runs."""

from kit import oci
from kit.api import condition
from kit.cache import Module, locked

NAME = "kwok"
LEVELS = ("pretend",)
MODULE = Module("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
# What nodes and pods go through, from kwok's own sources. The last one is for pods with the label
# `pod-container-running-failed.stage.kwok.x-k8s.io: "true"`, which fail.
STAGES = [
    "node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease", "pod/fast/pod-ready",
    "pod/fast/pod-complete", "pod/fast/pod-delete", "pod/chaos/pod-container-running-failed",
]
# Only nodes that say so are pretended: a test that adds a node by hand keeps it as it is.
PRETENDED = {"kwok.x-k8s.io/node": "fake"}
GPUS = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.memory": "81559", "nvidia.com/gpu.present": "true"}


def build():
    """Builds it, and puts the stages beside it."""
    MODULE.build()
    stages = MODULE.home() / "stages.yaml"
    with locked(MODULE.home() / ".lock"):
        if not stages.exists():
            folder = MODULE.source() / "kustomize" / "stage"
            half = MODULE.home() / ".stages"
            half.write_text("\n---\n".join((folder / f"{stage}.yaml").read_text() for stage in STAGES))
            half.rename(stages)


def start(run):
    """Starts it, with a node of processors and one of accelerators."""
    run.processes.start(NAME, [
        MODULE.program("kwok"), f"--kubeconfig={run.kubeconfig}", f"--config={MODULE.home() / 'stages.yaml'}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds=40",
        "--node-ip=127.0.0.1", "--server-address=",
    ])
    node(run, "pretend-0", {}, {})
    node(run, "pretend-gpu-0", GPUS, {"nvidia.com/gpu": "8"})


def node(run, name, labels, devices):
    """A pretended node, and its readiness."""
    path, capacity = f"/api/v1/nodes/{name}", {"cpu": "64", "memory": "512Gi", "pods": "1000", **devices}
    known = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": oci.machine()}
    run.api.apply(path, {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "annotations": PRETENDED, "labels": {**known, **labels}},
    })
    run.api.patch_status(path, {"capacity": capacity, "allocatable": capacity})
    run.wait(f"node {name}", lambda: condition(run.api.get(path), "Ready"), NAME)
