"""A small hub on the loopback: create, preupload, commit, LFS batch, tree and resolve.

It speaks as much of the Hub's documented HTTP interface as a push and a load need, and keeps what
it gets in memory.
"""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

COMMIT = "0" * 39 + "1"


class HubServer(ThreadingHTTPServer):
    """Files by repository and path, and LFS objects by their hash."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, code: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: object, code: int = 200) -> None:
        self._send(code, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def do_POST(self) -> None:
        path, body = urlparse(self.path).path, self._body()
        if path == "/api/repos/create":
            request = json.loads(body)
            name = "/".join(
                filter(None, [request.get("organization") or "tester", request["name"]])
            )
            self.server.repositories.setdefault(name, {})
            self._json({"url": f"{self.server.url}/{name}", "name": name, "id": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            self._json(
                {
                    "files": [
                        {
                            "path": f["path"],
                            "uploadMode": "lfs"
                            if f["path"].endswith(".safetensors")
                            else "regular",
                            "shouldIgnore": False,
                            "oid": None,
                        }
                        for f in files
                    ]
                }
            )
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    "oid": o["oid"],
                    "size": o["size"],
                    "actions": {"upload": {"href": f"{self.server.url}/objects/{o['oid']}"}},
                }
                for o in json.loads(body)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            name = "/".join(path.split("/")[3:5])
            for line in body.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    content = base64.b64decode(value["content"])
                    self.server.repositories[name][value["path"]] = content
                elif entry["key"] == "lfsFile":
                    content = self.server.objects[value["oid"]]
                    self.server.repositories[name][value["path"]] = content
            url = f"{self.server.url}/{name}/commit/{COMMIT}"
            self._json({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self._json({"error": f"not served: POST {path}"}, 404)

    def do_PUT(self) -> None:
        content = self._body()
        self.server.objects[hashlib.sha256(content).hexdigest()] = content
        self._send(200)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = unquote(urlparse(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "whoami-v2"]:
            return self._json({"name": "tester", "type": "user", "orgs": []})
        if parts[:2] == ["api", "models"]:
            files = self.server.repositories.get("/".join(parts[2:4]))
            if files is None:
                return self._json({"error": "not found"}, 404)
            if "tree" in parts:
                tree = [
                    {"type": "file", "path": p, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                    for p, c in files.items()
                ]
                return self._json(tree)
            name = "/".join(parts[2:4])
            siblings = [{"rfilename": p} for p in files]
            return self._json({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings})
        if len(parts) > 4 and parts[2] == "resolve":
            content = self.server.repositories.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))
            if content is None:
                return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self._send(200, content, {"ETag": etag, "X-Repo-Commit": COMMIT})
        return self._json({"error": f"not served: GET {self.path}"}, 404)
