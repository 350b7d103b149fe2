"""Running the service by uvicorn on this machine; any other ASGI server may run `winnable.service.api:create_app` as well."""

import socket
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from winnable.errors import StoreError
from winnable.service.api import create_app


def run(store: Path, definition: Path | None, host: str, port: int) -> None:
    """Serve until interrupted. `StoreError` if the port is taken or the address is not this machine's own."""
    if not _is_loopback(host):
        raise StoreError(f"--host {host}: without keys the service answers on this machine only. Use 127.0.0.1 behind a proxy that signs in.")
    app = create_app(store, definition)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StoreError(f"--port {port}: cannot be used ({error.strerror}). Choose another --port.") from None
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=10)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
