"""kube-controller-manager: Deployments, Jobs, garbage collection, accounts, volumes of the default class."""

import contextlib
import pathlib
import shutil

from parts.kubernetes import MODULE

NAME = "controller-manager"
LEVELS = ("pretend", "real")
# Where the controller's own provisioner makes the folders of volumes; it cannot be told another place.
VOLUMES = pathlib.Path("/tmp/hostpath_pv")


def build():
    """Builds it."""
    MODULE.build(["kube-controller-manager"])


def start(run):
    """Starts it, and waits for what every user finds in a cluster."""
    # With an account of its own for each controller it starts five seconds later.
    kubeconfig = run.component("system:kube-controller-manager", "system:masters")
    # Clusters of all users of this machine put theirs there.
    with contextlib.suppress(PermissionError):
        VOLUMES.mkdir(exist_ok=True)
        VOLUMES.chmod(0o1777)
    run.processes.start(NAME, [
        MODULE.program("kube-controller-manager"), f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={run.port(NAME)}",
        f"--cert-dir={run.home / 'pki' / NAME}",
        f"--service-account-private-key-file={run.authority.path('accounts', 'key')}",
        f"--root-ca-file={run.authority.certificate}", "--enable-hostpath-provisioner", "--profiling=false",
    ])
    run.api.apply("/apis/storage.k8s.io/v1/storageclasses/rig", STORAGE_CLASS)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    run.wait("the default service account", lambda: run.api.get(account), NAME)


STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
    "metadata": {"name": "rig", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/host-path", "reclaimPolicy": "Delete",
}


def leave(run):
    """Remembers which folders of volumes are this cluster's, while it still answers."""
    status, _ = run.api.ask("GET", "/readyz")
    if status != 200:
        return
    paths = [volume["spec"].get("hostPath", {}).get("path", "")
             for volume in run.api.get("/api/v1/persistentvolumes")["items"]]
    run.keep(volumes=[path for path in paths if pathlib.Path(path).parent == VOLUMES])


def wipe(run):
    """Removes them."""
    for path in run.settings.get("volumes", []):
        shutil.rmtree(path, ignore_errors=True)
    # The folder around them goes with the last one in it.
    with contextlib.suppress(OSError):
        VOLUMES.rmdir()
