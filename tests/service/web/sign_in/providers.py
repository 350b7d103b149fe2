"""Identity providers that run here: a real one from PyPI, and one that can mean harm."""

import hashlib
import hmac
import json
import secrets
import subprocess
import sys
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.service.conftest import free_port, until

CLIENT, SECRET = "winnable", "a secret: 100% kept+safe"
BASIC = "Basic " + b64encode(b"winnable:a%20secret%3A%20100%25%20kept%2Bsafe").decode()
KIM = {"sub": "u-1", "email": "kim@example.com", "groups": ["sales"]}
KEY = RSAKey.generate_key(2048, {"kid": "k-1"})
Handler = BaseHTTPRequestHandler


@contextmanager
def oidc_provider_mock(
    log: Path, *users: Mapping[str, Any], options: tuple[str, ...] = ()
) -> Iterator[str]:
    """The issuer of a provider made with authlib (PyPI: oidc-provider-mock), until the block
    ends."""
    port = free_port()
    claims = [word for user in users for word in ("--user-claims", json.dumps(user))]
    words = ["--port", str(port), "--host", "127.0.0.1", *claims, *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", *words], stdout=out, stderr=out
        )
    issuer = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(issuer))
        yield issuer
    finally:
        process.kill()
        process.wait(30)


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=5).is_success
    except httpx.TransportError:
        return False


@dataclass
class Provider:
    """What the provider does; tests change it while it runs.

    `claims` are put into each ID token, `forget` left out of it, `sign` makes the token of claims,
    `back` goes into the answer that the browser brings, `metadata` into what it says of itself,
    `instead` answers a path in another way. It insists on PKCE, the secret, and codes used once.
    """

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: dict(KIM))
    forget: set[str] = field(default_factory=set)
    sign: Callable[[dict[str, Any]], str] = field(default_factory=lambda: signed)
    back: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    instead: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def describes(self) -> dict[str, Any]:
        places = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/jwks",
        }
        named = {name: self.issuer + path for name, path in places.items()}
        return {"issuer": self.issuer, **named, **self.metadata}

    def authorizes(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        self.asked.append(asked)
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], **self.back}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def tokens(self, sent: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The status and the body of the answer to a code."""
        asked = self.codes.pop(sent.get("code", ""), None)
        challenge = _base64(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        if asked is None or (asked["code_challenge"], asked["code_challenge_method"]) != (
            challenge,
            "S256",
        ):
            return 400, {"error": "invalid_grant"}
        if authorization != BASIC:
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if name not in self.forget}
        return 200, {"token_type": "Bearer", "access_token": "x", "id_token": self.sign(kept)}


def signed(claims: dict[str, Any], key: RSAKey = KEY, **header: str) -> str:
    return jwt.encode({"alg": "RS256", "kid": "k-1", **header}, claims, key)


def unsigned(claims: dict[str, Any]) -> str:
    return f"{_parts({'alg': 'none', 'typ': 'JWT'}, claims)}."


def signed_by_secret(claims: dict[str, Any], secret: bytes) -> str:
    """By hand, since no library takes a public key for a secret."""
    content = _parts({"alg": "HS256", "typ": "JWT", "kid": "k-1"}, claims)
    return f"{content}.{_base64(hmac.digest(secret, content.encode(), 'sha256'))}"


def _parts(*parts: object) -> str:
    return ".".join(_base64(json.dumps(part).encode()) for part in parts)


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@contextmanager
def provider(**settings: Any) -> Iterator[Provider]:
    """The provider on a free port, until the block ends."""
    says = Provider(**settings)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            says.paths.append(parts.path)
            if parts.path in says.instead:
                says.instead[parts.path](self)
            elif parts.path == "/authorize":
                send(self, 302, b"", Location=says.authorizes(dict(parse_qsl(parts.query))))
            elif parts.path == "/jwks":
                send_json(self, 200, {"keys": [KEY.as_dict(private=False)]})
            else:
                send_json(self, 200, says.describes())

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            path = urlsplit(self.path).path
            says.paths.append(path)
            if path in says.instead:
                says.instead[path](self)
            else:
                authorization = self.headers.get("Authorization", "")
                send_json(self, *says.tokens(dict(parse_qsl(sent)), authorization))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    says.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield says
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: Handler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def send_json(handler: Handler, status: int, content: object) -> None:
    send(handler, status, json.dumps(content).encode(), Content_Type="application/json")


def redirects_to(address: str) -> Callable[[Handler], None]:
    return lambda handler: send(handler, 307, b"", Location=address)


def endless(handler: Handler) -> None:
    """A body that never ends, as fast as it is taken."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b'{"a": "' + b"x" * 65536)
    except OSError:  # cut
        pass


def dripping(handler: Handler) -> None:
    """A byte now and then, so that no timeout of a socket ends it."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.5)
    except OSError:
        pass
