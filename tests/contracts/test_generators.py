"""What holds for every registered generator, on real speech and on sounds at the edge.

Voice converters that are networks come as tiny random checkpoints: what they give is noise, of the
right length. What needs other weights or programs is skipped with the doctor's sentence.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from emoforge.audio import Audio, encode_flac, write_flac
from emoforge.augment.importing import checked
from emoforge.clip import Clip
from emoforge.component import Generator, create, registered, rng_for
from emoforge.errors import ConfigError, RequirementError, SkipClip
from emoforge.label import BASIC4, Label
from emoforge.synthesis.tts.worker import SCRIPTS

GENERATORS = sorted(registered("generator"))
TINY = {"knnvc", "openvoice"}
Make = Callable[[str], Generator]
Options = Callable[[str], dict[str, Any]]
# librosa and coqui-tts announce changes of their own.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Clip]:
    """Four real clips of one speaker, one of each emotion; two of another show a voice."""
    with (shared / "corpora" / "emodb" / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}

    def recording(row: dict[str, str]) -> Clip:
        clip = Clip(
            id=f"emodb/{Path(row['path']).stem}",
            path=str(shared / "corpora" / row["path"]),
            duration=0,
            rate=0,
            label=Label.of(names[row["emotion"]], BASIC4),
            speaker=row["speaker"],
            corpus="emodb",
            text=row["text"],
            language="de",
            gender=row["gender"],
            split="train",
        )
        return checked(clip)

    def of(speaker: str, emotion: str) -> Clip:
        found = [row for row in rows if (row["speaker"], row["emotion"]) == (speaker, emotion)]
        return recording(found[0])

    voice = (of("emodb_09", "neutral"), of("emodb_09", "anger"))
    return [replace(of("emodb_03", emotion), references=voice) for emotion in names]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Options:
    """The options of a generator by its name, with weights where there are some to be had."""
    written: dict[str, dict[str, Any]] = {}

    def of(name: str) -> dict[str, Any]:
        if name == "hts":
            return {"model": str(request.getfixturevalue("shared") / "weights" / "hts_voices")}
        if name == "worker":
            return {"python": sys.executable, "script": str(SCRIPTS / "reference_worker.py")}
        if name in TINY and name not in written:
            import tiny_vc  # type: ignore[import-not-found,unused-ignore]

            written[name] = tiny_vc.write(name, tmp_path_factory.mktemp(name))
        return written.get(name, {})

    return of


@pytest.fixture(scope="module")
def make(options: Options) -> Iterator[Make]:
    """A generator by its name, ready to run; skips with the doctor's sentence where it cannot."""

    def ready(name: str) -> Generator:
        made = cast(Generator, create("generator", name, options(name)))
        try:
            made.check_requirements()
            made.setup()
        except RequirementError as error:
            pytest.skip(str(error))
        return made

    helpers = str(Path(__file__).parents[1] / "synthesis")
    sys.path.insert(0, helpers)
    try:
        yield ready
    finally:
        sys.path.remove(helpers)


def served(name: str, clips: list[Clip]) -> list[Clip]:
    """The clips as the generator can take them: a Japanese engine gets a Japanese text."""
    if name != "hts":
        return clips
    return [replace(clip, text="今日は学校へ行きます。", language="ja") for clip in clips]


@pytest.mark.parametrize("name", GENERATORS)
def test_planning_is_pure_and_plain(name: str, make: Make, speech: list[Clip]) -> None:
    made = make(name)
    for clip in served(name, speech):
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
def test_global_randomness_is_left_alone(name: str, make: Make, speech: list[Clip]) -> None:
    np.random.seed(5)  # noqa: NPY002 - the state that must not change
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    made = make(name)
    clip = served(name, speech)[0]
    made.apply_batch([clip], [made.plan(clip, rng_for(3))])
    assert np.array_equal(np.random.get_state()[1], before)  # type: ignore[index,arg-type] # noqa: NPY002


@pytest.mark.parametrize("name", GENERATORS)
def test_applying_keeps_the_promise(name: str, make: Make, speech: list[Clip]) -> None:
    made = make(name)
    clips = served(name, speech)
    params = [made.plan(clip, rng_for(2, clip.id)) for clip in clips]
    outcomes = made.apply_batch(clips, params)
    for clip, own, outcome in zip(clips, params, outcomes, strict=True):
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
    name: str, make: Make, options: Options, speech: list[Clip], tmp_path: Path
) -> None:
    made = make(name)
    clip = served(name, speech)[1]
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
        "def clip_of(plain):\n"
        "    others = tuple(map(clip_of, plain['references']))\n"
        "    label = Label.from_dict(plain['label'])\n"
        "    return Clip(**{**plain, 'label': label, 'references': others})\n"
        "plain = json.loads(sys.argv[1])\n"
        "clip = clip_of(plain['clip'])\n"
        f"made = create('generator', {name!r}, plain['options'])\n"
        "made.setup()\n"
        "audio = made.apply_batch([clip], [plain['params']])[0].audio\n"
        "Path(sys.argv[2]).write_bytes(encode_flac(audio))\n"
    )
    plain = {"clip": as_json(clip), "params": params, "options": options(name)}
    out = tmp_path / "there.flac"
    command = [sys.executable, "-c", program, json.dumps(plain), str(out)]
    subprocess.run(command, check=True, timeout=120)
    assert out.read_bytes() == encode_flac(here)


def as_json(clip: Clip) -> dict[str, Any]:
    fields = {slot: getattr(clip, slot) for slot in clip.__slots__ if slot != "lineage"}
    others = [as_json(one) for one in clip.references]
    return {**fields, "label": clip.label.to_dict(), "references": others}


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
    name: str, edge: str, make: Make, speech: list[Clip], tmp_path: Path
) -> None:
    made = make(name)
    path = tmp_path / f"{edge}.flac"
    write_flac(path, edges()[edge])
    clip = checked(replace(served(name, speech)[2], id=edge, path=str(path), duration=0))
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
def test_a_missing_source_fails_alone(name: str, make: Make, speech: list[Clip]) -> None:
    made = make(name)
    first, second, third, _ = served(name, speech)
    gone = replace(first, id="gone", path="nowhere.flac")
    batch = [second, gone, third]
    outcomes = made.apply_batch(batch, [made.plan(clip, rng_for(7)) for clip in batch])
    assert [outcomes[0].status, outcomes[2].status] == ["ok", "ok"]
    if made.family != "tts":  # text alone is enough to speak
        assert outcomes[1].status == "failed"
        assert "nowhere.flac" in outcomes[1].detail


@pytest.mark.parametrize("name", GENERATORS)
def test_an_unknown_option_names_the_known(name: str) -> None:
    with pytest.raises(ConfigError, match="known: "):
        create("generator", name, {"no_such_option": 1})
