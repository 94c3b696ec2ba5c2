"""Processes that the rig starts, remembered with what tells them from others, and ended by id."""

import json
import os
import pathlib
import signal
import subprocess
import time

from kit.talk import Refused

# How long a process may take to end before it is killed.
PATIENCE = 15


def began(pid):
    """When a process began, in ticks since the machine did; None when there is none, or only its remains."""
    try:
        # The program's name may hold spaces and parentheses; what follows the last of them does not.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


class Processes:
    """Those of one run: a file each, in the order of their start."""

    def __init__(self, home):
        self.records, self.logs = home / "processes", home / "logs"

    def start(self, name, words, environment=None):
        """Starts a process in a session of its own; what it says goes to its log."""
        self.records.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in words]
        with open(self.logs / f"{name}.log", "ab") as log:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                cwd=self.records.parent, env=dict(os.environ, **(environment or {})),
            )
        record = {
            "name": name, "pid": child.pid, "began": began(child.pid), "at": time.time_ns(),
            "words": words, "environment": environment or {},
        }
        old = self.record(name)
        if old:
            # A restarted one keeps its place in the order.
            record["at"] = old["at"]
        half = self.records / f".{name}"
        half.write_text(json.dumps(record))
        half.rename(self.records / f"{name}.json")

    def record(self, name):
        """What is remembered of one."""
        path = self.records / f"{name}.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def all(self):
        """All that were started, oldest first."""
        found = [json.loads(path.read_text()) for path in self.records.glob("*.json")]
        return sorted(found, key=lambda record: record["at"])

    def alive(self, record):
        """Whether it is still this very process that has the id."""
        return record["began"] is not None and began(record["pid"]) == record["began"]

    def end(self, record, hard=False):
        """Ends one: asks, waits, and kills."""
        for sign, patience in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
            if hard and sign == signal.SIGTERM:
                continue
            if not self.alive(record):
                return
            os.kill(record["pid"], sign)
            until = time.monotonic() + patience
            while self.alive(record) and time.monotonic() < until:
                reap(record["pid"])
                time.sleep(0.02)
        if self.alive(record):
            raise Refused(f"{record['name']} (process {record['pid']}) does not end")

    def tail(self, name, lines=15):
        """The last lines that one said."""
        path = self.logs / f"{name}.log"
        text = path.read_text(errors="replace") if path.is_file() else ""
        return "\n".join(text.splitlines()[-lines:])


def reap(pid):
    """Takes leave of an ended child, when it is one of this very command."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
