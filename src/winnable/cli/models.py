"""The commands on the versions of the model: list, promote, roll back. Thin, like those of `cli`,
of which they are a part."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winnable.cli.options import Json, Store
from winnable.cli.output import out, print_promotions, print_versions

if TYPE_CHECKING:
    pass

app = typer.Typer()


@app.command(epilog="Example: winnable models --history")
def models(
    store: Store = Path("models"),
    history: Annotated[
        bool, typer.Option("--history", help="Who was champion when, and why, instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the trained versions: how good each was, and which one is champion."""
    from winnable import interface

    if as_json:
        if history:
            rows = [asdict(promotion) for promotion in interface.promotions(store)]
        else:
            rows = [version.to_json() for version in interface.versions(store)]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif history:
        print_promotions(interface.promotions(store), store)
    else:
        print_versions(interface.versions(store), store)


@app.command(epilog="Example: winnable promote 3 --because 'agreed in the monthly meeting'")
def promote(
    version: Annotated[int, typer.Argument(help="As `winnable models` lists it.")],
    because: Annotated[str, typer.Option(help="For the history of promotions.")] = "asked for",
    store: Store = Path("models"),
) -> None:
    """Make a version the champion; services follow within seconds."""
    from winnable import interface

    before = interface.promote(store, version, because)
    out.print(
        f"Version {version} is"
        f" champion{'' if before in (None, version) else f', instead of version {before}'}."
    )


@app.command(epilog="Example: winnable rollback --because 'too many students passed to sales'")
def rollback(
    because: Annotated[str, typer.Option(help="For the history of promotions.")] = "asked for",
    store: Store = Path("models"),
) -> None:
    """Make the previous champion the champion again; services follow within seconds."""
    from winnable import interface

    before, version = interface.rollback(store, because)
    out.print(f"Version {version} is champion again, instead of version {before}.")
