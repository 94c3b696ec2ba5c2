"""Images written as OCI layouts: a folder of blobs that name one another by digest."""

import gzip
import hashlib
import io
import json
import os
import tarfile


class Layout:
    """A layout of one image of one layer."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def blob(self, data, kind):
        """Keeps bytes; what is said about them elsewhere."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(data)
        kind = f"application/vnd.oci.image.{kind}"
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    def write(self, tar, machine, config):
        """Writes all of it around a layer, uncompressed bytes of a tar."""
        layer = self.blob(gzip.compress(tar, compresslevel=1, mtime=0), "layer.v1.tar+gzip")
        inside = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]}
        image = {"architecture": machine, "os": "linux", "config": config, "rootfs": inside}
        described = self.blob(json.dumps(image).encode(), "config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": described, "layers": [layer]}
        entry = self.blob(json.dumps(manifest).encode(), "manifest.v1+json")
        named = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
        entry["annotations"] = {key: self.name for key in named}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.folder / "index.json").write_text(json.dumps(index))
        (self.folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def digest(folder):
    """The digest by which the image of a layout is pulled."""
    return json.loads((folder / "index.json").read_text())["manifests"][0]["digest"]


def machine():
    """This machine's architecture, as images call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def tar(root, leave_out=()):
    """A folder as a layer, without what lies below some of its folders."""
    def wanted(member):
        below = any(member.name.startswith(f"./{folder}/") for folder in leave_out)
        member.mtime = 0
        return None if below or member.isdev() else member
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.add(root, arcname=".", filter=wanted)
    return buffer.getvalue()
