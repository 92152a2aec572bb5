"""The control arms show what is there, and nothing that is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from materials import CLASSES, pool, world

from emoforge.errors import ConfigError
from emoforge.selection import Bootstrap, Material, TopK
from emoforge.selection.arms import (
    Cell,
    Design,
    Summary,
    Trial,
    compare,
    estimate,
    judge_alone,
    own_budget,
    run_cell,
    sign_flip,
    summarise,
)
from emoforge.selection.judges import HeadRecipe
from emoforge.selection.judges.metrics import macro_f1, uar

RECIPE = HeadRecipe()


def trial(seed: int = 0, *, test_speakers: int = 8, told: float = 1.0, **how: Any) -> Trial:
    """A world of 6 training speakers, and clips of other speakers to test on.

    told: share of the candidates of which the judge knows the truth; it guesses on the rest.
    """
    made, right = world(seed, **{"wrong": 0.7, "candidates": 800, **how})
    # The world's dev speakers, once more and under the names of many.
    held = made.dev
    test = replace(
        held,
        speakers=np.array([f"t{i % test_speakers}" for i in range(len(held))]),
        splits=np.full(len(held), "test"),
    )
    candidates = made.candidates
    rng = np.random.default_rng([seed, 1])
    truth = np.where(right, candidates.emotions, (candidates.emotions + 1) % CLASSES)
    truth = np.where(rng.random(len(truth)) < told, truth, rng.integers(0, CLASSES, len(truth)))
    heard = (0.2 * rng.dirichlet(np.ones(CLASSES), len(truth))).astype(np.float32)
    heard += np.float32(0.8) * np.eye(CLASSES, dtype=np.float32)[truth]
    candidates = replace(candidates, probabilities=heard, members=heard[None])
    material = Material(made.scheme, candidates, made.train, made.dev.take(np.array([], np.int64)))
    return Trial(material, made.train.embeddings, candidates.embeddings, test)


def evaluated(
    given: Trial, sizes: tuple[int | None, ...] = (2, 4), draws: int = 5, **how: Any
) -> Summary:
    design = Design.of(TopK(**how), [0.5], RECIPE)
    cells = [run_cell(given, design, n, seed) for n in sizes for seed in range(draws)]
    return summarise(cells, own_budget(design.selector), judge_alone(given))


def differences(summary: Summary) -> dict[tuple[str, str], Any]:
    return {(one.arm, one.against): one for one in summary.overall}


def test_what_was_made_of_others_or_of_a_text_is_told_apart() -> None:
    made = pool("c", [0, 0, 0, 0], parents=["real00000", "real00000", "", "real00003"])
    made = replace(made, references={1: ("real00001", "real00002"), 2: ("real00000",)})
    assert made.made_of(["real00000"]).tolist() == [True, False, True, False]
    assert made.made_of([f"real{i:05}" for i in range(3)]).tolist() == [True, True, True, False]
    assert made.made_of([]).tolist() == [False] * 4
    part = made.take(np.array([1, 2]))
    assert part.references == {0: ("real00001", "real00002"), 1: ("real00000",)}


def test_a_judge_that_knows_the_truth_beats_chance() -> None:
    given = trial()
    summary = evaluated(given)
    found = differences(summary)
    assert found["selected", "random"].uar.value > 0.1
    assert found["selected", "random"].uar.low > 0
    assert found["selected", "random"].uar.p == summary.least_p == 2 / 2**8
    assert found["selected", "real"].uar.low > 0
    assert found["all", "real"].uar.value < found["selected", "real"].uar.value
    assert summary.verdict.startswith("Selection helped: ")
    right = given.test.probabilities.argmax(1) == given.test.emotions
    counts = judge_alone(given)
    assert counts.shape == (8, CLASSES, CLASSES)
    assert counts.trace(axis1=1, axis2=2).sum() == right.sum()
    assert summary.judge_uar == estimate(counts[None, None], uar)
    assert summary.verdict.endswith("more than random ones at n = 2, 4.")
    assert "better than with real clips only" in summary.verdict


def test_a_judge_that_guesses_is_not_said_to_help() -> None:
    summary = evaluated(trial(told=0.0))
    assert abs(differences(summary)["selected", "random"].uar.value) < 0.05
    assert summary.verdict.startswith("Selection did not help: ")


def test_candidates_that_are_noise_are_not_said_to_help() -> None:
    given = trial()
    noise = np.random.default_rng(1).normal(size=given.candidates.shape).astype(np.float32)
    summary = evaluated(replace(given, candidates=noise))
    assert differences(summary)["selected", "real"].uar.value < 0.02
    assert "better than with real clips only" not in summary.verdict


def test_few_test_speakers_are_said_to_show_nothing() -> None:
    summary = evaluated(trial(test_speakers=3), sizes=(5,), draws=3)
    assert differences(summary)["selected", "random"].uar.low > 0
    assert "stays open" in summary.verdict
    assert "3 test speakers cannot give a p below 0.25" in summary.verdict


def test_few_keeps_n_of_each_class_and_only_their_children() -> None:
    given = trial(told=0.5)
    small, large = given.few(4, 1), given.few(9, 1)
    assert small.material.train.counts(CLASSES).tolist() == [4] * CLASSES
    assert set(small.material.train.ids) < set(large.material.train.ids)
    assert set(small.material.train.ids) != set(given.few(4, 2).material.train.ids)
    kept = set(small.material.train.ids)
    own = [str(parent) in kept for parent in given.material.candidates.parents]
    assert 0 < sum(own) < len(own)
    assert set(small.material.candidates.parents.tolist()) <= kept
    assert len(small.material.candidates) == sum(own)
    # What heads learn from are the rows of these clips.
    assert (small.train == small.material.train.embeddings).all()
    assert (small.candidates == small.material.candidates.embeddings).all()
    assert len(small.test) == len(given.test)


def test_children_of_other_clips_are_left_out_where_all_are_kept() -> None:
    given = trial()
    parents = given.material.candidates.parents.copy()
    parents[:100] = "a dev clip"
    material = replace(
        given.material, candidates=replace(given.material.candidates, parents=parents)
    )
    assert len(replace(given, material=material).few(None, 0).material.candidates) == 700


def test_random_has_the_classes_of_selected_and_other_clips() -> None:
    design = Design.of(TopK(), [0.5, 2.0], RECIPE)
    assert list(design.budgets) == [0.5, 1.0, 2.0]
    cell = run_cell(trial(), design, 8, 0)
    by = {(r.arm, r.budget): r for r in cell.results}
    assert list(cell.real) == [8] * CLASSES
    for budget in design.budgets:
        assert by["random", budget].added == by["selected", budget].added
        assert (by["random", budget].counts != by["selected", budget].counts).any()
    assert list(by["selected", 0.5].added) == [4] * CLASSES
    assert sum(by["all", None].added) > sum(by["selected", 2.0].added)
    assert by["real", None].added == [0] * CLASSES
    assert {r.counts.sum() for r in cell.results} == {len(trial().test)}


@pytest.mark.parametrize("selector", [TopK(), Bootstrap(rounds=2)])
def test_cells_are_the_same_again_and_survive_json(selector: TopK | Bootstrap) -> None:
    design = Design.of(selector, [1.0], RECIPE)
    one, two = (run_cell(trial(), design, 6, 3).to_dict() for _ in range(2))
    assert one == two == Cell.from_dict(one).to_dict()
    assert one != {**run_cell(trial(), design, 6, 4).to_dict(), "seed": 3}


def test_budgets_without_more_to_keep_are_said_to_be_exhausted() -> None:
    given = trial(candidates=120)
    design = Design.of(TopK(), [2.0, 4.0, 8.0], RECIPE)
    summary = summarise([run_cell(given, design, None, 0)], 1.0, judge_alone(given))
    assert (None, 8.0) in summary.exhausted
    shown = {s.budget for s in summary.scores if s.arm == "selected"}
    assert 1.0 in shown
    assert 8.0 not in shown


def test_emotions_without_real_training_clips_are_left_out() -> None:
    given = trial()
    train = given.material.train.take(given.material.train.emotions != 3)
    material = replace(given.material, train=train)
    without = Trial(material, train.embeddings, given.candidates, given.test)
    without.check()
    cell = run_cell(without, Design.of(TopK(), [1.0], RECIPE), 5, 0)
    for result in cell.results:
        assert result.added[3] == 0
        assert result.counts[:, 3].sum() == result.counts[:, :, 3].sum() == 0


def _only(given: Trial, **columns: Any) -> Trial:
    return replace(given, test=replace(given.test, **columns))


def test_what_cannot_be_shown_is_said() -> None:
    given = trial()
    count = len(given.test)
    with pytest.raises(ConfigError, match=r"two speakers or more, there are \d+ clips of 1"):
        _only(given, speakers=np.full(count, "x")).check()
    with pytest.raises(ConfigError, match=r"1 test speakers are in train or dev too \(s1\)"):
        _only(given, speakers=np.where(np.arange(count) % 2, "s1", "x")).check()
    with pytest.raises(ConfigError, match="no real test clip of "):
        replace(given, test=given.test.take(given.test.emotions != 2)).check()
    with pytest.raises(ConfigError, match="two speakers or more, there are 0 clips of 0"):
        replace(given, test=pool("x", [])).check()
    one = given.material.train.take(given.material.train.emotions == 1)
    with pytest.raises(ConfigError, match="two emotions or more, there are 24 clips of 1"):
        replace(given, material=replace(given.material, train=one)).check()
    with pytest.raises(ConfigError, match="n=25: there are 24 real training clips of"):
        given.few(25, 0)
    with pytest.raises(ConfigError, match="each must be above 0"):
        Design.of(TopK(), [0.0], RECIPE)


# --- statistics -------------------------------------------------------------------------------


def counts(right: list[list[int]], clips: int = 10) -> Any:
    """[1, draws, speakers, 2, 2] from how many of each class's clips each speaker has right."""
    r = np.array(right)
    return np.stack([np.stack([r, clips - r], -1), np.stack([clips - r, r], -1)], -2)[None]


