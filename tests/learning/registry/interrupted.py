"""A program that registers again and again and is killed at another stage each time; prints what it
found after each, a line of JSON each.

    python -m tests.learning.registry.interrupted STORE LEADS_CSV DEFINITION_TOML

`kill -9` comes from within, when a function of `STAGES` is called, so that the moment is exact.
Each registration runs in a fork, so that nothing needs to be imported twice; what comes before it,
learning, writes nothing and is done once.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.backends.backend_agg  # noqa: F401  imported before the forks, like the next ones
import mlflow
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import load_definition
from winnable.learning.artifacts import artifact
from winnable.learning.artifacts.artifact import read_artifact
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.registry.mlflow_registry import Registry
from winnable.learning.registry.promotion import register
from winnable.learning.training.train import Candidate, TrainingOptions, learn

STAGES: list[tuple[Any, str, int]] = [
    (mlflow.MlflowClient, "log_artifacts", 1),
    (mlflow.MlflowClient, "create_model_version", 1),
    (mlflow.MlflowClient, "set_registered_model_alias", 1),  # challenger
    (Registry, "promote", 1),
    # The alias is champion; its history follows.
    (mlflow.MlflowClient, "set_registered_model_tag", 1),
    # Half of the served copy.
    (artifact, "write_durably", 4),
]
"""Class or module, its function, and at which of its calls to die."""


def numbered(candidate: Candidate, number: int) -> Candidate:
    """A model that differs from the others by its number."""
    data = {**candidate.artifact.data, "usual_bar": number / 1000}
    return replace(candidate, artifact=replace(candidate.artifact, data=data))


def in_fork(work: Callable[[], object]) -> bool:
    """Do something in a process of its own; whether it was killed. The parent opens no database,
    which no fork may share."""
    child = os.fork()
    if not child:
        try:
            work()
            sys.stdout.flush()
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


def killed_at(stage: tuple[Any, str, int], work: Callable[[], object]) -> None:
    """Do something, and be killed when that stage is reached. Only for a process of its own: the
    function stays replaced."""
    owner, name, call = stage
    original = getattr(owner, name)
    calls = 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **options)

    setattr(owner, name, counted)
    work()


def tell(store: Path, stage: str, killed: bool) -> None:
    """Print the served champion, as a service would find it, and whether it is what the registry
    holds under its number."""
    served = champion_of(store)
    assert served is not None
    same = (
        read_artifact(served.folder).fingerprint
        == Registry(store).artifact(served.version).fingerprint
    )
    print(json.dumps({"stage": stage, "killed": killed, "served": served.version, "intact": same}))


def main(store: Path, leads: str, definition: Path) -> None:
    agreed = load_definition(definition)
    crm = read_crm(agreed, leads)
    data = Dataset(agreed, crm)
    candidate = learn(data, TrainingOptions(threads=1))
    in_fork(lambda: register(numbered(candidate, 1), data, store))
    for number, stage in enumerate(STAGES, start=2):
        work = partial(register, numbered(candidate, number), data, store)
        killed = in_fork(partial(killed_at, stage, work))
        in_fork(partial(tell, store, f"{stage[1]} {stage[2]}", killed))
    killed = in_fork(lambda: register(numbered(candidate, 999), data, store))
    in_fork(lambda: tell(store, "none", killed))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
