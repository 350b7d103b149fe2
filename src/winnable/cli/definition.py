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
)
from winnable.cli.output import out, print_guesses, print_reading, print_suggestions

app = typer.Typer()


@app.command(epilog="Example: winnable init leads.csv --activities activities.csv")
def init(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    output: Annotated[Path, typer.Option(help="Where to write the definition.")] = Path(
        "definition.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Guess a first definition from the columns of an export, each guess with its reason."""
    from winnable.data.autodetect.draft import draft, write_draft
    from winnable.data.autodetect.infer import guess

    out.quiet = quiet
    guesses = guess(leads, activities, history)
    write_draft(draft(guesses), output, force=force)
    print_guesses(guesses, output, leads, activities, history)


@app.command(epilog="Example: winnable describe --output definition.html")
def describe(
    leads: Annotated[
        str | None, typer.Argument(help="Hold the definition against these leads, too.")
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
) -> None:
    """Print the definition as a page that can be forwarded, or what changed since an older version."""
    from winnable.core.documents import write_page
    from winnable.definition.load import load_definition
    from winnable.definition.review.summary import describe as page_of
    from winnable.definition.review.summary import describe_changes
    from winnable.definition.review.summary import schema as schema_of

    if schema:
        out.print_json(data=schema_of(), highlight=False)
        return
    agreed = load_definition(definition)
    old = None if against is None else load_definition(against)
    if leads is None:
        page = page_of(agreed) if old is None else describe_changes(old, agreed)
    else:
        from winnable.data.analysis.definition_replay import page_beside_leads

        page = page_beside_leads(agreed, old, leads, activities, history)
    if output is None:
        out.print(page.markdown())
    else:
        write_page(page, output)
        out.print(f"Written to {output}.")


@app.command(
    epilog="Example: winnable suggest leads.csv --activities activities.csv --output rules.toml"
)
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
) -> None:
    """Propose rules with points from what won deals looked like as leads, each with its evidence."""
    from winnable.data.analysis.rejections import rejection_evidence
    from winnable.data.analysis.suggest import suggest as suggestions_of
    from winnable.data.analysis.to_toml import proposal, rejection_lines, write_proposal

    out.quiet = quiet
    heard = read_with_labels(definition, leads, activities, history, store, output)
    print_reading(heard.crm)
    found = suggestions_of(heard.data)
    text = proposal(heard.data.definition, found)
    print_suggestions(found)
    if text and output is not None:
        write_proposal(text, output)
        out.print(f"\nWritten to {output}; paste into {definition} what makes sense to both teams.")
    elif text:
        out.print(
            f"\nTo paste into {definition}, as far as it makes sense to both teams:\n\n{text}"
        )
    for line in rejection_lines(
        rejection_evidence(heard.data, heard.merged.opinions, found.kept_out)
    ):
        out.print(line)
