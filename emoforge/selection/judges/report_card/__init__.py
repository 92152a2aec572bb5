"""The report card of a judge: what it hears well, and what it should not be believed about.

A recogniser that learned from people is no valid judge of machines by itself (arXiv 2603.16483),
so every number that a judge gives stands beside its card.
"""

from emoforge.selection.judges.report_card.measure import measure_judge
from emoforge.selection.judges.report_card.page import card_html

__all__ = ["card_html", "measure_judge"]
