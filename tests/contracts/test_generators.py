"""What holds for every registered generator, on real speech and on sounds at the edge."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from emoforge.audio import Audio, encode_flac, write_flac
from emoforge.augment.importing import checked
from emoforge.clip import Clip
from emoforge.component import Generator, create, registered, rng_for
from emoforge.errors import ConfigError, SkipClip
from emoforge.label import BASIC4, Label

GENERATORS = sorted(registered("generator"))


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Clip]:
    """Four real clips of one speaker, one of each emotion."""
    with (shared / "corpora" / "emodb" / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"] == "emodb_03"]
    names = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
    clips = []
    for own, emotion in names.items():
        row = next(row for row in rows if row["emotion"] == own)
        clip = Clip(
            id=f"emodb/{Path(row['path']).stem}",
            path=str(shared / "corpora" / row["path"]),
            duration=0,
            rate=0,
            label=Label.of(emotion, BASIC4),
            speaker="emodb_03",
            corpus="emodb",
            text=row["text"],
            language="de",
            gender="male",
            split="train",
        )
        clips.append(checked(clip))
    return clips


def generator(name: str) -> Generator:
    made = cast(Generator, create("generator", name))
    made.check_requirements()
    made.setup()
    return made


@pytest.mark.parametrize("name", GENERATORS)
def test_planning_is_pure_and_plain(name: str, speech: list[Clip]) -> None:
    made = generator(name)
    for clip in speech:
        params = made.plan(clip, rng_for(1, clip.id))
        assert made.plan(clip, rng_for(1, clip.id)) == params
        assert json.loads(json.dumps(params)) == params
        assert any(made.plan(clip, rng_for(seed, clip.id)) != params for seed in range(2, 6))
        promise = made.promise(clip, params)
        assert promise == made.promise(clip, params)
        assert promise.label.scheme == clip.label.scheme
        assert 0.2 < promise.duration / clip.duration < 5
        plan = made.planned(clip, params)
        assert plan.id == made.planned(clip, json.loads(json.dumps(params))).id
        assert plan.id != made.planned(replace(clip, digest="other"), params).id


@pytest.mark.parametrize("name", GENERATORS)
def test_global_randomness_is_left_alone(name: str, speech: list[Clip]) -> None:
    np.random.seed(5)  # noqa: NPY002 - the state that must not change
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    made = generator(name)
    made.apply_batch(speech[:1], [made.plan(speech[0], rng_for(3))])
    assert np.array_equal(np.random.get_state()[1], before)  # type: ignore[index,arg-type] # noqa: NPY002


@pytest.mark.parametrize("name", GENERATORS)
def test_applying_keeps_the_promise(name: str, speech: list[Clip]) -> None:
    made = generator(name)
    params = [made.plan(clip, rng_for(2, clip.id)) for clip in speech]
    outcomes = made.apply_batch(speech, params)
    for clip, own, outcome in zip(speech, params, outcomes, strict=True):
        assert outcome.status == "ok", outcome.detail
        assert outcome.audio is not None
        audio = outcome.audio
        assert audio.samples.dtype == np.float32
        assert audio.rate == clip.rate
        assert np.isfinite(audio.samples).all()
        assert np.abs(audio.samples).max() <= 1
        assert 0.6 < audio.duration / made.promise(clip, own).duration < 1.6
        alone = made.apply_batch([clip], [own])[0].audio
        assert alone is not None
        assert np.array_equal(alone.samples, audio.samples)


@pytest.mark.parametrize("name", GENERATORS)
def test_another_process_makes_the_same_samples(
    name: str, speech: list[Clip], tmp_path: Path
) -> None:
    made = generator(name)
    clip = speech[1]
    params = made.plan(clip, rng_for(4))
    here = made.apply_batch([clip], [params])[0].audio
    assert here is not None
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from emoforge.audio import encode_flac\n"
        "from emoforge.clip import Clip\n"
        "from emoforge.component import create\n"
        "from emoforge.label import Label\n"
        "plain = json.loads(sys.argv[1])\n"
        "clip = Clip(**{**plain['clip'], 'label': Label.from_dict(plain['clip']['label'])})\n"
        f"made = create('generator', {name!r})\n"
        "made.setup()\n"
        "audio = made.apply_batch([clip], [plain['params']])[0].audio\n"
        "Path(sys.argv[2]).write_bytes(encode_flac(audio))\n"
    )
    fields = {slot: getattr(clip, slot) for slot in clip.__slots__ if slot != "lineage"}
    plain = {"clip": {**fields, "label": clip.label.to_dict()}, "params": params}
    out = tmp_path / "there.flac"
    command = [sys.executable, "-c", program, json.dumps(plain), str(out)]
    subprocess.run(command, check=True, timeout=120)
    assert out.read_bytes() == encode_flac(here)


def edges() -> dict[str, Audio]:
    rng = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    voice = (0.4 * np.sin(2 * np.pi * 150 * time) ** 5).astype(np.float32)
    return {
        "silence": Audio(np.zeros(16000, np.float32), 16000),
        "blink": Audio(voice[:1600], 16000),
        "clipped": Audio(np.clip(voice * 50, -1, 1), 16000),
        "noise": Audio(rng.uniform(-1, 1, 8000).astype(np.float32), 8000),
        "fast": Audio(voice, 48000),
    }


@pytest.mark.parametrize("edge", sorted(edges()))
@pytest.mark.parametrize("name", GENERATORS)
def test_sounds_at_the_edge_end_in_an_outcome(
    name: str, edge: str, speech: list[Clip], tmp_path: Path
) -> None:
    made = generator(name)
    path = tmp_path / f"{edge}.flac"
    write_flac(path, edges()[edge])
    clip = checked(replace(speech[2], id=edge, path=str(path), duration=0))
    try:
        params = made.plan(clip, rng_for(6))
    except SkipClip:
        return
    outcome = made.apply_batch([clip], [params])[0]
    if outcome.status == "ok":
        assert outcome.audio is not None
        assert np.isfinite(outcome.audio.samples).all()
        assert np.abs(outcome.audio.samples).max(initial=0) <= 1
        assert outcome.audio.rate == clip.rate
    else:
        assert outcome.detail


@pytest.mark.parametrize("name", GENERATORS)
def test_a_missing_source_fails_alone(name: str, speech: list[Clip]) -> None:
    made = generator(name)
    gone = replace(speech[0], id="gone", path="nowhere.flac")
    batch = [speech[1], gone, speech[2]]
    outcomes = made.apply_batch(batch, [made.plan(clip, rng_for(7)) for clip in batch])
    assert [outcomes[0].status, outcomes[2].status] == ["ok", "ok"]
    if made.family != "tts":  # text alone is enough to speak
        assert outcomes[1].status == "failed"
        assert "nowhere.flac" in outcomes[1].detail


@pytest.mark.parametrize("name", GENERATORS)
def test_an_unknown_option_names_the_known(name: str) -> None:
    with pytest.raises(ConfigError, match="known: "):
        create("generator", name, {"no_such_option": 1})
