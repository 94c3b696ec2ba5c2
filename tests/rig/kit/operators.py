"""Controllers of custom resources. They run beside the cluster: their webhooks are addresses."""

import base64
import json
import shutil

from kit import system
from kit.api import condition
from kit.cache import locked
from kit.run import listening
from parts import kubernetes

CRDS, WEBHOOKS = "crds.yaml", "webhooks.yaml"


class Operator:
    """One of them: its module, and where in the module's sources its definitions and webhooks stand."""

    def __init__(self, name, module, crds, webhooks, files=None):
        """`files` are more files of the sources that starting it needs, by the names they get."""
        self.name, self.module, self.crds, self.webhooks = name, module, crds, webhooks
        self.files = files or {}

    def build(self):
        """Builds the program, and puts beside it what has to be applied."""
        self.module.build()
        kubernetes.MODULE.build(["kubectl"])
        home = self.module.home()
        with locked(home / ".lock"):
            if (home / WEBHOOKS).exists():
                return
            source = self.module.source()
            files = sorted((source / self.crds).glob("*_*.yaml"))
            (home / CRDS).write_text("\n---\n".join(file.read_text() for file in files))
            for name, path in self.files.items():
                (home / name).write_text((source / path).read_text())
            made = system.run(kubernetes.MODULE.program("kubectl"), "kustomize", source / self.webhooks)
            (home / f".{WEBHOOKS}").write_text(made)
            (home / f".{WEBHOOKS}").rename(home / WEBHOOKS)

    def define(self, run):
        """Applies its definitions."""
        file = self.module.home() / CRDS
        for made in kubectl(run, "apply", "--server-side", "--output=name", "--filename", file).split():
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{made.rpartition('/')[2]}"
            run.wait(made, lambda path=path: condition(run.api.get(path), "Established"))

    def certificate(self, run, folder=None):
        """The folder with the certificate that its webhooks show."""
        run.authority.server(self.name, {run.address}, [])
        folder = folder or run.home / "pki" / f"{self.name}-webhook"
        folder.mkdir(parents=True)
        for ending in ("crt", "key"):
            shutil.copy(run.authority.path(self.name, ending), folder / f"tls.{ending}")
        return folder

    def call(self, run, wanted=lambda webhook: True):
        """Waits until its webhooks can be called, and has the API server call those that are wanted."""
        port = run.port(f"{self.name}-webhook")
        run.wait(f"{self.name}'s webhooks", lambda: listening(run.address, port), self.name)
        bundle = base64.b64encode(run.authority.certificate.read_bytes()).decode()
        words = ("create", "--dry-run=client", "--output=json", "--filename", self.module.home() / WEBHOOKS)
        for made in documents(kubectl(run, *words)):
            if not made["kind"].endswith("WebhookConfiguration"):
                continue
            webhooks = [webhook for webhook in made["webhooks"] if wanted(webhook)]
            if not webhooks:
                continue
            for webhook in webhooks:
                path = webhook["clientConfig"]["service"]["path"]
                webhook["clientConfig"] = {"url": f"https://{run.address}:{port}{path}", "caBundle": bundle}
            name = f"{self.name}-{made['metadata']['name']}"
            plural = made["kind"].lower() + "s"
            run.api.apply(f"/apis/admissionregistration.k8s.io/v1/{plural}/{name}", {
                "apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": {"name": name},
                "webhooks": webhooks,
            })


def kubectl(run, *words):
    """Runs kubectl as the administrator."""
    where = ("--kubeconfig", run.kubeconfig, "--cache-dir", run.home / "kubectl-cache")
    return system.run(kubernetes.MODULE.program("kubectl"), *where, *words)


def documents(text):
    """Each of several JSON documents in a row, and of what a list of them holds."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        found, at = decoder.raw_decode(text, at)
        yield from found["items"] if found["kind"] == "List" else [found]
