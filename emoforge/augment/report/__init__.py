"""The run report: one HTML file that shows what was made, what was kept, and why."""

from emoforge.augment.report.page import write_report

__all__ = ["write_report"]
