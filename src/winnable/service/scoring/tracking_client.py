"""Questions to a tracking server: MLflow's own sign-in, sent to this server alone. What the answers
mean is known to `remote_champion`; that each ends in time is seen to by `OutgoingClient`."""

import base64
import urllib.request
from collections.abc import Mapping
from typing import Any

from winnable.service.http.guards.outgoing import OutgoingClient

_MEND = "If that is right, name it as MLFLOW_TRACKING_URI."


class TrackingClient:
    """Asks one server, one question at a time; `uri` is http or https. The sign-in is MLflow's own:
    `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`."""

    def __init__(self, uri: str, environment: Mapping[str, str]) -> None:
        self.uri = uri.rstrip("/")
        self._headers = _sign_in(environment)
        self._outgoing = OutgoingClient("tracking server", _MEND)

    def get(self, path: str, until: float, max_bytes: int) -> bytes:
        """The answer to GET; `until`, `max_bytes` and errors as of `OutgoingClient.ask`."""
        return self._outgoing.ask(self._request(path), until, max_bytes)

    def get_json(self, path: str, until: float) -> Any:
        """The answer to GET as JSON; errors as of `get`."""
        return self._outgoing.ask_json(self._request(path), until)

    def close(self) -> None:
        """Cut the question under way, and ask no other."""
        self._outgoing.close()

    def _request(self, path: str) -> urllib.request.Request:
        return urllib.request.Request(self.uri + path, headers=self._headers)


def _sign_in(environment: Mapping[str, str]) -> dict[str, str]:
    user = environment.get("MLFLOW_TRACKING_USERNAME")
    password = environment.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {
            "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        }
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
