"""The commands on the shared definition: guess a first one, show it, propose rules for it.

Thin, like those of `cli`, of which they are a part. What they say in one page or file is made in
`history` and `learning`.
"""

from pathlib import Path
from typing import Annotated

import typer

from winnable.cli.options import (
    Activities,
    DefinitionFile,
    History,
    Leads,
    PageFile,
    Quiet,
    Store,
    read_with_labels,
    reads_exports,
)
from winnable.cli.output import out, print_guesses, print_reading, print_suggestions
from winnable.data.ingestion.sources.options import ReadOptions

app = typer.Typer()


@app.command(epilog="Example: winnable init leads.csv --activities activities.csv")
@reads_exports
def init(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    output: Annotated[Path, typer.Option(help="Where to write the definition.")] = Path(
        "definition.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Guess a first definition from the columns of an export, each guess with its reason."""
    from winnable import interface

    out.quiet = quiet
    guesses = interface.draft(
        leads, activities, history, output=output, force=force, options=options
    )
    print_guesses(guesses, output, leads, activities, history, options)


@app.command(epilog="Example: winnable describe --output definition.html")
@reads_exports
def describe(
    leads: Annotated[
        str | None, typer.Argument(help="Also apply the definition to these leads.")
    ] = None,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    against: Annotated[
        Path | None, typer.Option(help="An older version: show what changed since.")
    ] = None,
    output: PageFile = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of definition files.")
    ] = False,
    *,
    options: ReadOptions,
) -> None:
    """Print the definition as a page to forward, or what changed since an older version."""
    from winnable import interface
    from winnable.core.documents import write_page

    if schema:
        out.print_json(data=interface.definition_schema(), highlight=False)
        return
    page = interface.describe(
        definition, leads, activities, history, against=against, options=options
    )
    if output is None:
        out.print(page.markdown())
    else:
        write_page(page, output)
        out.print(f"Written to {output}.")


@app.command(
    epilog="Example: winnable suggest leads.csv --activities activities.csv --output rules.toml"
)
@reads_exports
def suggest(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    output: Annotated[
        Path | None, typer.Option(help="Write the rules as TOML here instead of printing them.")
    ] = None,
    store: Store = Path("models"),
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Suggest scorecard rules from what won deals looked like as leads, with evidence."""
    from winnable import interface

    out.quiet = quiet
    labels = read_with_labels(
        definition, leads, activities, history, store, output, options=options
    )
    print_reading(labels.data)
    proposal = interface.suggest(labels)
    print_suggestions(proposal.found)
    if proposal.toml and output is not None:
        interface.write_proposal(proposal, output)
        out.print(f"\nWritten to {output}; paste into {definition} what makes sense to both teams.")
    elif proposal.toml:
        out.print(
            f"\nTo paste into {definition}, as far as it makes sense to both teams:\n\n"
            f"{proposal.toml}"
        )
    for line in proposal.rejections:
        out.print(line)
