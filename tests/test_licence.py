"""What licences permit, by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.licence import forbidden, together

FREE = ["CC0-1.0", "CC BY 3.0", "CC-BY-4.0", "CC BY-SA 4.0", "MIT", "Apache-2.0", "BSD-3-Clause"]
LIMITED = ["CC-BY-NC-SA-4.0", "CC BY-NC 4.0", "CC-BY-NC-ND-4.0", "CPML", "research only"]


@pytest.mark.parametrize("licence", FREE)
def test_free_licences_allow_all_uses(licence: str) -> None:
    assert forbidden(licence, "commercial") is None
    assert forbidden(licence, "research") is None


@pytest.mark.parametrize("licence", LIMITED)
def test_limited_licences_allow_research_alone(licence: str) -> None:
    assert forbidden(licence, "research") is None
    assert forbidden(licence, "commercial") == f"licence {licence} forbids commercial use"


@pytest.mark.parametrize(
    "licence",
    [
        None, "unstated", "mine, ask me", "MITX", "ccc-by", "MIT but not for arms",
        "CC-BY-4.0, not for commercial use", "CC-BY-4.0 AND unstated",
    ],
)  # fmt: skip
def test_what_is_not_known_is_not_allowed(licence: str | None) -> None:
    assert forbidden(licence, "research")
    assert forbidden(licence, "commercial")
    assert forbidden(licence, "any") is None


@given(st.lists(st.sampled_from([*FREE, *LIMITED]), min_size=1))
def test_together_all_hold(licences: list[str]) -> None:
    joined = together(*licences)
    limited = any(licence in LIMITED for licence in licences)
    assert (forbidden(joined, "commercial") is not None) == limited
    assert together(joined, *licences) == joined
    assert joined is not None
    assert sorted(joined.split(" AND ")) == sorted(set(licences))


def test_no_terms_allow_all() -> None:
    assert forbidden("", "commercial") is None
    assert together("", "MIT", "", "MIT") == "MIT"


def test_one_that_is_not_stated_is_not_lost_beside_others() -> None:
    assert together() is None
    assert together(None, "") is None
    assert together(None, "MIT") == "MIT AND unstated"
    assert forbidden(together("CC0-1.0", None, "MIT"), "commercial")


@pytest.mark.parametrize("licence", ["CC-BY-ND-4.0", "CC BY-NC-ND 4.0"])
def test_what_may_not_be_changed_may_be_used_as_it_is(licence: str) -> None:
    assert forbidden(licence, "research") is None
    assert "what is made of it" in str(forbidden(licence, "research", changed=True))
