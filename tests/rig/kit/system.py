"""Programs and settings of the machine that the level with root needs."""

import pathlib
import shutil
import subprocess

from kit.talk import Refused

# Daemons lie where the search path of a person may not lead.
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program(name, package):
    """The path of an installed program."""
    found = shutil.which(name) or shutil.which(name, path=PATHS)
    if not found:
        raise Refused(f"missing: {name}; on Debian: apt-get install --no-install-recommends {package}")
    return found


def run(*words, quiet=False, **more):
    """Runs a program to its end; what it printed."""
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    if ended.returncode and not quiet:
        raise Refused(f"{' '.join(map(str, words))}: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout


def mounts(folder):
    """What is mounted below a folder, innermost first."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    # Spaces and the like are written as octal numbers there.
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=len, reverse=True)


def unmount(folder):
    """Unmounts all of it, so that deleting the folder deletes nothing else."""
    for point in mounts(folder):
        run(program("umount", "mount"), point, quiet=True)
    for point in mounts(folder):
        run(program("umount", "mount"), "--lazy", point, quiet=True)
    left = mounts(folder)
    if left:
        raise Refused(f"cannot be unmounted, so nothing is deleted: {', '.join(left)}")


def processes():
    """All processes: the id of each, its parent's, and its arguments."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            # The program's name may hold spaces and parentheses; what follows the last of them does not.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append((int(folder.name), parent, words))
    return found


def families(word):
    """Ids of the processes one of whose arguments is this, and of all that descend from them."""
    everyone = processes()
    found = [pid for pid, _, words in everyone if word in words]
    for ancestor in found:
        found += [pid for pid, parent, _ in everyone if parent == ancestor and pid not in found]
    return found
