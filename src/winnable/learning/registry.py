"""The registry: what MLflow records of a training, which version is in charge, and the copy of it that is served.

The only module that imports mlflow. A store is a folder: MLflow's SQLite and artefacts (unless `MLFLOW_TRACKING_URI` puts them
elsewhere), and `served/`, where the champion lies as plain files for whoever answers requests without MLflow. What a model is and
whether it deserves to be champion is decided elsewhere.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from winnable.errors import StoreError
from winnable.learning.artefact import Artefact, read_artefact, write_artefact
from winnable.learning.served import serve_version

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

MODEL = "winnable"
CHAMPION, CHALLENGER = "champion", "challenger"
TRACKING_URI = "MLFLOW_TRACKING_URI"
NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # how MLflow says that there is no such model or alias


@dataclass(frozen=True)
class Record:
    """What one training leaves behind: everything that MLflow keeps of it.

    `example` is a table of a few leads as the model takes them; `texts` and `figures` are by file name.
    """

    experiment: str
    artefact: Artefact
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    texts: Mapping[str, str]
    figures: Mapping[str, "Figure"]
    example: "pd.DataFrame"


class Registry:
    """The models of one store. Making one touches nothing; the store is set up with the first call that needs it."""

    def __init__(self, store: Path) -> None:
        self.store = store.absolute()
        self.uri = os.environ.get(TRACKING_URI) or f"sqlite:///{self.store / 'mlflow.db'}"

    def connect(self) -> None:
        """See that MLflow answers, before any long work; `StoreError` if it does not."""
        self._client()

    def register(self, record: Record) -> int:
        """Log a training and register its model as the challenger; returns the new version."""
        client = self._client()
        import mlflow

        with (
            _artefact_folder(record.artefact) as folder,
            mlflow.start_run(experiment_id=self._experiment(client, record.experiment), tags=dict(record.tags)),
        ):
            mlflow.log_params(dict(record.params))
            mlflow.log_metrics(dict(record.metrics))
            for name, text in record.texts.items():
                mlflow.log_text(text, name)
            for name, figure in record.figures.items():
                mlflow.log_figure(figure, name)
            info = mlflow.pyfunc.log_model(
                name="model",
                loader_module="winnable.learning.pyfunc",
                data_path=str(folder),
                signature=_signature(record.example),
                input_example=record.example,
                pip_requirements=[f"winnable=={metadata.version('winnable')}"],
            )
        return self._new_version(client, info, record.artefact.fingerprint)

    def _new_version(self, client: "MlflowClient", info: "ModelInfo", fingerprint: str) -> int:
        """Register a logged model, as the challenger. The client does it without the commentary that `register_model` prints."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # it is there already
            client.create_registered_model(MODEL)
        version = client.create_model_version(
            MODEL, info.model_uri, run_id=info.run_id, model_id=info.model_id, tags={"fingerprint": fingerprint}
        )
        client.set_registered_model_alias(MODEL, CHALLENGER, str(version.version))
        return int(version.version)

    def promote(self, version: int) -> None:
        """Make a version the champion, in the registry and in the served copy; `StoreError` if there is no such version."""
        client = self._client()
        artefact = self.artefact(version)
        client.set_registered_model_alias(MODEL, CHAMPION, str(version))
        aliases = client.get_registered_model(MODEL).aliases
        if str(aliases.get(CHALLENGER)) == str(version):
            client.delete_registered_model_alias(MODEL, CHALLENGER)
        serve_version(self.store, version, artefact)

    def champion(self) -> int | None:
        """The version that the registry's champion alias names, or None."""
        client = self._client()
        from mlflow.exceptions import MlflowException

        try:
            return int(client.get_model_version_by_alias(MODEL, CHAMPION).version)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            raise self._does_not_answer(error) from None

    def artefact(self, version: int) -> Artefact:
        """The artefact of a version, fetched from wherever MLflow keeps it and checked against its digests."""
        client = self._client()
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            source = client.get_model_version_download_uri(MODEL, str(version))
            with tempfile.TemporaryDirectory() as place:
                folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=place))
                return read_artefact(next(folder.rglob("digests.json")).parent)
        except (MlflowException, StopIteration):
            raise StoreError(f"{self.store}: there is no version {version} of the model {MODEL} here.") from None

    def _client(self) -> "MlflowClient":
        """A client of the tracking server, with the store set up. Only one process at a time may create MLflow's tables."""
        check_writable(self.store)
        _quiet()
        with _alone(self.store / ".setup.lock"):
            import mlflow

            with _environment_kept(TRACKING_URI):
                mlflow.set_tracking_uri(self.uri)
                mlflow.set_registry_uri(self.uri)
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                client = mlflow.MlflowClient(self.uri, self.uri)
                client.search_experiments(max_results=1)
            except (MlflowException, SQLAlchemyError) as error:
                raise self._does_not_answer(error) from None
        return client

    def _does_not_answer(self, error: Exception) -> StoreError:
        """The error for a store that is there but does not work; of an address only the host is told, it may hold a password."""
        parts = urlsplit(self.uri)
        where = parts.path.removeprefix("/") if parts.scheme.startswith("sqlite") else f"{parts.scheme}://{parts.hostname}"
        change = f"Mend it, or change {TRACKING_URI} or --store."
        return StoreError(f"{where}: MLflow cannot use this store ({type(error).__name__}). {change}")

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        """The experiment of that name; where the store is local, its artefacts lie in the store."""
        with _alone(self.store / ".setup.lock"):
            found = client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            local = self.uri.startswith("sqlite:///")
            return str(client.create_experiment(name, (self.store / "artefacts").as_uri() if local else None))


def _signature(example: "pd.DataFrame") -> "ModelSignature":
    """Every column may be missing; numbers are doubles, all else is text. Probabilities come out."""
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    def kind(values: pd.Series) -> DataType:
        return DataType.double if pd.api.types.is_numeric_dtype(values) else DataType.string

    inputs = Schema([ColSpec(kind(example[name]), str(name), required=False) for name in example.columns])
    outputs = Schema([ColSpec(DataType.double, name) for name in ("probability", "low", "high")])
    return ModelSignature(inputs, outputs, ParamSchema([ParamSpec("as_of", DataType.string, "")]))


@contextmanager
def _artefact_folder(artefact: Artefact) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "winnable"
        write_artefact(artefact, folder)
        yield folder


@contextmanager
def _environment_kept(name: str) -> Iterator[None]:
    """Put a variable back as it was.

    MLflow writes its tracking URI there, where the next store would take it for the user's wish.
    """
    before = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file, so that what stands within is done by one process at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_writable(store: Path) -> None:
    """Make the store's folder and see that it can be written, before any long work; `StoreError` if it cannot."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        (store / ".setup.lock").touch()
    except OSError as error:
        raise StoreError(f"{store}: the store cannot be written ({error.strerror}). Choose another --store.") from None


def _quiet() -> None:
    """MLflow's running commentary is for its own developers.

    Its warnings about our one pinned requirement are known and harmless.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    import mlflow  # noqa: F401 - importing it sets its loggers, which is undone below

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
