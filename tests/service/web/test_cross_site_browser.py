"""A page of another site in a real browser: whatever it makes the browser send, nothing of it is
kept."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.service.conftest import serving
from winnable.data.feedback.store.store import FeedbackStore

PAGE = b"<!doctype html><title>elsewhere</title><p>A page of somebody else.</p>"
ATTACK = """
async (service) => {
  const label = JSON.stringify({lead_id: "stranger", label: "won", by: "Eve"});
  const leads = JSON.stringify({leads: [{"Lead ID": "stranger", "Employees": 10}]});
  const send = (path, body, headers) => fetch(service + path, {
    method: "POST", mode: "no-cors", credentials: "include", body, headers,
  }).catch(() => null);
  for (const [path, text] of [["/feedback", label], ["/score", leads]]) {
    await send(path, new Blob([text]));
    await send(path, text, {"Content-Type": "text/plain"});
    navigator.sendBeacon(service + path, new Blob([text]));
    await fetch(service + path, {
      method: "POST", body: text, headers: {"Content-Type": "application/json"},
    }).catch(() => null);
  }
}
"""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page on another site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_elsewhere_writes_nothing(
    browser: Browser, store: Path, tmp_path: Path, elsewhere: str
) -> None:
    with serving(store, tmp_path / "log") as live:
        page = browser.new_page()
        page.goto(elsewhere)
        page.evaluate(ATTACK, live.url)
        page.goto(
            f"{live.url}/guide"
        )  # after them; the service is there, and would have taken them
        expect(page.get_by_role("heading", name="winnable: asking for scores")).to_be_visible()
        page.close()
        journal = live.journal()
    feedback = FeedbackStore.open(store)
    try:
        assert list(feedback.labels()) == []
        assert feedback.lead("stranger") is None
    finally:
        feedback.close()
    assert '"route":"/feedback","status":403' in journal
