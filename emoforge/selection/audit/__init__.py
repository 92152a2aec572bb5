"""Audits: people listen to a random sample of what is kept, and what they hear bounds the rest."""

from emoforge.selection.audit.guarantee import Certified, certify, is_wrong, p_value, upper_bound
from emoforge.selection.audit.plan import EXPECTED, StratumPlan, plan_stratum, power, votes_at
from emoforge.selection.audit.sample import draw, place_names, write_sheet
from emoforge.selection.audit.votes import (
    Ballot,
    RowProblem,
    check_ballots,
    read_ballots,
    write_votes,
)

__all__ = [
    "EXPECTED",
    "Ballot",
    "Certified",
    "RowProblem",
    "StratumPlan",
    "certify",
    "check_ballots",
    "draw",
    "is_wrong",
    "p_value",
    "place_names",
    "plan_stratum",
    "power",
    "read_ballots",
    "upper_bound",
    "votes_at",
    "write_sheet",
    "write_votes",
]
