"""The guarantee holds: exact tails, against SciPy, and over many populations that were drawn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from emoforge.label import BASIC4
from emoforge.selection.audit import (
    EXPECTED,
    certify,
    is_wrong,
    p_value,
    plan_stratum,
    power,
    upper_bound,
    votes_at,
)


@given(st.integers(1, 60), st.data())
def test_the_p_value_is_the_exact_tail(population: int, data: st.DataObject) -> None:
    """Against counting all samples; alpha as a ratio of whole numbers, so that it is exact."""
    audited = data.draw(st.integers(1, population))
    errors = data.draw(st.integers(0, audited))
    alpha = data.draw(st.sampled_from([0.05, 0.1, 0.25, 0.5]))
    fewest = int(alpha * 20) * population // 20 + 1
    right = population - fewest
    ways = sum(
        math.comb(fewest, wrong) * math.comb(right, audited - wrong)
        for wrong in range(errors + 1)
        if wrong <= fewest and audited - wrong <= right
    )
    expected = ways / math.comb(population, audited)
    assert p_value(errors, audited, population, alpha) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("errors", "audited"), [(0, 29), (1, 46), (5, 120), (20, 100)])
def test_in_a_large_population_it_is_the_binomial_test(errors: int, audited: int) -> None:
    test = binomtest(errors, audited, 0.1, "less")
    assert p_value(errors, audited, 10**7, 0.1) == pytest.approx(test.pvalue, rel=1e-3)
    limit = test.proportion_ci(0.95, "exact").high
    assert upper_bound(errors, audited, 10**7, 0.05) == pytest.approx(limit, rel=1e-3)


@given(st.integers(2, 400), st.sampled_from([0.05, 0.1, 0.2]), st.data())
def test_the_binomial_tail_is_never_smaller_where_something_is_proven(
    population: int, alpha: float, data: st.DataObject
) -> None:
    audited = data.draw(st.integers(1, population))
    errors = data.draw(st.integers(0, audited))
    tail = binomtest(errors, audited, alpha, "less").pvalue
    if tail <= 0.3:
        assert p_value(errors, audited, population, alpha) <= tail + 1e-9


@given(st.integers(2, 300), st.data())
def test_bounds_are_monotone_and_agree_with_the_p_value(
    population: int, data: st.DataObject
) -> None:
    audited = data.draw(st.integers(1, population))
    errors = data.draw(st.integers(0, audited))
    bound = upper_bound(errors, audited, population, 0.05)
    assert errors / population <= bound <= 1
    if errors:
        assert upper_bound(errors - 1, audited, population, 0.05) <= bound
        assert p_value(errors - 1, audited, population, 0.1) <= p_value(
            errors, audited, population, 0.1
        )
    assert (p_value(errors, audited, population, 0.1) <= 0.05) == (
        round(bound * population) <= math.floor(0.1 * population + 1e-9)
    )
    if audited == population:
        assert bound == pytest.approx(errors / population)


# --- the procedure over many populations ----------------------------------------------------------

RISKS = {
    "flat, just above": lambda rank: np.full_like(rank, 0.115),
    "flat, half": lambda rank: np.full_like(rank, 0.05),
    "rising": lambda rank: 0.3 * rank,
    "a clean top and a cliff": lambda rank: np.where(rank < 0.6, 0.02, 0.5),
    # Probabilities that mislead: the surest are the worst.
    "upside down": lambda rank: np.where(rank < 0.3, 0.25, 0.06),
}


@pytest.mark.parametrize("size", [40, 90, 250])
@pytest.mark.parametrize("risk", RISKS)
def test_more_than_alpha_is_kept_in_a_share_delta_of_audits_at_most(risk: str, size: int) -> None:
    """Monte Carlo; δ = 0.2 instead of 0.05, so that violations would show in few audits."""
    rng = np.random.default_rng(7)
    alpha, delta, audits = 0.1, 0.2, 400
    population = 600
    rank = np.arange(population) / population
    violations = 0
    for _ in range(audits):
        scores = np.sort(rng.choice([rng.random(population), rng.integers(0, 9, population) / 9]))
        scores = scores[::-1].astype(np.float64)
        wrong = rng.random(population) < RISKS[risk](rank)
        heard = rng.choice(population, size, replace=False)
        found = certify(scores, heard, wrong[heard], alpha, delta)
        if found.threshold is not None:
            kept = scores >= found.threshold
            assert kept.sum() == found.kept
            violations += bool(wrong[kept].mean() > alpha)
    # Three standard errors of a share of δ.
    assert violations / audits <= delta + 3 * math.sqrt(delta * (1 - delta) / audits)


def test_the_risk_is_taken_where_it_is_due() -> None:
    """A guarantee that never fails would prove too little: just above α it fails as computed."""
    rng = np.random.default_rng(3)
    population, size, delta, audits = 1000, 24, 0.2, 1000
    expected = power(np.array([size]), population, 0.1, delta, 0.101)[0]
    assert 0.05 < expected <= delta
    failed = 0
    for _ in range(audits):
        wrong = rng.permutation(np.arange(population) < 101)
        heard = rng.choice(population, size, replace=False)
        failed += certify(rng.random(population), heard, wrong[heard], 0.1, delta).kept > 0
    assert failed / audits == pytest.approx(expected, abs=0.035)


def test_the_threshold_is_found_where_the_wrong_ones_begin() -> None:
    rng = np.random.default_rng(0)
    scores = np.linspace(1, 0.5, 2000)
    wrong = np.arange(2000) >= 1400
    heard = rng.choice(2000, 400, replace=False)
    found = certify(scores, heard, wrong[heard], 0.1, 0.05)
    assert found.threshold is not None
    assert 1300 <= found.kept <= 1555
    assert found.bound <= 0.1


@pytest.mark.parametrize("delta", [0.05, 0.0125])
@pytest.mark.parametrize("population", [5, 40, 3000])
def test_the_fewest_votes_prove_it_and_one_less_does_not(population: int, delta: float) -> None:
    plan = plan_stratum(population, 0.1, delta)
    for size, proven in ((plan.flawless, True), (plan.flawless - 1, False)):
        found = certify(np.ones(population), np.arange(size), np.zeros(size, bool), 0.1, delta)
        assert (found.threshold is not None) == proven
    if population == 3000 and delta == 0.05:
        assert plan.flawless == math.ceil(math.log(0.05) / math.log(0.9))


def test_a_planned_size_keeps_its_promise() -> None:
    rng = np.random.default_rng(1)
    population, alpha, delta = 4000, 0.1, 0.05
    plan = plan_stratum(population, alpha, delta)
    for part, size in zip(EXPECTED, plan.probable, strict=True):
        assert size is not None
        wrong = np.arange(population) < round(part * alpha * population)
        proven = 0
        for _ in range(300):
            # The order of scores says nothing of what is wrong.
            scores = rng.random(population)
            heard = rng.choice(population, size, replace=False)
            proven += certify(scores, heard, wrong[heard], alpha, delta).kept > 0
        assert proven / 300 >= 0.73
        assert power(np.array([size]), population, alpha, delta, part * alpha)[0] >= 0.8


def test_votes_at_a_share_that_stays() -> None:
    assert votes_at(5000, 0.1, 0.05, 0.3) is None
    needed = votes_at(5000, 0.1, 0.05, 0.05)
    assert needed is not None
    assert p_value(math.ceil(0.05 * needed), needed, 5000, 0.1) <= 0.025


def test_nothing_heard_proves_nothing() -> None:
    found = certify(np.ones(10), np.array([], np.int64), np.array([], bool), 0.1, 0.05)
    assert (found.threshold, found.kept, found.audited, found.bound) == (None, 0, 0, 1.0)


@pytest.mark.parametrize(
    ("votes", "wrong"),
    [
        ([], True),
        (["happy"], False),
        (["sad"], True),
        (["happy", "sad"], True),
        (["happy", "happy", "sad"], False),
        (["excited"], False),  # merged into happy, as the scheme does
        (["other"], True),
        (["happy", "fearful", "other"], True),  # neither is a class: one against two
    ],
)
def test_what_counts_as_wrong(votes: list[str], wrong: bool) -> None:
    assert is_wrong(votes, "happy", BASIC4) is wrong
