"""What the commands have in common: the options that several of them take, and how they open an
export.

What only one command takes stands with that command. Nothing is printed here.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from winnable.data.ingestion.sources.options import ReadOptions

if TYPE_CHECKING:
    from winnable.data.dataset import Dataset
    from winnable.data.feedback.apply_labels import FeedbackEffect

Leads = Annotated[
    str,
    typer.Argument(
        help=(
            "A CSV, JSON, Excel, Parquet or Arrow file, a folder of them, or a database URL with"
            " #table."
        )
    ),
]
Activities = Annotated[
    str | None, typer.Option(help="The activity log: a file, folder or database URL.")
]
History = Annotated[
    str | None, typer.Option(help="The field history: a file, folder or database URL.")
]
DefinitionFile = Annotated[Path, typer.Option("--definition", help="The shared definition.")]
Rules = Annotated[
    Path | None,
    typer.Option("--definition", help="The definition to score by while there is no champion."),
]
Store = Annotated[Path, typer.Option(help="The folder of models and labels.")]
Labels = Annotated[
    Path,
    typer.Option("--store", help="The folder of labels; the labels of sales in it are applied."),
]
PageFile = Annotated[
    Path | None, typer.Option("--output", help="Write the page here: a .html or .md file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit status 3 if the data look wrong, for unattended jobs."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]

Encoding = Annotated[
    str | None,
    typer.Option(help="The encoding of text files, where it is not recognized: windows-1251."),
]
Sheet = Annotated[str | None, typer.Option(help="The sheet of a workbook that holds the leads.")]
HeaderRow = Annotated[
    int | None,
    typer.Option(min=1, help="The row of the leads' file with the column names, from 1."),
]


def reads_exports(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --encoding, --sheet and --header-row; it gets them as one `options`."""

    @wraps(command)
    def with_options(
        *words: Any,
        encoding: str | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
        **named: Any,
    ) -> None:
        command(*words, **named, options=ReadOptions(encoding, sheet, header_row))

    own = inspect.signature(command).parameters
    added = {"encoding": Encoding, "sheet": Sheet, "header_row": HeaderRow}
    parameters = [
        *(parameter for name, parameter in own.items() if name != "options"),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in added.items()
        ),
    ]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_options


def read(
    definition: Path,
    leads: str,
    activities: str | None,
    history: str | None,
    *outputs: Path | None,
    options: ReadOptions,
) -> "Dataset":
    """An export, read by the definition in a file; `outputs` can be written and are none of
    these."""
    from winnable import interface
    from winnable.core.files import check_output

    for output in filter(None, outputs):
        check_output(output, (leads, activities, history, str(definition)))
    return interface.read(leads, activities, history, definition=definition, options=options)


def read_with_labels(
    definition: Path,
    leads: str,
    activities: str | None,
    history: str | None,
    store: Path,
    *outputs: Path | None,
    options: ReadOptions,
) -> "FeedbackEffect":
    """The same with the labels of a store applied, if it has any."""
    from winnable import interface

    data = read(definition, leads, activities, history, *outputs, options=options)
    return interface.apply_labels(data, store)
