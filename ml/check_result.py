"""The result of one check, as plain data that any runner can show.

Too little data is a warning with status `insufficient_data`: it passes, it never blocks and never pages.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class CheckResult:
    """One evaluation. `passed` is False only when `status` is failed; `message` has number, threshold and window."""

    name: str
    asset: str
    passed: bool
    severity: Severity
    status: Literal["ok", "failed", "insufficient_data"]
    value: float | None
    threshold: float | None
    window: str
    message: str


@dataclass(frozen=True)
class Judge:
    """Makes results for one asset and window."""

    asset: str
    window: str

    def result(
        self,
        name: str,
        ok: bool,
        value: float,
        limit: float,
        message: str,
        severity: Severity = "error",
        enough: bool = True,
    ) -> CheckResult:
        """A result; `enough` False makes it a passing warning, whatever was measured."""
        if not enough:
            text = f"too little data to judge in {self.window}: {message}"
            return CheckResult(name, self.asset, True, "warn", "insufficient_data", value, limit, self.window, text)
        status: Literal["ok", "failed"] = "ok" if ok else "failed"
        text = f"{message}, window {self.window}"
        return CheckResult(name, self.asset, ok, severity, status, float(value), limit, self.window, text)
