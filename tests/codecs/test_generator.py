"""The generator `codec`: chains, what was measured, and codecs that are not what was planned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import read, write_flac
from emoforge.clip import Clip
from emoforge.codecs import choose_codecs
from emoforge.codecs.generator import CodecResynthesis
from emoforge.component import rng_for
from emoforge.errors import ConfigError, RequirementError
from emoforge.label import BASIC4, Label


@pytest.fixture
def clips(shared: Path) -> list[Clip]:
    files = sorted((shared / "corpora" / "emodb").glob("*.flac"))[:4]
    return [
        Clip(
            id=file.stem, path=str(file), duration=read(file).duration, rate=16000,
            digest=file.stem, label=Label.of("happy", BASIC4), speaker="a", corpus="emodb",
        )
        for file in files
    ]  # fmt: skip


def test_chains_are_drawn_of_different_codecs_and_of_every_length(clips: list[Clip]) -> None:
    made = CodecResynthesis(codecs=["opus@8", "gsm", "alaw", "g722@all"], longest=3)
    lengths, codecs = set(), set()
    for seed in range(60):
        chain = made.plan(clips[0], rng_for(seed))["chain"]
        steps = [(step["codec"], step["options"]["kbps"]) for step in chain]
        assert len(set(steps)) == len(steps)
        lengths.add(len(steps))
        codecs.update(steps)
    assert lengths == {1, 2, 3}
    assert codecs == {("opus", 8), ("gsm", 13), ("alaw", 64), *(("g722", k) for k in (48, 56, 64))}


def test_a_chain_is_its_codecs_one_after_the_other(clips: list[Clip]) -> None:
    made = CodecResynthesis(codecs=["opus@8", "amr_nb@4.75"], longest=2)
    plans = (made.plan(clips[0], rng_for(seed)) for seed in range(50))
    params = next(plan for plan in plans if len(plan["chain"]) == 2)
    [outcome] = made.apply_batch([clips[0]], [params])
    audio, kbps, delays = clips[0].read(), [], []
    for step in params["chain"]:
        [one] = choose_codecs([f"{step['codec']}@{step['options']['kbps']:g}"], {})
        coded = one.codec.roundtrip(audio)
        audio = coded.audio
        kbps.append(coded.kbps)
        delays.append(1000 * coded.delay)
    assert outcome.audio is not None
    assert np.array_equal(outcome.audio.samples, audio.samples)
    assert outcome.measured == pytest.approx(
        {
            "kbps": min(kbps),
            "kbps_1": kbps[0],
            "kbps_2": kbps[1],
            "coded_hz": 8000,
            "delay_ms": sum(delays),
        }
    )


def test_a_clip_that_fails_midway_fails_alone(clips: list[Clip], tmp_path: Path) -> None:
    made = CodecResynthesis(codecs=["opus@8", "gsm"], longest=2)
    broken = tmp_path / "broken.flac"
    write_flac(broken, clips[0].read())
    broken.write_bytes(broken.read_bytes()[:3000])
    batch = [clips[0], replace(clips[1], path=str(broken)), clips[2]]
    outcomes = made.apply_batch(batch, [made.plan(c, rng_for(c.id)) for c in batch])
    assert [o.status for o in outcomes] == ["ok", "failed", "ok"]
    assert "broken.flac" in outcomes[1].detail


def test_another_library_than_planned_with_is_refused(clips: list[Clip]) -> None:
    made = CodecResynthesis(codecs=["opus@8"])
    params = made.plan(clips[0], rng_for(0))
    older = {"chain": [{**params["chain"][0], "weights": "another"}]}
    old, now = made.apply_batch(clips[:2], [older, params])
    assert (old.status, now.status) == ("failed", "ok")
    assert "planned with weights another" in old.detail


def test_neural_codecs_take_their_weights_from_the_settings(
    clips: list[Clip], shared: Path
) -> None:
    weights = shared / "weights" / "lyra_v1"
    made = CodecResynthesis(codecs=["lyra@3.2"], codec={"lyra": {"model": str(weights)}})
    made.check_requirements()
    params = made.plan(clips[0], rng_for(0))
    assert str(weights) not in str(params)  # another machine has them elsewhere
    [outcome] = made.apply_batch([clips[0]], [params])
    assert outcome.audio is not None
    assert 3.1 < outcome.measured["kbps"] < 3.4


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"codecs": []}, ConfigError, "codecs is empty"),
        ({"longest": 0}, ConfigError, "longest=0"),
        ({"codecs": ["opsu@8"]}, ConfigError, "did you mean 'opus'"),
        ({"codecs": ["lyra@3.2"]}, RequirementError, r"generators\.codec\.codec\.lyra\.model=DIR"),
    ],
)
def test_what_cannot_be_is_said_before_the_run(
    options: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        CodecResynthesis(**options).check_requirements()  # type: ignore[arg-type]
