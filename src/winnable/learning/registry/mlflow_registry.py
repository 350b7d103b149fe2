"""The model registry: training runs and model versions in MLflow, the champion alias, and the
deployed copy of the champion.

The only module that imports mlflow. A store is a folder: MLflow's SQLite and artifacts (unless
`MLFLOW_TRACKING_URI` puts them elsewhere), and `served/`, where the champion lies as plain files
for services that run without MLflow. The alias `champion` is the truth; the deployed copy follows
it, and so does the history of promotions, which are tags of the registered model, one each and
never overwritten, so that they go where the registry goes.

Whoever changes something holds `Registry.lock` meanwhile. What a model is and whether it deserves
to be champion is decided elsewhere.
"""

import errno
import getpass
import logging
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from winnable.core.files import (
    LOCK_TIMEOUT_SECONDS,
    keep_private,
    locked,
    make_private_file,
    make_private_folder,
    whole_file,
)
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import (
    Artifact,
    artifact_from,
    read_artifact,
    write_artifact,
)
from winnable.learning.artifacts.deployed import (
    champion_of,
    deploy,
    prepare,
    remove_stale_drafts,
)
from winnable.learning.registry.artifact_places import FOLDER, MAX_BYTES, path_at_server
from winnable.learning.registry.records import Promotion, TrainingRun, Version

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL = "winnable"
CHAMPION = "champion"
CHALLENGER = "challenger"
TRACKING_URI = "MLFLOW_TRACKING_URI"
PROMOTION = "promotion."
"""Prefix of the tags that are the promotion history; the time follows."""

DATABASE = "mlflow.db"
ARTIFACTS = "artefacts"
"""MLflow's database and its files in a store."""

STORE = "winnable.store"
"""Tag of a run that names the store for which it was started."""

INTERRUPTED = "its training was interrupted before this took effect"

NOT_FOUND_CODES = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
"""How MLflow says that there is no such model or alias."""

BUSY_CODES = {"TEMPORARILY_UNAVAILABLE"}

_INDIRECT_PLACES = {"http", "https", "mlflow-artifacts", "runs", "models", "ftp", "sftp"}
"""Schemes of places at which MLflow would ask other hosts, with the sign-in of this one, or follow
one name to the next."""


