"""kube-apiserver, the administrator's kubeconfig, and kubectl for people."""

from kit.run import FIRST_SERVICE, SERVICES
from parts import etcd
from parts.kubernetes import MODULE

NAME = "apiserver"
LEVELS = ("pretend", "real")
NAMES = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
         "kubernetes.default.svc.cluster.local"]


def build():
    """Builds the server and kubectl."""
    MODULE.build(["kube-apiserver", "kubectl"])


def start(run):
    """Starts it, and waits until it is ready for the administrator."""
    authority = run.authority
    authority.server("apiserver", {"127.0.0.1", run.address, FIRST_SERVICE}, NAMES)
    authority.client("admin", "mlp-rig-admin", "system:masters")
    authority.client("apiserver-kubelet", "mlp-rig-apiserver", "system:masters")
    authority.pair("accounts")
    authority.kubeconfig(run.kubeconfig, run.server, "admin")
    words = [
        MODULE.program("kube-apiserver"), f"--etcd-servers={etcd.endpoint(run)}",
        f"--bind-address={run.address}", f"--secure-port={run.port('apiserver')}",
        f"--tls-cert-file={authority.path('apiserver', 'crt')}",
        f"--tls-private-key-file={authority.path('apiserver', 'key')}",
        f"--client-ca-file={authority.certificate}",
        f"--service-account-key-file={authority.path('accounts', 'pub')}",
        f"--service-account-signing-key-file={authority.path('accounts', 'key')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICES}", "--authorization-mode=Node,RBAC", "--allow-privileged",
        f"--kubelet-certificate-authority={authority.certificate}",
        f"--kubelet-client-certificate={authority.path('apiserver-kubelet', 'crt')}",
        f"--kubelet-client-key={authority.path('apiserver-kubelet', 'key')}",
        "--kubelet-preferred-address-types=InternalIP", "--profiling=false",
    ]
    if run.level == "real":
        words.append(f"--advertise-address={run.address}")
    else:
        # Endpoints must not lie on loopback, and nothing pretended calls the API server.
        words.append("--endpoint-reconciler-type=none")
    run.processes.start(NAME, words)
    run.wait("the API server", lambda: ready(run), NAME, seconds=180)


def ready(run):
    """Whether it says so itself."""
    return run.api.ask("GET", "/readyz")[0] == 200


def exports(run):
    """What a user needs to speak to it. The second name tells two clusters of different levels apart."""
    path = str(run.kubeconfig)
    return {"KUBECONFIG": path, f"MLP_RIG_{run.level.upper()}_KUBECONFIG": path,
            "MLP_RIG_KUBECTL": MODULE.program("kubectl")}
