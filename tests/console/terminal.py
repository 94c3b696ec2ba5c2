"""Talks with `mlp console` on a terminal of its own: terminal.py PROGRAM DIRECTORY."""

import os
import pty
import re
import select
import sys
import time

PROGRAM, DIRECTORY = sys.argv[1:3]


class Terminal:
    def __init__(self):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(DIRECTORY)
            environment = {"HOME": DIRECTORY, "TERM": "xterm", "PATH": os.environ["PATH"], "COLUMNS": "100"}
            os.execve(PROGRAM, [PROGRAM, "console", "-e", "local"], environment)
        self.seen = ""

    def read(self, seconds):
        ready, _, _ = select.select([self.file], [], [], seconds)
        if not ready:
            return True
        try:
            part = os.read(self.file, 4096)
        except OSError:
            return False
        self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", part.decode(errors="replace"))
        return bool(part)

    def until(self, words):
        """Waits for words, and forgets what stood before their end."""
        began = time.time()
        while words not in self.seen:
            if not self.read(0.1) or time.time() - began > 60:
                raise AssertionError(f"{words!r} did not come: {self.seen!r}")
        self.seen = self.seen[self.seen.index(words) + len(words) :]

    def type(self, text):
        os.write(self.file, text.encode())

    def end(self):
        while self.read(5):
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


terminal = Terminal()
terminal.until("environment.local")
terminal.until("> ")
terminal.type("var.size + 1\r")
terminal.until("\n3\r")
terminal.until("> ")
# What is open goes on in the next line.
terminal.type("[for n in local.names :\r")
terminal.type('upper(n)]\r')
terminal.until('"A",')
terminal.until("> ")
# A mistake does not end it.
terminal.type("var.siz\r")
terminal.until("did you mean `var.size`")
terminal.until("> ")
# Tab completes what can be named.
terminal.type("var.si\t\r")
terminal.until("\n2\r")
terminal.until("> ")
# The line above comes back.
terminal.type("\x1b[A * 10\r")
terminal.until("\n20\r")
terminal.until("> ")
# What is half written is thrown away, and the end of the input ends it.
terminal.type("nonsense(\x03")
terminal.until("> ")
terminal.type("\x04")
code = terminal.end()
assert code == 0, code

# Another time it still knows what was asked.
assert os.path.exists(os.path.join(DIRECTORY, ".local/state/mlp/console_history"))
terminal = Terminal()
terminal.until("> ")
terminal.type("\x1b[A\r")
terminal.until("\n20\r")
terminal.until("> ")
terminal.type("exit\r")
code = terminal.end()
assert code == 0, code
print("all ok")
