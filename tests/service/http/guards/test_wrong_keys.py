"""Wrong keys cost time, over the real server and for many at once; right ones never do."""

import asyncio
import time
from collections import Counter
from pathlib import Path

from tests.service.conftest import serving, until
from winnable.service.http.guards.wrong_keys import (
    FIRST_DELAY_SECONDS,
    FREE_FAILURES,
    MAX_WAITING,
    WrongKeys,
)
from winnable.service.http.keys import add_key
from winnable.service.http.problems import HTTPProblem

SCOPE = {"type": "http", "client": ("192.0.2.1", 1234)}


def test_the_more_wrong_keys_the_slower_the_answer(store: Path, tmp_path: Path) -> None:
    _, secret = add_key(store, "feedback")
    costs = sum(FIRST_DELAY_SECONDS * 2**i for i in range(3))
    with serving(store, tmp_path / "log") as live, live.client("a guess") as stranger:
        began = time.monotonic()
        for _ in range(FREE_FAILURES + 3):
            assert stranger.get("/model").status_code == 401
        assert time.monotonic() - began >= costs * 0.9
        with live.client(secret) as client:  # from the same address
            began = time.monotonic()
            for _ in range(FREE_FAILURES + 3):
                assert client.get("/model").status_code == 200
            counted = f'winnable_refused_total{{reason="wrong_key"}} {FREE_FAILURES + 3}.0'
            assert counted in client.get("/metrics").text
        data = {"by": "Kim", "key": "a guess"}
        began = time.monotonic()
        assert stranger.post("/inbox/sign-in", data=data).status_code == 403
        assert time.monotonic() - began >= costs * 0.9  # the next one costs more than all before
        until(lambda: '"reason": "wrong_key"' in live.journal())
        assert "a guess" not in live.journal()


def test_only_so_many_wait() -> None:
    async def guess_at_once() -> Counter[str]:
        wrong_keys = WrongKeys(lambda _: None)
        guesses = [
            asyncio.create_task(wrong_keys.slow_down(SCOPE)) for _ in range(MAX_WAITING + 50)
        ]
        done, waiting = await asyncio.wait(guesses, timeout=0.05)
        for guess in waiting:
            guess.cancel()
        outcomes = Counter(type(guess.exception()).__name__ for guess in done)
        await asyncio.gather(*waiting, return_exceptions=True)
        return outcomes + Counter(waiting=len(waiting))

    outcomes = asyncio.run(guess_at_once())
    assert outcomes["waiting"] <= MAX_WAITING
    assert outcomes[HTTPProblem.__name__] >= 50 - FREE_FAILURES
