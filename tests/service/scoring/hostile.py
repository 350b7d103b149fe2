"""A tracking server that may mean harm: answers as MLflow's would, from a dict of files, and can
redirect, dribble or never end."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = "mlflow-artifacts:/1/models/m-1/artifacts"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class TrackingServer:
    """What the server says; tests change it while it runs.

    `files` are the artifact's by their path below it, `uri` is where it says they lie. `instead`
    answers a path in another way, `drip_seconds` is the pause before each byte.
    """

    url: str = ""
    version: int = 7
    uri: str = ROOT
    files: Mapping[str, bytes] = field(default_factory=dict)
    instead: Callable[[str], Answer | None] = lambda path: None
    drip_seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def answer(self, path: str, query: Mapping[str, list[str]]) -> Answer:
        other = self.instead(path)
        if other is not None:
            return other
        if path.endswith("/registered-models/alias"):
            return _json({"model_version": {"name": "winnable", "version": str(self.version)}})
        if path.endswith("/model-versions/get-download-uri"):
            return _json({"artifact_uri": self.uri})
        if path.endswith("/experiments/search"):  # MLflow's client asks before anything else
            return _json({"experiments": []})
        if path.endswith("/registered-models/get"):
            return _json({"registered_model": {"name": "winnable"}})
        if path == _FILES:
            return _json({"files": self._below(query["path"][0])})
        root = f"{_FILES}/{urlsplit(self.uri).path.lstrip('/')}/"
        content = self.files.get(path.removeprefix(root))
        if content is None:
            return 404, {}, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}'
        return 200, {}, content

    def _below(self, folder: str) -> list[dict[str, object]]:
        """MLflow's listing of one folder."""
        below = folder.removeprefix(urlsplit(self.uri).path.lstrip("/")).strip("/")
        prefix = f"{below}/" if below else ""
        names = [path.removeprefix(prefix) for path in self.files if path.startswith(prefix)]
        folders = {name.split("/")[0] for name in names if "/" in name}
        return [
            *({"path": name, "is_dir": True} for name in sorted(folders)),
            *({"path": name, "is_dir": False} for name in names if "/" not in name),
        ]


def _json(data: object) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(data).encode()


@contextmanager
def tracking_server(**settings: object) -> Iterator[TrackingServer]:
    """The server on a free port, until the block ends."""
    says = TrackingServer(**settings)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            says.asked.append(path)
            says.tokens.append(self.headers.get("Authorization"))
            status, headers, content = says.answer(path, parse_qs(parts.query))
            head = f"HTTP/1.0 {status} Well\r\nContent-Length: {len(content)}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            whole = head.encode() + b"\r\n" + content
            pieces = [whole] if not says.drip_seconds else [bytes([byte]) for byte in whole]
            try:
                for piece in pieces:
                    time.sleep(says.drip_seconds)
                    self.wfile.write(piece)
            except OSError:
                pass  # whoever asked has gone

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    says.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield says
    finally:
        server.shutdown()
        server.server_close()
