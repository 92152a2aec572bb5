"""What licences permit, as far as their names say it: a check before work, no legal advice."""

import re
from typing import Literal

Use = Literal["any", "research", "commercial"]
"""What a set is made for. `any` checks nothing."""

UNSTATED = "unstated"
"""Name of a licence that nobody stated: allows nothing that is asked for."""

_OPEN = re.compile(
    r"(cc0|cc-by(-sa|-nd)?|mit|apache|bsd|isc|public-domain|a?gpl|lgpl|mpl|odc-by|odbl|pddl)"
    r"(-?v?\d+(\.\d+)*)?(-(clause|only|or-later|international|unported|universal|licen[cs]e))*"
)
_NONCOMMERCIAL = re.compile(
    r"cc-by-nc(-sa|-nd)?(-\d.*)?|(.*-)?(cpml|coqui-public-model|non-?commercial|research|academic)(-.*)?"
)
_NO_DERIVATIVES = re.compile(r"cc-by-(nc-)?nd\b.*")


def forbidden(licence: str | None, use: Use, *, changed: bool = False) -> str | None:
    """Why a licence does not allow a use, or None if it does.

    licence: one name, or several that all hold, as in `CC-BY-4.0 AND CPML`; "": no terms; None:
    not stated. changed: something is made of what is licensed, and passed on.
    """
    if use == "any" or licence == "":
        return None
    for name in (licence or UNSTATED).split(" AND "):
        plain = re.sub(r"[\s_]+", "-", name.strip().lower())
        if plain == UNSTATED:
            return f"its licence is not stated, so {use} use is not known to be allowed"
        if changed and _NO_DERIVATIVES.fullmatch(plain):
            return f"licence {name.strip()} forbids to pass on what is made of it"
        limited = bool(_NONCOMMERCIAL.fullmatch(plain))
        if use == "commercial" and limited:
            return f"licence {name.strip()} forbids commercial use"
        if not limited and not _OPEN.fullmatch(plain):
            return f"licence {name.strip()} is not known to allow {use} use"
    return None


def together(*licences: str | None) -> str | None:
    """Licences that all hold, each named once; "" among them: no terms; None: not stated.

    `unstated` stands for those that are not, if others are; None where none is.
    """
    stated = [name for one in licences if one for name in one.split(" AND ")]
    unstated = [UNSTATED] if stated and None in licences else []
    return " AND ".join(dict.fromkeys([*stated, *unstated])) or None
