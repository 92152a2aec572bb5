"""The `prosody` generator."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import ConfigError, LabelError, SkipClip
from emoforge.label import BASIC4, Label
from emoforge.synthesis.prosody import load_profile, measure
from emoforge.synthesis.prosody.generator import Prosody

CLIP = Clip(
    id="c/1",
    path="/nowhere.flac",  # planning never reads it
    duration=2.0,
    rate=16000,
    label=Label(BASIC4, (0.1, 0.2, 0.6, 0.1)),
    speaker="a",
    corpus="c",
)


def test_plan_is_plain_and_repeatable() -> None:
    generator = Prosody()
    plans = [generator.plan(CLIP, rng_for(1)) for _ in range(2)]
    assert plans[0] == plans[1] == json.loads(json.dumps(plans[0]))
    assert plans[0] != generator.plan(CLIP, rng_for(2))


def test_kept_emotion_keeps_the_whole_label_and_stays_near() -> None:
    generator = Prosody(change=0)
    for i in range(50):
        params = generator.plan(CLIP, rng_for(i))
        assert generator.promise(CLIP, params).label == CLIP.label
        spread = load_profile().spread("neutral")
        assert abs(params["controls"]["f0_level"]) <= spread["f0_level"] + 1e-4
        assert abs(np.log(params["controls"]["rate"])) <= spread["rate"] + 1e-4


def test_changed_emotion_is_promised() -> None:
    generator = Prosody(change=1)
    seen = set()
    for i in range(60):
        params = generator.plan(CLIP, rng_for(i))
        promise = generator.promise(CLIP, params)
        assert promise.label == Label.of(params["emotion"], BASIC4)
        assert promise.duration == pytest.approx(2.0 / params["controls"]["rate"])
        seen.add(params["emotion"])
    assert seen == {"angry", "happy", "sad"}


def test_share_of_changes() -> None:
    generator = Prosody(change=0.3)
    changed = sum(generator.plan(CLIP, rng_for(i))["emotion"] != "neutral" for i in range(400))
    assert changed / 400 == pytest.approx(0.3, abs=0.08)


def test_targets() -> None:
    generator = Prosody(change=1, targets=["sad"])
    assert {generator.plan(CLIP, rng_for(i))["emotion"] for i in range(10)} == {"sad"}
    sad = replace(CLIP, label=Label.of("sad", BASIC4))
    assert generator.plan(sad, rng_for(1))["emotion"] == "sad"
    with pytest.raises(ConfigError, match="did you mean 'sad'"):
        Prosody(targets=["sadd"])
    with pytest.raises(LabelError, match="basic4"):
        Prosody(targets=["calm"]).plan(CLIP, rng_for(1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": Label.of("other")}, "no 'other'"),
        ({"duration": 0.05}, "0.05 s"),
        ({"duration": 61.0}, "61.00 s"),
    ],
)
def test_clips_that_it_cannot_serve(change: dict[str, object], reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        Prosody().plan(replace(CLIP, **change), rng_for(1))  # type: ignore[arg-type]


def test_apply_keeps_the_promise(short_clips: list[Clip]) -> None:
    generator = Prosody(change=1, targets=["angry", "sad"])
    for clip in short_clips[:4]:
        params = generator.plan(clip, rng_for(clip.id))
        made = generator.apply(clip, params)
        assert made.rate == clip.rate
        assert len(made.samples) == round(len(clip.read().samples) / params["controls"]["rate"])
        assert made.duration == pytest.approx(generator.promise(clip, params).duration, abs=0.002)
        again = generator.apply(clip, json.loads(json.dumps(params)))
        np.testing.assert_array_equal(made.samples, again.samples)


def test_a_bad_item_fails_alone(short_clips: list[Clip]) -> None:
    generator = Prosody()
    good = short_clips[0]
    bad = replace(good, id="bad", path="/nowhere.flac")
    params = generator.plan(good, rng_for(1))
    outcomes = generator.apply_batch([bad, good], [params, params])
    assert [o.status for o in outcomes] == ["failed", "ok"]
    assert outcomes[0].reason == "AudioError"


def test_angry_is_higher_and_livelier_than_sad(short_clips: list[Clip]) -> None:
    found = {}
    for emotion in ("angry", "sad"):
        generator = Prosody(change=1, targets=[emotion], strength=(1, 1), variation=0)
        found[emotion] = [
            measure(generator.apply(clip, generator.plan(clip, rng_for(1))))
            for clip in short_clips[:4]
        ]
    asked = load_profile().shift("sad", "angry")
    for name in ("f0_level", "tilt"):
        difference = np.mean(
            [
                getattr(a, name) - getattr(s, name)
                for a, s in zip(found["angry"], found["sad"], strict=True)
            ]
        )
        assert difference == pytest.approx(asked[name], rel=0.4)


@pytest.mark.parametrize(
    "options",
    [{"change": 1.5}, {"strength": (-1, 1)}, {"variation": -0.1}, {"profile": "/none.yaml"}],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        create("generator", "prosody", options)
