"""Bootstrapping: it finds what carries its label, stops when it should, and can be interrupted."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from materials import CLASSES, material, pool, world

from emoforge.component import create
from emoforge.errors import ConfigError
from emoforge.selection import Bootstrap, Choice, Material, Round, TopK


def run(
    given: Material, selector: Bootstrap, done: Sequence[Round] = (), seed: int = 0
) -> tuple[Choice, list[Round]]:
    """What it chooses, and the rounds that it tells of, which are plain JSON."""
    rounds = list(done)
    choice = selector.select(given, seed=seed, done=done, note=rounds.append)
    logs = [json.loads(json.dumps(dict(found.log), allow_nan=False)) for found in rounds]
    again = zip(rounds, logs, strict=True)
    return choice, [Round(found.number, found.keep, log) for found, log in again]


def decided(choice: Choice, given: Material) -> list[object]:
    return list(choice.decisions(given.candidates.ids))


# --- what it is for ---------------------------------------------------------------------------


def test_it_finds_the_candidates_that_carry_their_label() -> None:
    """Half of the labels are wrong, and neither the judge nor the head alone knows which."""
    right = {"judge": [], "head": [], "both": []}
    for seed in range(4):
        given, good = world(seed, candidates=400, apart=0.5)
        kept = {
            "judge": TopK(threshold=0).select(given).keep,
            "head": run(given, Bootstrap(judge=False))[0].keep,
            "both": run(given, Bootstrap())[0].keep,
        }
        for name, keep in kept.items():
            assert keep.sum() > 40
            right[name].append(good[keep].mean())
    share = {name: np.mean(found) for name, found in right.items()}
    assert share["judge"] > 0.7
    assert share["head"] > share["judge"] + 0.05
    assert share["both"] > max(share["head"], 0.93)


def test_what_is_kept_follows_the_policy_and_the_prior() -> None:
    given, _ = world(1)
    options = {"name": "topk", "threshold": 0.7, "budget": 0.5, "matching": True}
    choice, rounds = run(given, Bootstrap(options))
    kept = np.bincount(given.candidates.emotions[choice.keep], minlength=CLASSES)
    prior = given.train.counts(CLASSES)
    assert (kept <= np.round(0.5 * prior)).all()
    assert np.ptp(kept / prior) < 1.5 / prior.min()
    assert (choice.probability[choice.keep] >= 0.7).all()
    heard = given.candidates.probabilities
    assert (heard.argmax(1) == given.candidates.emotions)[choice.keep].all()
    best = rounds[-1].log["best"]
    assert (choice.keep == rounds[best].keep).all()
    reasons = [d.reason for d in choice.decisions(given.candidates.ids)]
    assert {word: reasons.count(word) for word in set(reasons)} == rounds[best].log["reasons"]
    said = {choice.sentence(row) for row in np.flatnonzero(choice.reasons == 1)}
    assert any(sentence.startswith("the judge hears") for sentence in said)
    assert any(sentence.startswith(f"the head of round {best - 1} hears") for sentence in said)


def test_rounds_say_what_happened() -> None:
    given, _ = world(2)
    _, rounds = run(given, Bootstrap())
    assert [found.number for found in rounds] == list(range(len(rounds)))
    assert not rounds[0].keep.any()
    assert rounds[0].log["learnt"] == {"real": 120, "kept": 0}
    for before, found in pairwise(rounds):
        log = found.log
        count = int(found.keep.sum())
        assert log["learnt"] == {"real": 120, "kept": count}
        assert sum(log["kept"]["by_class"].values()) == count
        assert sum(log["kept"]["by_generator"].values()) == count
        assert set(log["kept"]["by_generator"]) == {"espeak", "signal"}
        assert log["wanted"] == {"angry": 30, "happy": 24, "neutral": 40, "sad": 26}
        assert log["added"] == np.count_nonzero(found.keep & ~before.keep)
        assert log["dropped"] == np.count_nonzero(before.keep & ~found.keep)
        assert sum(log["reasons"].values()) == len(given.candidates)
        assert log["dev"]["by"] == "dev"
        assert log["dev"]["clips"] == 120
        assert 0 < log["dev"]["macro_f1"] <= 1
        assert 0 < log["dev"]["uar"] <= 1
    scores = [found.log["dev"]["macro_f1"] for found in rounds[1:]]
    last = rounds[-1].log
    assert last["best"] == 1 + scores.index(max(scores))
    assert last["stopped"] in ("patience", "settled", "rounds")
    assert all(found.log["stopped"] == "" for found in rounds[:-1])
    if last["stopped"] == "patience":
        assert last["best"] == len(rounds) - 3


def test_without_patience_all_rounds_run_and_the_last_counts() -> None:
    given, _ = world(3, candidates=200)
    options = {"name": "topk", "diversity": 2}
    choice, rounds = run(given, Bootstrap(options, rounds=3, patience=None))
    assert rounds[-1].log["stopped"] in ("rounds", "settled")
    assert rounds[-1].log["best"] == rounds[-1].number
    assert (choice.keep == rounds[-1].keep).all()


# --- going on -----------------------------------------------------------------------------------


def test_after_any_round_it_goes_on_to_the_same_choice() -> None:
    given, _ = world(5, candidates=300)
    selector = Bootstrap({"name": "topk", "duplicates": 0.95}, rounds=4)
    choice, rounds = run(given, selector)
    assert len(rounds) > 3
    again, same = run(given, selector)
    assert decided(again, given) == decided(choice, given)
    for done in range(1, len(rounds) + 1):
        resumed, found = run(given, selector, rounds[:done])
        assert decided(resumed, given) == decided(choice, given)
        assert [f.log for f in found] == [f.log for f in rounds] == [f.log for f in same]
        for one, other in zip(found, rounds, strict=True):
            assert (one.keep == other.keep).all()


def test_the_order_of_generators_and_the_global_seed_do_not_matter() -> None:
    import torch

    given, _ = world(6, candidates=200)
    torch.manual_seed(1)
    first, _ = run(given, Bootstrap(rounds=2))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second, _ = run(given, Bootstrap(rounds=2))
    assert torch.equal(state, torch.get_rng_state())
    assert decided(first, given) == decided(second, given)


# --- what there may be little of ----------------------------------------------------------------


def test_without_dev_clips_speakers_are_held_out_in_turn() -> None:
    given, good = world(7, dev=False, candidates=300)
    choice, rounds = run(given, Bootstrap(rounds=3))
    assert all(found.log["dev"]["by"] == "folds" for found in rounds)
    assert rounds[0].log["dev"]["clips"] == len(given.train)
    assert good[choice.keep].mean() > 0.8
    resumed, _ = run(given, Bootstrap(rounds=3), rounds[:2])
    assert decided(resumed, given) == decided(choice, given)


def test_folds_share_neither_speakers_nor_parents() -> None:
    from emoforge.selection.selectors.bootstrap import _folds

    given, _ = world(8, dev=False, speakers=7)
    # Voice conversion: a candidate has another speaker's voice than its parent.
    candidates = replace(given.candidates, speakers=np.roll(given.candidates.speakers, 1))
    given = replace(given, candidates=candidates)
    folds = list(_folds(given))
    assert len(folds) == 5
    assert (np.sum([held for held, _ in folds], 0) == 1).all()
    for held, usable in folds:
        ids = {given.train.ids[i] for i in np.flatnonzero(held)}
        speakers = set(given.train.speakers[held])
        assert not speakers & set(given.train.speakers[~held])
        assert not speakers & set(candidates.speakers[usable])
        assert not ids & set(candidates.parents[usable])
        assert usable.any()


def test_one_speaker_only_shows_nothing_about_others() -> None:
    given, _ = world(9, dev=False, speakers=1, candidates=80)
    with pytest.raises(ConfigError, match=r"the training clips are of one speaker.*patience=null"):
        run(given, Bootstrap())
    choice, rounds = run(given, Bootstrap(rounds=2, patience=None))
    assert choice.keep.any()
    assert rounds[-1].log["dev"] == {"by": "none"}


def test_without_candidates_there_is_nothing_to_decide() -> None:
    choice, rounds = run(material(pool("c", [])), Bootstrap())
    assert (len(choice.keep), rounds) == (0, [])


def test_without_real_clips_there_is_nothing_to_learn() -> None:
    with pytest.raises(ConfigError, match="there are 0 clips of 0"):
        run(material(pool("c", [1]), (0, 0, 0, 0)), Bootstrap())
    with pytest.raises(ConfigError, match="there are 9 clips of 1"):
        run(material(pool("c", [1]), (0, 9, 0, 0)), Bootstrap())


def test_a_class_that_no_real_clip_has_is_left_out() -> None:
    given, _ = world(10, prior=(20, 0, 20, 20), candidates=200)
    candidates = given.candidates
    candidates.emotions[:20] = 1
    choice, _ = run(given, Bootstrap(rounds=2, judge=False))
    assert choice.keep.any()
    assert not choice.keep[candidates.emotions == 1].any()


def test_nothing_supported_is_said_and_over_at_once() -> None:
    given, _ = world(11, candidates=50)
    options = {"name": "threshold", "default": 1}
    if "threshold" not in known():
        pytest.skip("not registered")
    choice, rounds = run(given, Bootstrap(options))
    assert not choice.keep.any()
    assert rounds[-1].log["stopped"] == "settled"


def known() -> list[str]:
    from emoforge.component import registered

    return list(registered("selector"))


@pytest.mark.parametrize("name", ["conformal", "consensus", "calibrated", "threshold"])
def test_every_policy_works_with_the_head(name: str) -> None:
    given, good = world(12, candidates=300)
    members = np.stack([given.candidates.probabilities] * 2)
    given = replace(given, candidates=replace(given.candidates, members=members))
    selector = Bootstrap({"name": name}, rounds=2, judge=name == "consensus")
    choice, _ = run(given, selector)
    assert good[choice.keep].mean() > 0.75
    if name == "consensus":
        assert any("of 3 judges hear" in choice.sentence(row) for row in range(300))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rounds": 0}, "rounds=0"),
        ({"patience": 0}, "patience=0"),
        ({"policy": {"name": "topkk"}}, "did you mean 'topk'"),
        ({"policy": {}}, "there is no selector ''"),
        ({"policy": {"name": "topk", "threshold": 2}}, "threshold=2"),
        ({"policy": {"name": "topk", "treshold": 2}}, "did you mean 'threshold'"),
        ({"policy": {"name": "bootstrap"}}, "name a policy"),
        ({"head": {"hiden": 3}}, "did you mean 'hidden'"),
        ({"head": {"steps": "many"}}, "head.steps='many'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        create("selector", "bootstrap", options)


def test_its_signature_has_the_policy_s_version_and_defaults() -> None:
    signature = Bootstrap({"name": "topk", "threshold": 0.6}).signature()
    assert signature["policy"] == TopK(0.6).signature()
    assert signature["policy"]["budget"] == 1.0
