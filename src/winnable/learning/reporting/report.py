"""The report: what a training found, as one HTML file to send to whoever pays for it.

The file loads nothing from anywhere, runs nothing, and whatever stands in the CRM is shown as text.
What the sections say is written in `report_quality` and `report_leads`; here is only how the page
is put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from winnable.data.dataset import Dataset
from winnable.errors import StoreError
from winnable.learning.readiness.learning_curve import CurvePoint
from winnable.learning.readiness.readiness import Readiness, assess_readiness
from winnable.learning.reporting.lead_sections import (
    examples,
    of_late,
    segments,
    sources,
    what_drives,
)
from winnable.learning.reporting.model_sections import (
    answer,
    history_enough,
    leaks,
    promises,
    tested_through_time,
    through_time,
    work_saved,
)
from winnable.learning.reporting.sections import Section
from winnable.learning.training.backtest import Backtest
from winnable.learning.training.train import Candidate


@dataclass(frozen=True)
class Report:
    """What a training found. `details` are names and values for the head of the page, `standing`
    who is in charge and why."""

    title: str
    details: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    def html(self, standing: str = "") -> str:
        """The page; `standing` says in a sentence what became of the model."""
        return _template().render(report=self, standing=standing, inline=Markup)

    def write(self, path: Path, standing: str = "") -> None:
        """Write the page; its folder is made where there is none. `StoreError` if it cannot be
        written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.html(standing), encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"{path}: the report cannot be written there ({error.strerror}). Choose another"
                " --report."
            ) from None

    def _repr_html_(self) -> str:
        """How notebooks show it: in a frame of its own, so that its style and theirs stay apart."""
        from html import escape

        return (
            f'<iframe srcdoc="{escape(self.html())}" style="width: 100%; height: 40em; border:'
            ' 0"></iframe>'
        )


def report_on(
    candidate: Candidate,
    data: Dataset,
    *,
    readiness: Readiness | None = None,
    curve: Sequence[CurvePoint] = (),
    changed: Sequence[str] = (),
    tested: Backtest | None = None,
) -> Report:
    """Put together what a training found.

    `readiness` and `curve` are of the same data; readiness is assessed if not given. `changed` says
    in sentences what differs from the last model, `tested` is a backtest.
    """
    ready = assess_readiness(data) if readiness is None else readiness
    agreed, card = candidate.definition, candidate.artifact.spec["card"]
    signed = f" (agreed by {', '.join(agreed.agreed_by)})" if agreed.agreed_by else ""
    details = (
        ("Definition", f"{agreed.name} {agreed.version}{signed}"),
        ("Data until", str(card["known_until"] or "no dates")[:10]),
        ("Learned from", f"{card['leads']:,} leads, {card['wins']:,} of them won"),
        ("A win is", _win(card["horizon_days"])),
        ("Answers by", f"{candidate.mode}, {candidate.why}"),
        ("Model", candidate.artifact.fingerprint),
    )
    asked = (
        answer(candidate),
        Section("What changed since the last model?", tuple(changed)) if changed else None,
        what_sales_said(candidate),
        promises(candidate),
        work_saved(candidate),
        what_drives(candidate, data),
        sources(data),
        segments(data),
        through_time(candidate) if tested is None else tested_through_time(tested),
        of_late(candidate, data),
        history_enough(ready, curve),
        leaks(candidate),
        examples(candidate, data),
    )
    return Report(
        f"Which leads are winnable? {agreed.name}",
        details,
        tuple(section for section in asked if section is not None),
    )


def what_sales_said(candidate: Candidate) -> Section | None:
    """What the labels of sales changed; None where there were none."""
    told = candidate.report.get("feedback", {}).get("told", ())
    return Section("What did sales say, and what did it change?", tuple(told)) if told else None


def _win(horizon_days: float | None) -> str:
    return (
        "Closed Won, sooner or later"
        if horizon_days is None
        else f"Closed Won within {horizon_days:g} days of being looked at"
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("winnable", "learning/reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