def test_sign_flip_is_exact() -> None:
    assert sign_flip(np.array([0.1, 0.2, 0.3])) == 2 / 8
    assert sign_flip(np.zeros(5)) == 1
    # Of the sums ±3 ±1 ±1, those as far from 0 as 3 − 1 + 1: all but ±(3 − 1 − 1).
    assert sign_flip(np.array([3.0, -1.0, 1.0])) == 6 / 8


def test_sign_flip_of_many_speakers_is_drawn() -> None:
    rng = np.random.default_rng(0)
    assert sign_flip(rng.normal(1, 0.1, 20)) == pytest.approx(1 / 20000, abs=2e-4)
    even = [sign_flip(rng.normal(0, 1, 20)) for _ in range(100)]
    assert 0.35 < np.mean(even) < 0.65


def test_differences_are_paired() -> None:
    """Speakers differ by far more than the arms do: only a paired interval shows the difference."""
    worse = counts([[1, 3, 5, 7, 8, 2], [2, 3, 4, 7, 9, 2]])
    better = counts([[2, 4, 6, 8, 9, 3], [3, 4, 5, 8, 10, 3]])
    for metric in (uar, macro_f1):
        found = compare(better, worse, metric)
        assert found.value == pytest.approx(0.1)
        assert (found.low, found.high) == pytest.approx((0.1, 0.1))
        assert found.p == 2 / 2**6
        own = estimate(worse, metric)
        assert own.high - own.low > 0.2
        assert own.low < own.value < own.high


def test_intervals_know_of_other_draws() -> None:
    """Speakers who are all alike, and draws that are not: the interval is the draws'."""
    found = estimate(counts([[4] * 6, [6] * 6, [8] * 6]), uar)
    assert found.value == pytest.approx(0.6)
    assert found.low < 0.5
    assert found.high > 0.7
