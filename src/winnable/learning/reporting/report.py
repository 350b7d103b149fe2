"""The model report: what a training found, as one HTML file to send to whoever pays for it.

Skill against the baseline, calibration, lift and gain, drivers, conversion by source and segment,
backtest, drift, sample size and target leakage. The file loads nothing from anywhere, runs nothing,
and whatever stands in the CRM is shown as text. What the sections say is written in
`model_sections` and `lead_sections`; here the page is put together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from markupsafe import escape as escape_markup

from winnable.core.files import whole_file
from winnable.data.dataset import Dataset
from winnable.errors import StoreError
from winnable.learning.readiness.data_quality import DATA_ALARMS
from winnable.learning.readiness.learning_curve import CurvePoint
from winnable.learning.readiness.readiness import Readiness, assess_readiness
from winnable.learning.reporting.lead_sections import (
    conversion_drivers,
    example_scores,
    recent_drift,
    segment_conversion,
    source_conversion,
)
from winnable.learning.reporting.model_sections import (
    accounts,
    backtest_over_time,
    calibration,
    data_size,
    holdout_over_time,
    leakage,
    lift_and_gain,
    performance,
)
from winnable.learning.reporting.sections import Section
from winnable.learning.training.backtest import Backtest
from winnable.learning.training.train import Candidate

CHANGES = "What changed since the last model?"
FEEDBACK = "Feedback from sales and what it changed"


@dataclass(frozen=True)
class Report:
    """What a training found. `details` are names and values for the end of the page."""

    title: str
    details: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    def html(self, standing: str = "") -> str:
        """The page; `standing` says in a sentence whether the model is champion or challenger, and
        why."""
        return _template().render(report=self, standing=standing, inline=Markup)

    def write(self, path: Path, standing: str = "") -> None:
        """Write the page; its folder is made where there is none. `StoreError` if it cannot be
        written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{path}: the report cannot be written there ({error.strerror}). Choose another"
                " --report."
            ) from None
        with whole_file(path, "Choose another --report.") as file:
            file.write(self.html(standing))

    def _repr_html_(self) -> str:
        """How notebooks show it: in a frame of its own, so that its style and theirs stay apart."""
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
    alarms: Sequence[str] = (),
) -> Report:
    """Put together what a training found.

    `readiness` and `curve` are of the same data; readiness is assessed if not given. `changed` says
    in sentences what differs from the last model, `tested` is a backtest, `alarms` says what makes
    the data look wrong.
    """
    definition = candidate.definition
    if readiness is None:
        readiness = assess_readiness(data)
    sections = (
        Section(DATA_ALARMS, tuple(alarms)) if alarms else None,
        performance(candidate),
        Section(CHANGES, tuple(changed)) if changed else None,
        feedback_effect(candidate),
        calibration(candidate),
        lift_and_gain(candidate),
        accounts(candidate),
        conversion_drivers(candidate, data),
        source_conversion(data),
        segment_conversion(data),
        holdout_over_time(candidate) if tested is None else backtest_over_time(tested),
        recent_drift(candidate, data),
        data_size(readiness, curve),
        leakage(candidate),
        example_scores(candidate, data),
    )
    return Report(
        f"Which leads are winnable? {definition.name}",
        _details(candidate),
        tuple(section for section in sections if section is not None),
    )


def feedback_effect(candidate: Candidate) -> Section | None:
    """What the labels of sales changed; None where there were none."""
    messages = candidate.report.get("feedback", {}).get("told", ())
    return Section(FEEDBACK, tuple(messages)) if messages else None


def _details(candidate: Candidate) -> tuple[tuple[str, str], ...]:
    definition = candidate.definition
    card = candidate.artifact.spec.card
    until = card.known_until
    signed = ""
    if definition.agreed_by:
        signed = f" (agreed by {', '.join(definition.agreed_by)})"
    return (
        ("Definition", f"{definition.name} {definition.version}{signed}"),
        ("Data until", "no dates" if until is None else f"{until:%Y-%m-%d}"),
        ("Trained on", f"{card.leads:,} leads, {card.wins:,} of them won"),
        ("Target", _target(card.horizon_days)),
        ("Model type", f"{candidate.mode}: {candidate.why}"),
        ("Fingerprint", candidate.artifact.fingerprint),
    )


def _target(horizon_days: float | None) -> str:
    if horizon_days is None:
        return "won, sooner or later"
    return f"won within {horizon_days:g} days of the moment of scoring"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("winnable", "learning/reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = _with_code
    return environment.get_template("report.html")


def _with_code(text: str) -> Markup:
    """Text with what stands in backticks set as code; everything in it is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape_markup(text))))
