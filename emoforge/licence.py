"""What licences permit, as far as their names say it: a check before work, no legal advice."""

import re
from typing import Literal

Use = Literal["any", "research", "commercial"]
"""What a set is made for. `any` checks nothing."""

_OPEN = re.compile(r"(cc0|cc-by|mit|apache|bsd|isc|public-domain|gpl|lgpl|mpl|odc|pddl)\b.*")
_NONCOMMERCIAL = re.compile(r".*\b(nc|cpml|non-?commercial|research|academic)\b.*")


def forbidden(licence: str | None, use: Use) -> str | None:
    """Why a licence does not allow a use, or None if it does.

    licence: one name, or several that all hold, as in `CC-BY-4.0 AND CPML`; None: not stated.
    """
    if use == "any":
        return None
    for name in (licence or "").split(" AND "):
        plain = re.sub(r"[\s_]+", "-", name.strip().lower())
        if not plain:
            return f"its licence is not stated, so {use} use is not known to be allowed"
        limited = bool(_NONCOMMERCIAL.fullmatch(plain))
        if use == "commercial" and limited:
            return f"licence {name.strip()} forbids commercial use"
        if not limited and not _OPEN.fullmatch(plain):
            return f"licence {name.strip()} is not known to allow {use} use"
    return None


def together(*licences: str | None) -> str | None:
    """Licences that all hold, each named once; None if none is stated."""
    names = [name for one in licences if one for name in one.split(" AND ")]
    return " AND ".join(dict.fromkeys(names)) or None
