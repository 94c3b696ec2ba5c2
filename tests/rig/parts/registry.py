"""An image registry on loopback: this machine pushes and the kubelet pulls by one name, without TLS."""

from kit import system
from kit.run import listening

NAME = "registry"
LEVELS = ("real",)


def build():
    """Nothing to build."""


def check():
    """It is Debian's."""
    server()


def server():
    """Its program."""
    return system.program("docker-registry", "docker-registry")


def address(run):
    """How images are named: `<this>/<repository>@sha256:…`."""
    return f"127.0.0.1:{run.port(NAME)}"


def start(run):
    """Starts it."""
    config = run.write("registry.yml", {
        "version": "0.1", "log": {"level": "warn"}, "http": {"addr": address(run)},
        "storage": {"filesystem": {"rootdirectory": str(run.home / "registry")}, "delete": {"enabled": True}},
    })
    run.processes.start(NAME, [server(), "serve", config], {"OTEL_TRACES_EXPORTER": "none"})
    run.wait("the registry", lambda: listening("127.0.0.1", run.port(NAME)), NAME)


def exports(run):
    """Where to push."""
    return {"MLP_RIG_REGISTRY": address(run)}
