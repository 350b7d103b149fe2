"""What winnable brings along: the licence of every package that it needs at run time, and known
vulnerabilities of everything in the lock.

Run by `make audit`. Ends with 1 if a package may only be used under the GPL or AGPL. Known
vulnerabilities are reported and fail nothing, because they become known on days on which nothing
was changed here; where the advisory database cannot be asked, that is said in a sentence.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).with_name("requirements.txt")
COPYLEFT = re.compile(r"\bA?GPL|GNU (Affero )?General Public License", re.IGNORECASE)
TIMEOUT_SECONDS = 120


def runtime_distributions(
    name: str = "winnable", extras: frozenset[str] = frozenset({"train", "sign-in"})
) -> dict[str, Distribution]:
    """A package and everything that it needs here, by name."""
    found: dict[str, Distribution] = {}
    left: list[tuple[str, frozenset[str]]] = [(name, extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while left:
        asked = left.pop()
        if asked in seen:
            continue
        seen.add(asked)
        try:
            installed = distribution(asked[0])
        except PackageNotFoundError:
            continue  # an extra that is not installed
        found[canonicalize_name(asked[0])] = installed
        for line in installed.requires or []:
            wanted = Requirement(line)
            extras = {"", *asked[1]}
            if wanted.marker is None or any(
                wanted.marker.evaluate({"extra": extra}) for extra in extras
            ):
                left.append((wanted.name, frozenset(wanted.extras)))
    return dict(sorted(found.items()))


def licence(metadata: Mapping[str, Any], classifiers: Iterable[str]) -> str:
    """The licence as the package states it, an expression if it has one, in one line."""
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    named = [line.rsplit(" :: ", 1)[1] for line in classifiers if line.startswith("License ::")]
    if named:
        return " OR ".join(named)
    return str(metadata.get("License") or "not stated").strip().split("\n")[0][:80]


def is_refused(stated: str) -> bool:
    """Whether every choice that a licence leaves needs the GPL or AGPL."""
    choices = re.split(r"\s+OR\s+", stated)
    return all(
        any(
            COPYLEFT.search(part) and not re.search(r"LGPL|Lesser|\bWITH\b", part, re.IGNORECASE)
            for part in re.split(r"\s+AND\s+", choice)
        )
        for choice in choices
    )


def check_licences() -> bool:
    """Print the licences; whether all may be used."""
    refused = []
    print("Licences of what winnable needs at run time:")
    for name, installed in runtime_distributions().items():
        metadata = installed.metadata
        stated = licence(metadata, metadata.get_all("Classifier") or [])
        print(f"  {name} {installed.version}: {stated}")
        if is_refused(stated):
            refused.append(name)
    if refused:
        print(f"Only under the GPL or AGPL: {', '.join(refused)}. Replace them.")
    return not refused


def vulnerabilities(report: Mapping[str, Any]) -> tuple[list[str], int]:
    """The lines of those found in pip-audit's report, and how many packages it could look up."""
    looked_up = [entry for entry in report["dependencies"] if "skip_reason" not in entry]
    lines = [
        f"{entry['name']} {entry['version']}: {found['id']}, mended in"
        f" {', '.join(found['fix_versions']) or 'no version yet'}"
        for entry in looked_up
        for found in entry["vulns"]
    ]
    return lines, len(looked_up)


def report_vulnerabilities(pip_audit: str) -> None:
    """Ask the advisory database about the lock, and print what it knows."""
    command = [pip_audit, "--requirement", str(LOCK), "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "20"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
        found, looked_up = vulnerabilities(json.loads(done.stdout))
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        looked_up = 0
        found = []
    if not looked_up:
        print("Known vulnerabilities: not looked for, since the advisory database does not answer.")
    elif found:
        print("Known vulnerabilities:", *found, sep="\n  ")
    else:
        print(f"Known vulnerabilities: none in {looked_up} packages.")


if __name__ == "__main__":
    all_may_be_used = check_licences()
    report_vulnerabilities(sys.argv[1])
    sys.exit(not all_may_be_used)