class Registry:
    """The models of one store. Making one touches nothing; the store is set up with the first call
    that needs it.

    `patience` is how many seconds another process may keep it waiting. Whatever MLflow cannot do is
    a `StoreError`.
    """

    def __init__(self, store: Path, patience: float = LOCK_TIMEOUT_SECONDS) -> None:
        self.store = store.absolute()
        self.patience = patience
        self.uri = os.environ.get(TRACKING_URI) or _local_uri(self.store)

    def connect(self) -> None:
        """Check that MLflow answers, before any long work; `StoreError` if it does not."""
        with self._mlflow_errors():
            self._client()

    def lock(self) -> AbstractContextManager[None]:
        """Keep every other process from changing this store meanwhile. Not to be entered twice."""
        check_writable(self.store)
        return locked(self.store / ".lock", self.patience)

    # --- training runs

    def register(self, record: TrainingRun, *, challenger: bool = True) -> int:
        """Log a training run with its child runs and register its model, as the challenger if
        asked for; returns the new version.

        The version comes last: what is interrupted before leaves a run that `reconcile` closes, and
        no version.
        """
        with self._mlflow_errors(), tempfile.TemporaryDirectory() as place:
            client = self._client()
            import mlflow

            run = self._log_run(client, record)
            _write_files(record, Path(place) / "files")
            client.log_artifacts(run, str(Path(place) / "files"))
            write_artifact(record.artifact, Path(place) / "winnable")
            with mlflow.start_run(run_id=run, nested=True):
                info = mlflow.pyfunc.log_model(
                    name="model",
                    loader_module="winnable.learning.pyfunc",
                    data_path=str(Path(place) / "winnable"),
                    signature=_signature(record.example),
                    input_example=record.example,
                    pip_requirements=[f"winnable=={metadata.version('winnable')}"],
                )
                return self._new_version(client, info, record, challenger=challenger)

    def _log_run(self, client: "MlflowClient", record: TrainingRun) -> str:
        """The run with its metrics, and its child runs; each in one transaction. Returns its id,
        still running."""
        experiment = self._experiment(client, record.experiment)
        name = {STORE: self._name()}
        began = int(1000 * (record.began or time.time()))
        run = str(
            client.create_run(experiment, began, {**record.tags, **name}, record.name).info.run_id
        )
        _log(client, run, record.params, record.metrics, record.series)
        for part in record.parts:
            tags = {"mlflow.parentRunId": run, **name}
            child = client.create_run(experiment, began, tags, part.name).info.run_id
            _log(client, child, part.params, part.metrics, {})
            client.set_terminated(child)
        return run

    def _new_version(
        self, client: "MlflowClient", info: Any, record: TrainingRun, *, challenger: bool
    ) -> int:
        """Register a logged model. The client does it without the messages that
        `register_model` prints."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # it is there already
            client.create_registered_model(MODEL)
        tags = {**record.version_tags, "fingerprint": record.artifact.fingerprint}
        version = client.create_model_version(
            MODEL, info.model_uri, run_id=info.run_id, model_id=info.model_id, tags=tags
        )
        if challenger:
            client.set_registered_model_alias(MODEL, CHALLENGER, str(version.version))
        return int(version.version)

    def artifact(self, version: int) -> Artifact:
        """The artifact of a version, fetched from wherever MLflow keeps it and checked against its
        digests."""
        with self._mlflow_errors(
            f"there is no version {version} of the model {MODEL} here; `winnable models` lists"
            " the versions."
        ):
            source = self._client().get_model_version_download_uri(MODEL, str(version))
            with tempfile.TemporaryDirectory() as place:
                return artifact_from(
                    self._reader(source, Path(place)), f"{self.store}: version {version}"
                )

    def _reader(self, source: str, place: Path) -> Callable[[str], bytes]:
        """What reads a file of the artifact at `source` by its name, each for itself: a folder that
        a server lists may have no end. `place` is for files in between."""
        scheme = urlsplit(source).scheme
        if scheme in {"", "file"}:
            folder = Path(url2pathname(urlsplit(source).path)) / FOLDER
            return lambda name: (folder / name).read_bytes()
        if not self.uri.startswith(("http://", "https://")):
            return partial(_download, source, place)
        path = path_at_server(self.uri, source)
        if path is not None:
            return _ServerFiles(self.uri, path).read
        if scheme in _INDIRECT_PLACES:
            raise StoreError(
                f"{self._server()}: the version is said to lie at {source[:200]!r}, which is not"
                " at this server. Register it again."
            )
        return partial(_download, source, place)

    def versions(self) -> tuple[Version, ...]:
        """Every registered version, the newest first."""
        with self._mlflow_errors():
            client = self._client()
            aliases = self._model(client)[0]
            standing = {aliases[name]: name for name in (CHALLENGER, CHAMPION) if name in aliases}
            found: list[Any] = []
            token: str | None = None
            while token is None or token:
                page = client.search_model_versions(f"name = '{MODEL}'", page_token=token)
                found += page
                token = page.token or ""
        versions = [
            Version(
                version=int(entry.version),
                made=_iso(entry.creation_timestamp / 1000),
                standing=standing.get(str(entry.version), ""),
                run_id=entry.run_id or "",
                fingerprint=entry.tags.get("fingerprint", ""),
                tags={key: value for key, value in entry.tags.items() if key != "fingerprint"},
            )
            for entry in found
        ]
        return tuple(sorted(versions, key=lambda version: -version.version))

    # --- the champion

    def champion(self) -> int | None:
        """The version that the registry's champion alias names, or None."""
        with self._mlflow_errors():
            version = self._model(self._client())[0].get(CHAMPION)
        return None if version is None else int(version)

    def promote(self, version: int, because: str = "asked for", kind: str = "promoted") -> None:
        """Make a version the champion, in the registry and in the deployed copy, and add it to the
        promotion history.

        `StoreError` if there is no such version or no space for it, `ArtifactError` if it is
        broken; the champion stays then. The alias is what counts, and moves when the copy of the
        version is complete: after an interruption at any moment `reconcile` brings the rest in
        line with it.
        """
        deployment = prepare(self.store, version, self.artifact(version))
        try:
            before = self.champion()
            with self._mlflow_errors():
                client = self._client()
                client.set_registered_model_alias(MODEL, CHAMPION, str(version))
            deployment.switch()
        finally:
            deployment.discard()
        with self._mlflow_errors():
            if before != version:
                self._remember(
                    client, Promotion(_iso(time.time()), _whoever(), before, version, because, kind)
                )
            if self._model(client)[0].get(CHALLENGER) == str(version):
                client.delete_registered_model_alias(MODEL, CHALLENGER)

    def history(self) -> tuple[Promotion, ...]:
        """Every change of the champion, the oldest first."""
        with self._mlflow_errors():
            tags = self._model(self._client())[1]
        return tuple(
            Promotion.from_json(tags[name]) for name in sorted(tags) if name.startswith(PROMOTION)
        )

    def explain(self, version: int, **tags: str) -> None:
        """Add tags to a version."""
        with self._mlflow_errors():
            for name, text in tags.items():
                self._client().set_model_version_tag(MODEL, str(version), name, text)

    def reconcile(self) -> None:
        """Clean up what interrupted trainings and changes from elsewhere left behind.

        Runs of this store that still seem to run are closed as killed, and their models as failed;
        the deployed copy and the history follow the champion alias. Call it holding `lock`: nothing
        of this store can be in progress then.
        """
        remove_stale_drafts(self.store)
        with self._mlflow_errors():
            client = self._client()
            for run in self._unfinished(client):
                left = client.search_model_versions(f"run_id = '{run.info.run_id}'")
                for version in left:
                    client.set_model_version_tag(MODEL, version.version, "interrupted", INTERRUPTED)
                if run.outputs is not None and not left:
                    for model in run.outputs.model_outputs:
                        client.finalize_logged_model(model.model_id, "FAILED")
                client.set_terminated(run.info.run_id, "FINISHED" if left else "KILLED")
            champion = self.champion()
            history = self.history()
            if champion is None:
                return
            if not history or history[-1].version != champion:
                before = history[-1].version if history else None
                because = "found as champion: set elsewhere, or interrupted before it was recorded"
                self._remember(
                    client, Promotion(_iso(time.time()), _whoever(), before, champion, because)
                )
        if not self._serves(champion):
            deploy(self.store, champion, self.artifact(champion))

    def _unfinished(self, client: "MlflowClient") -> Iterable[Any]:
        experiments = [found.experiment_id for found in client.search_experiments()]
        return client.search_runs(
            experiments, f"tags.`{STORE}` = '{self._name()}' and attributes.status = 'RUNNING'"
        )

    def _serves(self, champion: int) -> bool:
        """Whether the deployed copy is this version's; one that cannot be read is not."""
        try:
            served = champion_of(self.store)
            return (
                served is not None
                and served.version == champion
                and bool(read_artifact(served.folder))
            )
        except (StoreError, ArtifactError):
            return False

    def _remember(self, client: "MlflowClient", change: Promotion) -> None:
        moment = change.at.partition("+")[0].replace(":", "-")  # MLflow takes no colons in names
        client.set_registered_model_tag(
            MODEL, f"{PROMOTION}{moment}.{os.urandom(2).hex()}", change.to_json()
        )

    def _model(self, client: "MlflowClient") -> tuple[dict[str, str], dict[str, str]]:
        """Aliases and tags of the registered model; empty while there is none."""
        from mlflow.exceptions import MlflowException

        try:
            model = client.get_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code in NOT_FOUND_CODES:
                return {}, {}
            raise
        return {alias: str(version) for alias, version in model.aliases.items()}, dict(model.tags)

    # --- MLflow

    def _client(self) -> "MlflowClient":
        """A client of the tracking server, with the store set up. Only one process at a time may
        create MLflow's tables."""
        check_writable(self.store)
        if self.uri == _local_uri(self.store):
            _make_private(self.store)
        _quiet()
        with locked(self.store / ".setup.lock", self.patience):
            import mlflow

            with _environment_kept(TRACKING_URI):
                mlflow.set_tracking_uri(self.uri)
                mlflow.set_registry_uri(self.uri)
            _wait_for_database(self.uri, self.patience)
            client = mlflow.MlflowClient(self.uri, self.uri)
            client.search_experiments(max_results=1)
        return client

    @contextmanager
    def _mlflow_errors(self, absent: str | None = None) -> Iterator[None]:
        """Turn whatever MLflow raises into a `StoreError`; `absent` is the message if something is
        not there."""
        import sqlalchemy.exc

        _give_home(self.store)
        _quiet()
        from mlflow.exceptions import MlflowException

        try:
            yield
        except OSError as error:  # a full disk, most often
            raise StoreError(
                f"{self.store}: cannot be read or written ({error.strerror or error}). Make space,"
                " or choose another --store."
            ) from None
        except (MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
            code = error.error_code if isinstance(error, MlflowException) else ""
            if absent is not None and code in NOT_FOUND_CODES:
                raise StoreError(f"{self.store}: {absent}") from None
            text = str(error)
            # MLflow calls a full disk busy, too.
            busy = "locked" in text or (code in BUSY_CODES and "disk" not in text)
            raise self._does_not_answer(error, busy=busy) from None

    def _does_not_answer(self, error: Exception, *, busy: bool) -> StoreError:
        """The error for a store that is there but does not work; of an address only the host is
        named, since it may hold a password."""
        where = self._server()
        if busy:
            return StoreError(
                f"{where}: another process keeps MLflow's database locked. Wait for it to end and"
                " try again."
            )
        change = f"Repair it, or change {TRACKING_URI} or --store."
        cause = error.__cause__ or error  # MLflow wraps what the database says
        # Of the driver's message only the first line, without the statement and its values.
        message = str(getattr(cause, "orig", None) or "").splitlines()[:1]
        code = getattr(error, "error_code", type(error).__name__)
        what = ": ".join([code, type(cause).__name__, *message])
        return StoreError(f"{where}: MLflow cannot use this store ({what}). {change}")

    def _server(self) -> str:
        """Where MLflow's database or server is, for people; an address may hold a password."""
        parts = urlsplit(self.uri)
        if parts.scheme.startswith("sqlite"):
            return parts.path.removeprefix("/")
        return f"{parts.scheme}://{parts.hostname}"

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        """The experiment of that name; where the store is local, its artifacts lie in the store."""
        with locked(self.store / ".setup.lock", self.patience):
            found = client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            local = self.uri.startswith("sqlite:///")
            return str(
                client.create_experiment(name, (self.store / ARTIFACTS).as_uri() if local else None)
            )

    def _name(self) -> str:
        """A name of this store that it keeps when it is moved, so that several stores can share a
        tracking server."""
        path = self.store / ".name"
        if not path.exists():
            with whole_file(path, "Choose another --store.") as file:
                file.write(os.urandom(8).hex())
        return path.read_text()


class _ServerFiles:
    """The files of one artifact at a tracking server, by MLflow's own sign-in, which a redirect to
    another server would not be sent. `StoreError` if they have no end."""

    def __init__(self, uri: str, path: str) -> None:
        self._uri = uri
        self._path = path
        self._left = MAX_BYTES

    def read(self, name: str) -> bytes:
        """The content of a file; `FileNotFoundError` if there is none."""
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        sign_in = get_default_host_creds(self._uri)  # type: ignore[no-untyped-call]
        where = f"{self._path}/{name}"
        content = bytearray()
        with http_request(sign_in, where, "GET", stream=True) as answer:  # type: ignore[no-untyped-call]
            if answer.status_code == 404:
                raise FileNotFoundError(errno.ENOENT, "not there", name)
            answer.raise_for_status()
            for chunk in answer.iter_content(1 << 16):
                content += chunk
                if len(content) > self._left:
                    raise StoreError(f"{name}: is too large to be a file of a model.")
        self._left -= len(content)
        return bytes(content)


def _download(source: str, place: Path, name: str) -> bytes:
    """The content of a file of the artifact at `source`, from wherever MLflow can fetch it."""
    import mlflow
    from mlflow.utils.uri import append_to_uri_path

    uri = append_to_uri_path(source, FOLDER.as_posix(), name)  # type: ignore[no-untyped-call]
    got = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(place))
    return Path(got).read_bytes()


