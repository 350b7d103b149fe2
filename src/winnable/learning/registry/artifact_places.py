"""Where a tracking server may say that an artifact lies, and how much is taken from it.

The server names the place, so that it could name any: this machine's disk, or another host, which
would be sent the sign-in. Followed are only places at the server itself. How files are fetched is
known to `mlflow_registry`, with MLflow, and to the service, without it.
"""

from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

FILES = "/api/2.0/mlflow-artifacts/artifacts"
"""The part of MLflow's REST API that hands out files."""

FOLDER = PurePosixPath("data/winnable")
"""Where the artifact folder lies within a model that MLflow logged."""

MAX_BYTES = 500_000_000
"""Of all files of one artifact; ours have a few million."""


def path_at_server(server: str, place: str) -> str | None:
    """The path at the server (`http://host:port`) below which the files of an artifact lie that is
    said to be at `place`; None if that is not at this server.

    Examples
    --------
    >>> path_at_server("http://mlflow:5000", "mlflow-artifacts:/1/models/m-1/artifacts")
    '/api/2.0/mlflow-artifacts/artifacts/1/models/m-1/artifacts/data/winnable'
    >>> path_at_server("http://mlflow:5000", "file:///etc")
    """
    parts = urlsplit(place)
    path = parts.path
    own = urlsplit(server)
    if parts.scheme in {"http", "https"}:
        if (parts.scheme, parts.netloc) != (own.scheme, own.netloc) or FILES not in path:
            return None
        path = path.split(FILES, 1)[1]
    elif parts.scheme != "mlflow-artifacts" or parts.netloc not in {"", own.netloc}:
        return None
    return f"{FILES}/{quote(str(PurePosixPath(unquote(path).lstrip('/')) / FOLDER))}"
