"""Programs built from the Go modules of `go/`, kept under `$HOME/.cache/mlp-rig`, keyed by version."""

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import time

from kit.talk import Refused, say

HERE = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("MLP_RIG_CACHE") or pathlib.Path.home() / ".cache" / "mlp-rig")


def go():
    """The Go program."""
    found = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not found:
        raise Refused("missing: Go 1.26 or later (https://go.dev/dl); put its `bin` on the PATH")
    return found


class Module:
    """A folder of `go/`: a module that requires what is built, in one version, with its checksums."""

    def __init__(self, name, requires, programs, stamp=""):
        """`programs` are the packages to build, by the program's name; `stamp` is what the linker sets."""
        self.folder = HERE / "go" / name
        self.name, self.requires, self.programs, self.stamp = name, requires, programs, stamp

    def version(self):
        """The version of what is built."""
        text = (self.folder / "go.mod").read_text()
        found = re.search(rf"^\s*(?:require )?{re.escape(self.requires)} (v\S+)", text, re.MULTILINE)
        if not found:
            raise Refused(f"go/{self.name}/go.mod does not require {self.requires}")
        return found[1]

    def home(self):
        """Where its programs lie. Anything else in its folder, or another stamp, is another place."""
        digest = hashlib.sha256(self.linker().encode())
        for part in sorted(self.folder.iterdir()):
            digest.update(part.read_bytes())
        return CACHE / f"{self.name}-{self.version()}-{digest.hexdigest()[:8]}"

    def program(self, name):
        """The path of a program that is built."""
        path = self.home() / name
        if not path.is_file():
            raise Refused(f"{name} is not built; run `tests/rig/rig build` first")
        return str(path)

    def linker(self):
        """The linker's flags."""
        version = self.version()
        return f"-s -w {self.stamp.format(version=version, minor=version.split('.')[1])}".strip()

    def source(self):
        """The folder of the module's own sources."""
        said = self.run_go("list", "-m", "-f", "{{.Dir}}", self.requires, capture=True)
        return pathlib.Path(said.strip())

    def run_go(self, *words, capture=False):
        """Runs Go in the module's folder."""
        flags = "-mod=readonly -trimpath -buildvcs=false"
        environment = dict(os.environ, CGO_ENABLED="0", GOFLAGS=flags, GOWORK="off")
        pipe = subprocess.PIPE if capture else None
        ended = subprocess.run([go(), *words], cwd=self.folder, env=environment, text=True, stdout=pipe)
        if ended.returncode:
            raise Refused(f"`go {' '.join(words)}` failed in {self.folder}")
        return ended.stdout

    def build(self, only=None):
        """Builds what is not there yet: all programs, or those named."""
        home = self.home()
        home.mkdir(parents=True, exist_ok=True)
        for name in only or self.programs:
            target = home / name
            with locked(home / ".lock"):
                if target.is_file():
                    continue
                say(f"building {name} {self.version()} …")
                began, half = time.monotonic(), home / f".{name}.half"
                self.run_go("build", "-ldflags", self.linker(), "-o", str(half), self.programs[name])
                half.rename(target)
                megabytes = target.stat().st_size / 1e6
                say(f"built {name} in {time.monotonic() - began:.0f} s, {megabytes:.0f} MB")


class locked:
    """Holds a file's lock: two rigs may be built or started at the same time."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "w", encoding="utf-8")

    def __enter__(self):
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()
