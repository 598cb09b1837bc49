"""What the doctor has found, and how it is told."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from enum import Enum

__all__ = ["Finding", "Level", "Report"]

#: Columns of a terminal that nobody has made wider.
WIDTH = 100

#: Columns for the topic and the level.
MARGIN = 22


class Level(str, Enum):
    """How bad it is."""

    OK = "ok"
    HINT = "hint"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: "ok"; "hint" for what may be meant so; "warning" for what will hurt one day; "error" for what can't work.
        topic: what it belongs to.
        text: one sentence.
        fix: what to change; empty if there is nothing.
    """

    level: Level
    topic: str
    text: str
    fix: str = ""


class Report:
    """All findings about one subject.

    Args:
        subject: what was examined.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[Finding] = []

    def ok(self, topic: str, text: str) -> None:
        """Add what is as it should be."""
        self.findings.append(Finding(Level.OK, topic, text))

    def hint(self, topic: str, text: str, fix: str = "") -> None:
        """Add what may be meant so."""
        self.findings.append(Finding(Level.HINT, topic, text, fix))

    def warning(self, topic: str, text: str, fix: str) -> None:
        """Add what will hurt some day."""
        self.findings.append(Finding(Level.WARNING, topic, text, fix))

    def error(self, topic: str, text: str, fix: str) -> None:
        """Add what can't work."""
        self.findings.append(Finding(Level.ERROR, topic, text, fix))

    @property
    def has_errors(self) -> bool:
        """Whether something can't work."""
        return any(finding.level is Level.ERROR for finding in self.findings)

    def as_json(self) -> str:
        """The report for programs."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"subject": self.subject, "ok": not self.has_errors, "findings": findings}, indent=2)

    def as_text(self) -> str:
        """The report for people."""
        lines = [f"geventsio doctor: {self.subject}", ""]
        topic = ""
        for finding in self.findings:
            lines += _lines(finding, "" if finding.topic == topic else finding.topic)
            topic = finding.topic
        return "\n".join([*lines, "", self._summary()])

    def _summary(self) -> str:
        counts = Counter(finding.level for finding in self.findings)
        levels = (level for level in (Level.ERROR, Level.WARNING, Level.HINT) if counts[level])
        parts = [f"{counts[level]} {level.value}{'s' * (counts[level] > 1)}" for level in levels]
        return ", ".join(parts) or "all is well"


def _lines(finding: Finding, topic: str) -> list[str]:
    head = f"{topic:13}{finding.level.value:9}"
    lines = _wrap(finding.text, head)
    return lines + (_wrap(finding.fix, " " * MARGIN + "-> ", " " * 3) if finding.fix else [])


def _wrap(text: str, head: str, more: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * MARGIN + more,
        break_long_words=False,
        break_on_hyphens=False,
    )
