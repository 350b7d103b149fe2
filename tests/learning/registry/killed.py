"""A program that promotes again and again and is killed at moments that nobody chose, or finds the
disk full; prints what it found after each, a line of JSON each.

    python -m tests.learning.registry.killed STORE kills NUMBER
    python -m tests.learning.registry.killed STORE full BYTES...

Each promotion runs in a fork, so that MLflow is imported once. A disk is full when no file may grow
beyond so many bytes.
"""

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  imported before the forks

from winnable.errors import StoreError
from winnable.learning.artifacts.artifact import read_artifact
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.registry.mlflow_registry import Registry
from winnable.learning.registry.promotion import promote

VERSIONS = (1, 2, 3)


def started(work: Callable[[], None]) -> int:
    """Begin something in a process of its own, which opens databases that no fork may share."""
    child = os.fork()
    if not child:
        try:
            work()
            sys.stdout.flush()
        except StoreError as error:
            print(json.dumps({"refused": str(error)}), flush=True)
        except BaseException as error:
            print(json.dumps({"traceback": repr(error)}), flush=True)
        finally:
            os._exit(0)
    return child


def promote_without_end(store: Path) -> None:
    """As if each had been wiped from the disk, so that every copy is made anew."""
    number = 0
    while True:
        number += 1
        promote(store, VERSIONS[number % len(VERSIONS)], f"number {number}")


def tell(store: Path) -> None:
    """What a service finds, and what the registry says."""
    registry = Registry(store)
    alias = registry.champion()
    served = champion_of(store)
    assert served is not None
    assert alias is not None
    same = read_artifact(served.folder) == registry.artifact(served.version)
    copied = read_artifact(store / "served" / str(alias)) == registry.artifact(alias)
    print(json.dumps({"served": served.version, "alias": alias, "intact": same and copied}))


def wipe(store: Path) -> None:
    """Remove the copies that are not served, so that the next promotions make them."""
    served = champion_of(store)
    assert served is not None
    for folder in (store / "served").iterdir():
        if folder.is_dir() and folder != served.folder:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


def killed(store: Path, kills: int) -> None:
    chance = random.Random(kills)
    for _ in range(kills):
        wipe(store)
        child = started(lambda: promote_without_end(store))
        time.sleep(0.02 + chance.random() * 0.6)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.waitpid(started(lambda: tell(store)), 0)


def full(store: Path, sizes: list[int]) -> None:
    def with_limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        served = champion_of(store)
        assert served is not None
        promote(store, served.version % len(VERSIONS) + 1, f"with {size} bytes")

    for size in sizes:
        wipe(store)
        os.waitpid(started(lambda size=size: with_limit(size)), 0)
        os.waitpid(started(lambda: tell(store)), 0)


if __name__ == "__main__":
    place, what, *numbers = sys.argv[1:]
    if what == "kills":
        killed(Path(place), int(numbers[0]))
    else:
        full(Path(place), [int(number) for number in numbers])
