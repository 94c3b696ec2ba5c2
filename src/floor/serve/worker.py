"""Serves one model over HTTP on loopback: `python3 worker.py module:Class`, or `--mlmodel` for MLflow's directories.

The class has `load(path)` (a class or static method that returns the object to serve) and `predict(rows)` on
that object: a list of dicts in, a list of the same length out. Calls of `predict` come one at a time;
replicas are the unit of parallelism. Only the standard library is used, and `mlflow` for its own directories.

Environment: MLP_PORT, MLP_MODEL (directory of the model), MLP_CODE (put first on the module path),
MLP_REQUEST_TIMEOUT_MS (a prediction that runs longer makes the worker report itself as stuck).
Exit codes: 3 the model cannot be loaded, 4 the port is taken.
"""

import errno
import importlib
import inspect
import json
import os
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def refuse(code, message):
    sys.stdout.flush()
    print("mlp worker: " + message, file=sys.stderr, flush=True)
    os._exit(code)


class Model:
    """The loaded object, with at most one prediction at a time."""

    def __init__(self, served, stuck_after):
        self.served = served
        self.stuck_after = stuck_after
        self.lock = threading.Lock()
        self.busy_since = None

    def predict(self, rows):
        with self.lock:
            self.busy_since = time.monotonic()
            try:
                result = self.served.predict(rows)
            finally:
                self.busy_since = None
        if hasattr(result, "tolist"):
            result = result.tolist()
        if not isinstance(result, (list, tuple)):
            raise TypeError("predict returned %s, not a list" % type(result).__name__)
        if len(result) != len(rows):
            raise ValueError("predict returned %d predictions for %d rows" % (len(result), len(rows)))
        # Bytes are made here: a value that JSON cannot carry is an error of the class, not half a response.
        return json.dumps({"predictions": list(result)}, allow_nan=False, default=as_plain).encode()

    def stuck(self):
        since = self.busy_since
        return since is not None and time.monotonic() - since > self.stuck_after


def as_plain(value):
    """Scalars and arrays of numeric libraries know how to become plain values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError("a prediction of type %s cannot be written as JSON" % type(value).__name__)


def describe(error):
    text = str(error)
    return "%s: %s" % (type(error).__name__, text) if text else type(error).__name__


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet a response, at once: otherwise the delayed acknowledgement of the peer costs 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    model = None

    def do_GET(self):
        if self.path != "/healthz":
            self.answer(404, {"error": "unknown path"})
        elif self.model.stuck():
            self.answer(503, {"error": "a prediction does not end"})
        else:
            self.answer(200, {"status": "ok"})

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if length is None or not length.isdigit():
            self.close_connection = True
            self.answer(411, {"error": "a Content-Length is needed"})
            return
        body = self.rfile.read(int(length))
        if self.path != "/predict":
            self.answer(404, {"error": "unknown path"})
            return
        try:
            rows = json.loads(body)["rows"]
            if not isinstance(rows, list):
                raise TypeError("rows is not a list")
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"error": describe(error)})
            return
        try:
            answer = self.model.predict(rows)
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            self.answer(500, {"error": describe(error)})
            return
        self.send(200, answer)

    def answer(self, status, value):
        self.send(status, json.dumps(value).encode())

    def send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests are counted by the router; the log is for the class."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    # A port in use must be refused, not shared.
    allow_reuse_port = False

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def load(target, path):
    module_name, separator, class_name = target.partition(":")
    if not separator or not module_name or not class_name:
        refuse(3, "`%s` is not of the form module:Class" % target)
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:
        traceback.print_exc()
        refuse(3, "module `%s` cannot be imported: %s" % (module_name, describe(error)))
    served = module
    for part in class_name.split("."):
        served = getattr(served, part, None)
        if served is None:
            refuse(3, "module `%s` has no class `%s`" % (module_name, class_name))
    for method in ("load", "predict"):
        if not callable(getattr(served, method, None)):
            refuse(3, "class `%s` has no method `%s`" % (target, method))
    # A class or static method gives the object to serve; an ordinary method fills an object that is made first.
    ordinary = inspect.isclass(served) and inspect.isfunction(inspect.getattr_static(served, "load"))
    try:
        holder = served() if ordinary else served
        loaded = holder.load(path)
    except BaseException as error:
        traceback.print_exc()
        refuse(3, "`%s.load` failed: %s" % (class_name, describe(error)))
    if ordinary and loaded is None:
        loaded = holder
    if not callable(getattr(loaded, "predict", None)):
        kind = type(loaded).__name__
        refuse(3, "`%s.load` returned %s, which has no method `predict`" % (class_name, kind))
    return loaded


class Mlmodel:
    """A model directory of MLflow, by the flavour it has: `python_function`, else `sklearn`."""

    def __init__(self, model, frame):
        self.model = model
        self.frame = frame

    @classmethod
    def load(cls, path):
        try:
            from mlflow.models import Model as Description
        except ImportError as error:
            refuse(3, "an MLmodel directory is served by `mlflow`, which %s does not have (%s): add `mlflow`, "
                   "or `mlflow-skinny` with what the model needs, to the runtime" % (sys.executable, error))
        flavours = Description.load(path).flavors
        if "python_function" in flavours:
            import mlflow.pyfunc as flavour
        elif "sklearn" in flavours:
            import mlflow.sklearn as flavour
        else:
            raise ValueError("its flavours are %s, and `python_function` or `sklearn` is needed"
                             % (", ".join(sorted(flavours)) or "none"))
        try:
            from pandas import DataFrame
        except ImportError:
            DataFrame = list
        return cls(flavour.load_model(path), DataFrame)

    def predict(self, rows):
        result = self.model.predict(self.frame(rows))
        if hasattr(result, "to_dict") and hasattr(result, "columns"):
            return result.to_dict(orient="records")
        return result


def load_mlmodel(path):
    try:
        return Mlmodel.load(path)
    except BaseException as error:
        traceback.print_exc()
        refuse(3, "the MLmodel directory cannot be loaded: %s" % describe(error))


def end_with_parent():
    """Standard input is held open by the supervisor: its end is the end of the supervisor."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os._exit(0)


def main():
    if len(sys.argv) != 2:
        refuse(3, "usage: worker.py (module:Class | --mlmodel)")
    threading.Thread(target=end_with_parent, daemon=True).start()
    # The folder of this file is none of the class's business; its code is.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.environ["MLP_CODE"]] + [entry for entry in sys.path if entry != here]
    stuck_after = int(os.environ.get("MLP_REQUEST_TIMEOUT_MS", "30000")) / 1000.0
    target, path = sys.argv[1], os.environ["MLP_MODEL"]
    Handler.model = Model(load_mlmodel(path) if target == "--mlmodel" else load(target, path), stuck_after)
    try:
        server = Server(("127.0.0.1", int(os.environ["MLP_PORT"])), Handler)
    except OSError as error:
        refuse(4 if error.errno == errno.EADDRINUSE else 3, "cannot listen: %s" % describe(error))
    server.serve_forever()


if __name__ == "__main__":
    main()
