"""Written by mlp for one attempt of a step: refuses files of the project that the step does not declare."""


def _guard(project, allowed, report):
    import os
    import sys

    if not hasattr(sys, "addaudithook"):
        return
    allowed = list(allowed) + [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    allowed = [os.path.realpath(path) for path in allowed]
    project = os.path.realpath(project)
    real, fspath, fsdecode, sep = os.path.realpath, os.fspath, os.fsdecode, os.sep
    # The places of paths among the arguments of an event.
    events = {
        "open": (0,),
        "os.mkdir": (0,),
        "os.remove": (0,),
        "os.rmdir": (0,),
        "os.rename": (0, 1),
        "os.link": (0, 1),
        "os.symlink": (1,),
        "os.truncate": (0,),
        "os.chmod": (0,),
        "sqlite3.connect": (0,),
    }
    listings = ("os.listdir", "os.scandir")

    def beneath(path, directory):
        return path == directory or path.startswith(directory if directory.endswith(sep) else directory + sep)

    def outside(path):
        """The path below the project, where it is undeclared."""
        if path is None or isinstance(path, int):
            return None
        try:
            path = fsdecode(fspath(path))
        except TypeError:
            return None
        if path.startswith("file:"):
            path = path[5:].split("?", 1)[0]
        path = real(path)
        if not beneath(path, project) or any(beneath(path, one) for one in allowed):
            return None
        return path[len(project) :].lstrip(sep) or "."

    def writes(event, args):
        if event != "open":
            return event != "sqlite3.connect"
        mode, flags = args[1], args[2]
        if isinstance(mode, str):
            return any(letter in mode for letter in "wax+")
        return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))

    def hook(event, args):
        places = events.get(event)
        if places is None:
            if event in listings and args and outside(args[0]) is not None:
                raise PermissionError(13, "the step does not declare this directory of the project", str(args[0]))
            return
        for place in places:
            found = outside(args[place]) if place < len(args) else None
            if found is None:
                continue
            word = "write" if writes(event, args) else "read"
            handle = os.open(report, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, (word + " " + found + "\n").encode("utf-8", "surrogateescape"))
            finally:
                os.close(handle)
            raise PermissionError(13, "mlp: the step does not declare that it would " + word + " this file", found)

    sys.addaudithook(hook)


def _next():
    """Runs the sitecustomize that this one stands before, if there is any."""
    import os
    import sys
    from importlib.machinery import PathFinder

    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if os.path.abspath(path) != here])
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        spec.loader.exec_module(module_from_spec(spec))


_guard(@PROJECT@, @ALLOWED@, @REPORT@)
_next()
