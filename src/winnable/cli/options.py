"""What the commands have in common: the options that several of them take, and how they open an
export.

What only one command takes stands with that command. Nothing is printed here.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from winnable.data.dataset import Dataset
    from winnable.data.feedback.apply_labels import FeedbackEffect

Leads = Annotated[
    str,
    typer.Argument(help="A CSV or Parquet file, a folder of them, or a database URL with #table."),
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


def read(
    definition: Path, leads: str, activities: str | None, history: str | None, *outputs: Path | None
) -> "Dataset":
    """An export, read by the definition in a file; `outputs` can be written and are none of
    these."""
    from winnable import interface
    from winnable.core.files import check_output

    for output in filter(None, outputs):
        check_output(output, (leads, activities, history, str(definition)))
    return interface.read(leads, activities, history, definition=definition)


def read_with_labels(
    definition: Path,
    leads: str,
    activities: str | None,
    history: str | None,
    store: Path,
    *outputs: Path | None,
) -> "FeedbackEffect":
    """The same with the labels of a store applied, if it has any."""
    from winnable import interface

    return interface.apply_labels(read(definition, leads, activities, history, *outputs), store)
