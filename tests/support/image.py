"""An image for a pod: files on top of another one, pushed to a registry; prints what it is called by its digest.

image.py BASE TARGET WORKDIR SOURCE=PLACE...: a folder is taken whole. What moves images is skopeo.
"""

import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile


def skopeo(*words):
    subprocess.run(["skopeo", "copy", "--quiet", "--insecure-policy", *words], check=True)


def blob(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def layer(pairs):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for pair in pairs:
            source, place = pair.split("=", 1)
            archive.add(source, place.lstrip("/"), filter=root)
    return packed.getvalue()


def root(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if "__pycache__" in entry.name else entry


def main(base, target, workdir, *pairs):
    with tempfile.TemporaryDirectory() as folder:
        layout = pathlib.Path(folder) / "image"
        skopeo("--src-tls-verify=false", f"docker://{base}", f"oci:{layout}:x")
        read = lambda digest: json.loads((layout / "blobs" / "sha256" / digest.split(":")[1]).read_bytes())
        index = json.loads((layout / "index.json").read_text())
        manifest = read(index["manifests"][0]["digest"])
        config = read(manifest["config"]["digest"])
        plain = layer(pairs)
        added = blob(layout, gzip.compress(plain, 1, mtime=0))
        manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **added})
        config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
        config.setdefault("config", {})["WorkingDir"] = workdir
        config.pop("history", None)
        manifest["config"].update(blob(layout, json.dumps(config).encode()))
        index["manifests"][0].update(blob(layout, json.dumps(manifest).encode()))
        (layout / "index.json").write_text(json.dumps(index))
        skopeo("--dest-tls-verify=false", f"oci:{layout}:x", f"docker://{target}:latest")
        print(f"{target}@{index['manifests'][0]['digest']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
