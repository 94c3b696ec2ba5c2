"""The module that most parts are built from; not a part itself."""

from kit.cache import Module

_AT = "k8s.io/component-base/version"
PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"]

# Without a stamp, `/version` answers v0.0.0.
MODULE = Module(
    "kubernetes", "k8s.io/kubernetes", {name: f"k8s.io/kubernetes/cmd/{name}" for name in PROGRAMS},
    stamp=f"-X {_AT}.gitVersion={{version}} -X {_AT}.gitMajor=1 -X {_AT}.gitMinor={{minor}}",
)
