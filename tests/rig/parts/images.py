"""Images, as there is nothing to pull from: one that holds a pod's network, and a Debian with python3."""

import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

from kit import oci, system
from kit.cache import CACHE, locked
from kit.talk import Refused, say
from parts import containerd, registry

NAME = "images"
LEVELS = ("real",)
SUITE = "bookworm"
# To be counted up when what is made changes otherwise than by the lists below.
GENERATION = 1
PACKAGES = "python3-minimal,libpython3-stdlib,ca-certificates"
# Nothing that runs in a pod reads these.
LEAVE_OUT = [
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache", "var/lib/apt/lists",
    "dev",
]


def home():
    """Where they are kept. A changed recipe is another place."""
    recipe = hashlib.sha256(repr((GENERATION, PACKAGES, LEAVE_OUT)).encode()).hexdigest()[:8]
    return CACHE / f"images-{SUITE}-{recipe}"


def check():
    """What moves and makes them is Debian's."""
    system.program("skopeo", "skopeo")
    if not (home() / "python" / "index.json").is_file():
        raise Refused("the images are not built; run `tests/rig/rig build` as root first")


def build():
    """Makes both. A root of Debian cannot be made without being root."""
    with locked(home() / ".lock"):
        for name, make in (("pause", pause), ("python", python)):
            if (home() / name).is_dir():
                continue
            if os.getuid() != 0:
                say("not root: the images for real pods are left out")
                return
            began, half = time.monotonic(), home() / f".{name}.half"
            shutil.rmtree(half, ignore_errors=True)
            make(half)
            half.rename(home() / name)
            say(f"made the image {name} in {time.monotonic() - began:.0f} s")


def pause(folder):
    """A sleeper."""
    static = system.program("busybox", "busybox-static")
    if interpreted(pathlib.Path(static).read_bytes()):
        raise Refused(f"{static} is not static; on Debian: apt-get install busybox-static")
    with tempfile.TemporaryDirectory() as root:
        target = pathlib.Path(root) / "bin" / "sleep"
        target.parent.mkdir()
        shutil.copy(static, target)
        config = {"Entrypoint": ["/bin/sleep", "infinity"]}
        oci.Layout(folder, containerd.PAUSE).write(oci.tar(root), oci.machine(), config)


def interpreted(elf):
    """Whether a program of 64 bits asks for a dynamic loader, the third kind of its segments."""
    offset, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    return any(struct.unpack_from("<I", elf, offset + size * one)[0] == 3 for one in range(count))


def python(folder):
    """What programs of the tests are run in."""
    with tempfile.TemporaryDirectory(prefix="mlp-rig-image-") as root:
        command = [system.program("debootstrap", "debootstrap"), "--variant=minbase"]
        command += [f"--include={PACKAGES}", SUITE, root]
        ended = subprocess.run(command, capture_output=True, text=True)
        system.unmount(pathlib.Path(root))
        if ended.returncode:
            raise Refused(f"debootstrap: {(ended.stdout + ended.stderr)[-1500:]}")
        variables = [f"PATH={system.PATHS}", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"]
        config = {"Cmd": ["python3"], "Env": variables}
        oci.Layout(folder, "latest").write(oci.tar(root, LEAVE_OUT), oci.machine(), config)


def start(run):
    """Gives one to containerd, and pushes the other."""
    with tempfile.NamedTemporaryFile(suffix=".tar", dir=run.home) as packed:
        packed.write(oci.tar(home() / "pause"))
        packed.flush()
        containerd.ctr(run, "images", "import", packed.name)
    words = ["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"]
    image = f"docker://{registry.address(run)}/rig/python:latest"
    system.run(system.program("skopeo", "skopeo"), *words, f"oci:{home() / 'python'}:latest", image)


def exports(run):
    """What a pod can be made of at once."""
    digest = oci.digest(home() / "python")
    return {"MLP_RIG_IMAGE": f"{registry.address(run)}/rig/python@{digest}"}
