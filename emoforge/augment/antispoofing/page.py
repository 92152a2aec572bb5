"""The evaluation as one HTML file."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from emoforge.augment.antispoofing.figure import strips
from emoforge.augment.antispoofing.results import signed
from emoforge.page import date, environment
from emoforge.selection.countermeasures import FEATURES

_SYSTEMS = {"pooled": "random", "gated": "selected", "oracle": "all"}
"""System → class of the style sheet."""


def render(evaluation: Mapping[str, Any], now: datetime) -> str:
    """The page, of what `Antispoofing.to_dict` gives."""
    pages = environment(Path(__file__).parent)
    pages.filters.update(signed=signed, rate=lambda share: f"{100 * share:.1f}")
    rows = [*evaluation["overall"], *evaluation["emotions"]]
    features = [
        {"name": name, "about": about}
        | {
            f"{when}_{how}": evaluation[when][how][name]
            for when in ("before", "after")
            for how in ("alone", "without")
        }
        for name, about in FEATURES.items()
    ]
    settings = ("preparation", "training", "seed", "unseen", "judge", "gates", "scheme", "rates")
    return pages.get_template("antispoof.html.jinja").render(
        e=evaluation,
        name=Path(evaluation["workspace"]).name,
        now=date(now),
        rows=rows,
        whole=evaluation["overall"][0],
        rates=strips(rows, _SYSTEMS, mark=0.5),
        differences=strips(rows, {"difference": "selected", "oracle_difference": "all"}),
        features=features,
        alone=strips(features, {"before_alone": "random", "after_alone": "selected"}, mark=0.5),
        made_of=yaml.safe_dump(
            {key: evaluation[key] for key in settings}, sort_keys=False, allow_unicode=True
        ),
    )
