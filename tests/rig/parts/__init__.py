"""What the cluster is made of: a file each, and its line here, in the order of their start.

A part has `NAME`, which is also its process's, `LEVELS` (where it takes part), `build()` and `start(run)`.
Where they are needed it has `check()` (refuses before anything is started), `exports(run)` (what users of the
cluster must know), `leave(run)` (before its process is ended) and `wipe(run)` (after). With `EXTRA = True` it is
there only when it is named.
"""

from parts import (
    apiserver,
    containerd,
    controllers,
    dns,
    etcd,
    images,
    jobset,
    kserve,
    kubelet,
    kueue,
    kwok,
    network,
    proxy,
    registry,
    scheduler,
)

PARTS = [
    network,
    etcd,
    apiserver,
    controllers,
    scheduler,
    kwok,
    registry,
    containerd,
    images,
    kubelet,
    proxy,
    dns,
    jobset,
    kueue,
    kserve,
]


def extra(part):
    """Whether a part is there only when it is named."""
    return getattr(part, "EXTRA", False)


def chosen(level, extras):
    """The parts of a level, with the extra ones that are named."""
    return [part for part in PARTS if level in part.LEVELS and (not extra(part) or part.NAME in extras)]


def extras():
    """Names of all extra parts."""
    return [part.NAME for part in PARTS if extra(part)]
