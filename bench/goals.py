"""The figures that the project set itself, and whether a measurement reached them."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from bench.tables import table

Sense = Literal["at least", "at most"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside its target."""

    what: str
    sense: Sense
    target: float
    measured: float
    unit: str

    @property
    def met(self) -> bool:
        if self.sense == "at least":
            return self.measured >= self.target
        return self.measured <= self.target


def at_least(what: str, target: float, measured: float, unit: str) -> Finding:
    return Finding(what=what, sense="at least", target=target, measured=measured, unit=unit)


def at_most(what: str, target: float, measured: float, unit: str) -> Finding:
    return Finding(what=what, sense="at most", target=target, measured=measured, unit=unit)


def finding_table(findings: Sequence[Finding]) -> str:
    """What, target, measured, met or not."""
    rows = [
        (
            f.what,
            f"{'≥' if f.sense == 'at least' else '≤'} {_number(f.target)} {f.unit}",
            f"{_number(f.measured)} {f.unit}",
            "met" if f.met else "NOT MET",
        )
        for f in findings
    ]
    return table(("what", "target", "measured", "met"), rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"
