"""The proxies of the guide, nginx and Caddy, run as its recipes say before a service."""

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import Live, free_port, until

GUIDE = Path(__file__).resolve().parents[2] / "src" / "winnable" / "service" / "README.md"
HOST = "leads.example.com"


def binary(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"the proxy recipes with {name}: install it with `make proxies`")
    return found


@dataclass
class Proxy:
    """A proxy that runs: its host, ports with and without TLS, and the certificate to believe."""

    host: str
    tls: int
    plain: int
    certificate: Path

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """Asks for the host of the recipe at this machine."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        context = ssl.create_default_context(cafile=str(self.certificate))
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.tls}",
            headers={"Host": f"{self.host}:{self.tls}", **headers},
            verify=context,
            timeout=60,
        )


def recipe(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0]


def certificate(folder: Path) -> Path:
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    words += ["-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1"]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([binary("openssl"), *words], check=True, capture_output=True)
    return folder / "cert.pem"


def replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(live: Live, folder: Path, proxy: Proxy) -> list[str]:
    letsencrypt = f"/etc/letsencrypt/live/{HOST}"
    site = replaced(
        recipe("nginx"),
        {
            "http://127.0.0.1:8000": live.url,
            "listen 443 ssl": f"listen 127.0.0.1:{proxy.tls} ssl",
            "listen 80": f"listen 127.0.0.1:{proxy.plain}",
            f"{letsencrypt}/fullchain.pem": str(proxy.certificate),
            f"{letsencrypt}/privkey.pem": str(folder / "key.pem"),
        },
    )
    (folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {places} include {folder}/site.conf; }}\n"
    )
    return [binary("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(live: Live, folder: Path, proxy: Proxy) -> list[str]:
    tls = f"tls {proxy.certificate} {folder / 'key.pem'}\n    request_body {{"
    site = replaced(
        recipe("caddyfile"),
        {f"{HOST} {{": f"{HOST}:{proxy.tls} {{", "127.0.0.1:8000": live.url, "request_body {": tls},
    )
    options = f"{{\n admin off\n http_port {proxy.plain}\n https_port {proxy.tls}\n}}\n"
    (folder / "Caddyfile").write_text(options + site)
    return [binary("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


RECIPES = {"nginx": nginx, "caddy": caddy}
SITES = {"nginx": "site.conf", "caddy": "Caddyfile"}


@contextmanager
def running(name: str, live: Live, folder: Path, host: str = HOST) -> Iterator[Proxy]:
    """The proxy with the guide's recipe before a service, until the block ends; `host` is what
    stands there in the place of the recipe's."""
    binary(name)
    folder.mkdir()
    proxy = Proxy(host, free_port(), free_port(), certificate(folder))
    command = RECIPES[name](live, folder, proxy)
    site = folder / SITES[name]
    site.write_text(site.read_text().replace(HOST, host))
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder)
    try:
        until(lambda: answers(proxy, process, folder))
        yield proxy
    finally:
        process.terminate()
        process.wait(30)


def answers(proxy: Proxy, process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    assert process.poll() is None, (folder / "log").read_text()
    try:
        with proxy.client() as client:
            return client.get("/healthz").status_code != 502  # of the proxy alone
    except httpx.TransportError:
        return False
