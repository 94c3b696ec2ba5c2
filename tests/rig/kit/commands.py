"""The commands: build, up, env, restart, status, down."""

import argparse
import hashlib
import os
import pathlib
import shlex
import shutil
import signal

from kit import system
from kit.cache import CACHE, locked
from kit.run import Run, default_home
from kit.talk import Refused, elapsed, say
from parts import PARTS, chosen, extras


def main(words):
    """Runs one command; the exit code."""
    given = parser().parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        given.work(given)
    except Refused as refused:
        say(str(refused))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0


def parser():
    """What a person may write."""
    top = argparse.ArgumentParser("rig", description="A Kubernetes cluster on this machine, for the tests.")
    commands = top.add_subparsers(required=True, metavar="command")

    def command(name, work, words):
        made = commands.add_parser(name, help=words, description=words)
        made.set_defaults(work=work)
        if work is not build:
            made.add_argument("--run", type=lambda word: pathlib.Path(word).resolve(), default=default_home(),
                              metavar="DIR", help="directory of this run (default: %(default)s)")
        return made

    named_parts = {"nargs": "*", "metavar": "part", "help": f"extra parts: {' '.join(extras())}"}
    one = command("build", build, "Build what is not in the cache yet.")
    one.add_argument("--pretend", action="store_true", help="only what the level without root needs")
    one.add_argument("extras", **named_parts)
    one = command("up", up, "Start a cluster, or say that it runs.")
    one.add_argument("--pretend", action="store_true", help="without root: nodes and pods only pretend")
    one.add_argument("extras", **named_parts)
    command("env", env, "Print what a shell needs to use it: eval \"$(tests/rig/rig env)\".")
    command("status", status, "List its processes; exit code 1 unless all run.")
    one = command("restart", restart, "End one of its processes and start it again as it was.")
    one.add_argument("--kill", action="store_true", help="without asking it to end first")
    one.add_argument("process")
    command("down", down, "End its processes and wipe its data.")
    return top


def named(given):
    """The extra parts that were asked for."""
    unknown = set(given.extras) - set(extras())
    if unknown:
        known = ", ".join(extras()) or "none"
        raise Refused(f"no extra part is called {', '.join(sorted(unknown))}; there are: {known}")
    return sorted(set(given.extras))


def build(given):
    """Builds the parts of a level; without a word, those of both that need no root to be built."""
    levels = ["pretend"] if given.pretend else ["pretend", "real"]
    wanted = named(given)
    for part in PARTS:
        if any(part in chosen(level, wanted) for level in levels):
            part.build()
    say(f"built, in {CACHE} ({elapsed()})")


def up(given):
    """Starts what does not run."""
    level = "pretend" if given.pretend else "real"
    if level == "real" and os.getuid() != 0:
        raise Refused("real pods need root; `rig up --pretend` does without")
    wanted = named(given)
    with lock(given.run):
        run = Run(given.run)
        if whole(run):
            if run.level != level or not set(wanted) <= set(run.settings["extras"]):
                raise Refused(f"another cluster runs in {given.run}: {described(run)}; `rig down` ends it, "
                              "`--run DIR` starts one beside it")
            say(f"runs already; its directory is {given.run}")
            return
        if run.settings:
            say("what is left of an earlier run is removed first")
            remove(run)
            run = Run(given.run)
        begin(run, level, wanted)


def whole(run):
    """Whether all of it was started, and still runs."""
    return run.settings.get("ready") and all(run.processes.alive(record) for record in run.processes.all())


def described(run):
    """What it is, in words."""
    return " with ".join([run.level, ", ".join(run.settings["extras"])]).removesuffix(" with ")


def begin(run, level, wanted):
    """Starts all parts, and takes everything back when one does not start."""
    parts = chosen(level, wanted)
    for part in parts:
        getattr(part, "check", lambda: None)()
    run.make(level, wanted)
    try:
        for part in parts:
            part.start(run)
            say(f"{part.NAME} ({elapsed()})")
    except BaseException:
        # Who is impatient twice must not keep what was started from being ended.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say(f"it did not start; the logs are kept in {keep_logs(run)}")
        remove(run)
        raise
    run.keep(ready=True)
    say(f"up in {elapsed()}; eval \"$(tests/rig/rig env)\" sets KUBECONFIG")


def keep_logs(run):
    """Copies the logs of a run that failed to a place that stays."""
    kept = run.home.with_name(f"{run.home.name}-failed-logs")
    shutil.rmtree(kept, ignore_errors=True)
    if run.processes.logs.is_dir():
        shutil.copytree(run.processes.logs, kept)
    return kept


def env(given):
    """Prints shell lines."""
    run = Run(given.run)
    if not run.settings.get("ready"):
        raise Refused(f"no cluster runs in {given.run}; `rig up` starts one")
    known = {"MLP_RIG_LEVEL": run.level, "MLP_RIG_RUN": str(run.home)}
    for part in chosen(run.level, run.settings["extras"]):
        known.update(getattr(part, "exports", lambda _: {})(run))
    for name, value in known.items():
        print(f"export {name}={shlex.quote(value)}")


def status(given):
    """Lists processes."""
    run = Run(given.run)
    records = run.processes.all()
    for record in records:
        alive = "runs" if run.processes.alive(record) else "ended"
        print(f"{record['name']:<20} {record['pid']:>8}  {alive}")
    if not run.settings.get("ready"):
        raise Refused(f"no cluster runs in {given.run}")
    if not whole(run):
        raise Refused("not all of it runs; the logs are in " + str(run.processes.logs))


def restart(given):
    """What a crash or an upgrade does to one process; it does not wait until it answers again."""
    run = Run(given.run)
    record = run.processes.record(given.process)
    if not record:
        known = ", ".join(one["name"] for one in run.processes.all()) or "none"
        raise Refused(f"no process is called {given.process}; there are: {known}")
    run.processes.end(record, hard=given.kill)
    run.processes.start(record["name"], record["words"], record["environment"])
    say(f"{given.process} was restarted")


def down(given):
    """Ends it all."""
    with lock(given.run):
        run = Run(given.run)
        if not run.settings:
            say(f"nothing runs in {given.run}")
            return
        remove(run)
    say(f"down ({elapsed()})")


def remove(run):
    """Ends part after part, last started first, and wipes the data; a fault of one keeps no other from it."""
    faults = []
    for part in reversed(chosen(run.level, run.settings["extras"])):
        for step in (getattr(part, "leave", nothing), end_process(part), getattr(part, "wipe", nothing)):
            try:
                step(run)
            except (OSError, Refused) as fault:
                faults.append(f"{part.NAME}: {fault}")
    if faults:
        raise Refused("\n".join([f"not all of it could be removed, so {run.home} stays:", *faults]))
    for folder in run.settings.get("borrowed", []):
        system.unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(run.home)


def nothing(_run):
    """What a part does that has nothing to do."""


def end_process(part):
    """Ends the process of a part."""
    def end(run):
        record = run.processes.record(part.NAME)
        if record:
            run.processes.end(record)
    return end


def lock(home):
    """Keeps two commands from the same run."""
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return locked(CACHE / "locks" / name)
