"""The cluster's authority, certificates and kubeconfigs."""

import base64
import json
import subprocess

from kit.talk import Refused

DAYS = "365"


def openssl(*words):
    """Runs openssl."""
    try:
        ended = subprocess.run(["openssl", *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise Refused("missing: openssl") from None
    if ended.returncode:
        raise Refused(f"openssl {words[0]}: {ended.stderr.strip()}")


class Authority:
    """Makes keys and certificates in a folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.certificate, self.key = folder / "ca.crt", folder / "ca.key"
        if not self.certificate.exists():
            self._make("ca", "/CN=mlp-rig", ["basicConstraints=critical,CA:TRUE"], signed=False)

    def _make(self, name, subject, extensions, signed=True):
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        words += ["-days", DAYS, "-subj", subject]
        words += ["-out", self.path(name, "crt"), "-keyout", self.path(name, "key")]
        for extension in extensions:
            words += ["-addext", extension]
        if signed:
            words += ["-CA", str(self.certificate), "-CAkey", str(self.key)]
        openssl(*words)

    def path(self, name, ending):
        """A file of a certificate's."""
        return str(self.folder / f"{name}.{ending}")

    def server(self, name, addresses, names):
        """A certificate of a server at these addresses and names."""
        known = [f"IP:{address}" for address in addresses] + [f"DNS:{name}" for name in names]
        self._make(name, f"/CN={name}", [
            "basicConstraints=critical,CA:FALSE", f"subjectAltName={','.join(known)}",
            "extendedKeyUsage=serverAuth,clientAuth",
        ])

    def client(self, name, user, group=None):
        """A certificate that says who its holder is."""
        subject = (f"/O={group}" if group else "") + f"/CN={user}"
        self._make(name, subject, ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth"])

    def pair(self, name):
        """A key pair with which tokens are signed."""
        bits = "rsa_keygen_bits:2048"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", bits, "-out", self.path(name, "key"))
        openssl("pkey", "-in", self.path(name, "key"), "-pubout", "-out", self.path(name, "pub"))

    def kubeconfig(self, path, server, name):
        """A kubeconfig for the holder of a client certificate. JSON is YAML."""
        def data(file):
            with open(file, "rb") as opened:
                return base64.b64encode(opened.read()).decode()
        user = {
            "client-certificate-data": data(self.path(name, "crt")),
            "client-key-data": data(self.path(name, "key")),
        }
        cluster = {"server": server, "certificate-authority-data": data(self.certificate)}
        document = {
            "apiVersion": "v1", "kind": "Config", "current-context": "mlp-rig",
            "clusters": [{"name": "mlp-rig", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "mlp-rig", "context": {"cluster": "mlp-rig", "user": name}}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(document, indent=1) + "\n")
