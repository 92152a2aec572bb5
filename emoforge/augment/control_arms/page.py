"""The evaluation as one HTML file."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from emoforge.augment.control_arms.figure import gains, multiple
from emoforge.augment.qualification import JUDGE_PAGE
from emoforge.page import date, environment

ARMS = {
    "real": "real clips only",
    "random": "+ random",
    "selected": "+ selected",
    "all": "+ all candidates",
}


def render(evaluation: Mapping[str, Any], now: datetime) -> str:
    """The page, of what `Evaluation.to_dict` gives."""
    pages = environment(Path(__file__).parent)
    pages.filters.update(signed=_signed, k=multiple)
    against = {
        (one["n"][0], one["arm"], one["budget"], one["against"]): one
        for one in evaluation["comparisons"]
    }
    sizes: dict[Any, list[Mapping[str, Any]]] = {}
    for score in evaluation["scores"]:
        sizes.setdefault(score["n"], []).append(score)
    return pages.get_template("arms.html.jinja").render(
        e=evaluation,
        arms=ARMS,
        judge_page=JUDGE_PAGE,
        name=Path(evaluation["workspace"]).name,
        now=date(now),
        sizes=sizes,
        against=against,
        overall={(one["arm"], one["against"]): one for one in evaluation["overall"]},
        budgets={score["budget"] for score in evaluation["scores"]},
        panels=gains(evaluation["comparisons"]),
        made_of=yaml.safe_dump(
            {key: evaluation[key] for key in ("judge", "encoder", "selector", "head", "gates")},
            sort_keys=False,
            allow_unicode=True,
        ),
    )


def _signed(value: float) -> str:
    text = f"{value:+.3f}"
    return "0.000" if text[1:] == "0.000" else text.replace("-", "−")