def _local_uri(store: Path) -> str:
    return f"sqlite:///{store / DATABASE}"


def _make_private(store: Path) -> None:
    """MLflow's database and files in the store, for their owner alone: MLflow itself follows the
    umask. `StoreError` if they cannot be made."""
    try:
        make_private_file(store / DATABASE)
        make_private_folder(store / ARTIFACTS)
    except OSError as error:
        raise StoreError(
            f"{store}: the store cannot be written ({error.strerror}). Choose another --store."
        ) from None
    keep_private(store / ARTIFACTS, store / f"{DATABASE}-journal", store / "served")


def _wait_for_database(uri: str, patience: float) -> None:
    """Wait until nobody writes to a local database. MLflow itself would retry for hours where it is
    locked at the start."""
    place = uri.removeprefix("sqlite:///")
    if place == uri or not Path(place).exists():
        return
    with closing(sqlite3.connect(place, timeout=patience, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):  # whatever else is wrong, MLflow will say
                raise StoreError(
                    f"{place}: another process has kept MLflow's database locked for"
                    f" {patience:.0f} seconds. Wait for it to end and try again."
                ) from None


def _log(
    client: "MlflowClient",
    run: str,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    series: Mapping[str, Sequence[tuple[int, float]]],
) -> None:
    """All params and metrics of a run in one transaction."""
    from mlflow.entities import Metric, Param

    now = int(1000 * time.time())
    numbers = [Metric(name, value, now, 0) for name, value in metrics.items()]
    numbers += [
        Metric(name, value, now, step) for name, values in series.items() for step, value in values
    ]
    client.log_batch(run, numbers, [Param(name, value) for name, value in params.items()])


def _write_files(record: TrainingRun, folder: Path) -> None:
    from winnable.learning.reporting.plots import write_figure

    folder.mkdir()
    for name, text in record.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, figure in record.figures.items():
        write_figure(figure, folder / name)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _whoever() -> str:
    """Who does this, as the machine knows them."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # an account without a name
        return f"{os.getuid()}@{socket.gethostname()}"


def _signature(example: "pd.DataFrame") -> "ModelSignature":
    """Every column of the CRM, in any type and each may be missing; probabilities come out.

    MLflow refuses whole numbers where a signature says double, and dates and categories where it
    says string, but a CRM's column is what pandas made of it that day. The model itself reads
    values of every type.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    anything = AnyType()  # type: ignore[no-untyped-call]
    inputs = Schema([ColSpec(anything, str(name), required=False) for name in example.columns])
    outputs = Schema([ColSpec(DataType.double, name) for name in ("probability", "low", "high")])
    return ModelSignature(inputs, outputs, ParamSchema([ParamSpec("as_of", DataType.string, "")]))


@contextmanager
def _environment_kept(name: str) -> Iterator[None]:
    """Put a variable back as it was.

    MLflow writes its tracking URI there, where the next store would take it for the user's setting.
    """
    before = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def check_writable(store: Path) -> None:
    """Make the store's folder and check that it can be written, before any long work; `StoreError`
    if it cannot."""
    try:
        make_private_folder(store)
        (store / ".setup.lock").touch()
    except OSError as error:
        raise StoreError(
            f"{store}: the store cannot be written ({error.strerror}). Choose another --store."
        ) from None


def _give_home(store: Path) -> None:
    """MLflow reads its settings from the home folder, and cannot be imported without one. Where the
    account has none, as in containers, the store stands in, where nobody else puts settings."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(store)


def _quiet() -> None:
    """Silence MLflow's log messages, which are for its own developers.

    Its warnings about our one pinned requirement are known and harmless.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    import mlflow  # noqa: F401 - importing it sets its loggers, which is undone below

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
