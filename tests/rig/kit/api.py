"""Just enough of a client of the API server."""

import http.client
import json
import ssl
import urllib.parse

from kit.talk import Refused


class Api:
    """Speaks to an API server as the administrator."""

    def __init__(self, host, port, authority):
        self.host, self.port = host, port
        self.context = ssl.create_default_context(cafile=str(authority.certificate))
        self.context.load_cert_chain(authority.path("admin", "crt"), authority.path("admin", "key"))

    def ask(self, method, path, body=None, kind="application/json"):
        """Status and text of an answer; status 0 when there is none."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": kind} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def get(self, path):
        """An object, or None when it is not there."""
        status, text = self.ask("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise Refused(f"GET {path}: {status} {text[:500]}")
        return json.loads(text)

    def apply(self, path, document):
        """Server-side apply of one object: a dictionary, or YAML as it is written."""
        body = document if isinstance(document, str) else json.dumps(document)
        query = urllib.parse.urlencode({"fieldManager": "mlp-rig", "force": "true"})
        status, text = self.ask("PATCH", f"{path}?{query}", body.encode(), "application/apply-patch+yaml")
        if status not in (200, 201):
            raise Refused(f"apply {path}: {status} {text[:500]}")
        return json.loads(text)

    def patch_status(self, path, status):
        """Sets an object's status."""
        body = json.dumps({"status": status}).encode()
        code, text = self.ask("PATCH", f"{path}/status", body, "application/merge-patch+json")
        if code != 200:
            raise Refused(f"status of {path}: {code} {text[:500]}")


def condition(seen, name):
    """Whether a condition of an object holds."""
    conditions = (seen or {}).get("status", {}).get("conditions") or []
    return any(one["type"] == name and one["status"] == "True" for one in conditions)
