"""Every clip under every condition, once: real codecs, the real judge, codecs that misbehave."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from emoforge.audio import Audio
from emoforge.augment import CorpusConfig, read_corpus
from emoforge.augment.emotion_loss.job import Way
from emoforge.augment.emotion_loss.measuring import measure_conditions
from emoforge.augment.emotion_loss.store import Store
from emoforge.augment.importing import sound_clips
from emoforge.clip import Clip
from emoforge.codecs import Coded, choose_codecs
from emoforge.codecs.report import LowPass, Unchanged
from emoforge.component import create
from emoforge.errors import AudioError
from emoforge.label import FULL
from emoforge.progress import Progress
from emoforge.selection import Judge
from emoforge.selection.measures import Measure, Result

QUIET = Progress(quiet=True)


@pytest.fixture
def clips(few: Path) -> list[Clip]:
    return sound_clips(
        read_corpus(CorpusConfig(name="few", reader="manifest", root="", manifest=str(few)), FULL),
        QUIET,
    ).clips


@pytest.fixture(scope="module")
def judge() -> Judge:
    made = create("judge", "embedded")
    assert isinstance(made, Judge)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "measurements.sqlite")
    yield made
    made.close()


def measures(*names: str) -> dict[str, Measure]:
    found = {name: create("measure", name) for name in names}
    return {name: one for name, one in found.items() if isinstance(one, Measure)}


def run(
    store: Store,
    clips: list[Clip],
    given: dict[str, Way],
    own: dict[str, Measure],
    judge: Judge,
    workers: int,
) -> None:
    """All clips get all measures."""
    measured = {clip.digest for clip in clips}
    measure_conditions(store, clips, given, own, measured, judge, workers, QUIET)


def ways(*specs: str) -> dict[str, Way]:
    return {
        "original": Unchanged(),
        **{one.spec: one.codec for one in choose_codecs(specs, {})},
        "low": LowPass(),
    }


@dataclass(frozen=True)
class Misbehaving:
    """Fails on clips whose first samples say so, in the way that is asked for."""

    how: str
    victims: tuple[float, ...]

    def setup(self) -> None:
        pass

    def roundtrip(self, audio: Audio) -> Coded:
        if float(audio.samples.sum()) in self.victims:
            if self.how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "raise":
                raise RuntimeError("no such luck")
            raise AudioError("not this one")
        return Coded(audio, 1.0, audio.rate, 0.0)


@pytest.mark.parametrize("workers", [0, 2])
def test_all_is_measured_and_heard_once(
    workers: int, clips: list[Clip], store: Store, judge: Judge
) -> None:
    own = measures("mel", "si_sdr")
    given = ways("opus@6", "alaw@64")
    run(store, clips, given, own, judge, workers)
    digests = {clip.digest for clip in clips}
    for condition in given:
        assert {clip for clip, _ in store.heard(condition, judge.encoder)} == digests
        for key in own:
            assert {clip for clip, _ in store.measured(condition, key)} == digests
    kbps = [own[0] for own in store.sounds("opus@6").values()]
    assert 4 < np.median(kbps) < 8
    mel = {c: dict(store.measured(c, "mel")) for c in given}
    names = list(next(iter(mel["low"].values())))
    for clip in digests:
        assert mel["original"][clip][names[0]] == pytest.approx(0, abs=1e-5)
        assert mel["alaw@64"][clip][names[0]] < mel["opus@6"][clip][names[0]]


def test_a_sample_is_measured_and_all_are_heard(
    clips: list[Clip], store: Store, judge: Judge
) -> None:
    some = {clip.digest for clip in clips[::4]}
    own = measures("mel")
    measure_conditions(store, clips, ways("alaw@64"), own, some, judge, 0, QUIET)
    assert {clip for clip, _ in store.measured("alaw@64", "mel")} == some
    assert len(dict(store.heard("alaw@64", judge.encoder))) == len(clips)
    run(store, clips, ways("alaw@64"), own, judge, 0)
    assert len(dict(store.measured("alaw@64", "mel"))) == len(clips)


def test_what_is_there_is_not_done_again_and_what_is_new_is(
    clips: list[Clip], store: Store, judge: Judge
) -> None:
    run(store, clips, ways("opus@6"), measures("mel"), judge, 0)
    before = dict(store.measured("opus@6", "mel"))
    # Were the known conditions coded again, they would fail.
    refusing = {
        key: Misbehaving("refuse", tuple(float(c.read().samples.sum()) for c in clips))
        for key in ways("opus@6")
    }
    more = {**refusing, "alaw@64": ways("alaw@64")["alaw@64"]}
    run(store, clips, more, measures("mel"), judge, 0)
    assert dict(store.measured("opus@6", "mel")) == before
    assert not any(fault for *_, fault in store.sounds("opus@6").values())
    assert len(dict(store.measured("alaw@64", "mel"))) == len(clips)
    # A measure that is new needs the sounds again, and leaves the others' rows.
    run(store, clips, ways("opus@6"), measures("mel", "si_sdr"), judge, 0)
    assert dict(store.measured("opus@6", "mel")) == before
    assert len(dict(store.measured("opus@6", "si_sdr"))) == len(clips)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("die", "the codec crashed on this clip"),
        ("raise", "RuntimeError: no such luck"),
        ("refuse", "not this one"),
    ],
)
def test_a_codec_that_fails_on_a_clip_fails_there_alone(
    how: str, sentence: str, clips: list[Clip], store: Store, judge: Judge
) -> None:
    victim = clips[3]
    given = {
        "original": Unchanged(),
        "bad": Misbehaving(how, (float(victim.read().samples.sum()),)),
        "low": LowPass(),
    }
    run(store, clips, given, measures("mel"), judge, 1 if how == "die" else 0)
    faults = {clip: fault for clip, (*_, fault) in store.sounds("bad").items() if fault}
    assert faults == {victim.digest: sentence}
    assert len(dict(store.measured("bad", "mel"))) == len(clips) - 1
    for condition in ("original", "low"):
        assert not any(fault for *_, fault in store.sounds(condition).values())
        assert len(dict(store.measured(condition, "mel"))) == len(clips)


def test_a_recording_that_went_away_fails_alone_until_it_is_back(
    clips: list[Clip], store: Store, judge: Judge
) -> None:
    place = Path(clips[0].path)
    place.rename(place.with_suffix(".away"))
    run(store, clips, ways("alaw@64"), measures("mel"), judge, 0)
    faults = {clip: fault for clip, (*_, fault) in store.sounds("alaw@64").items() if fault}
    assert faults == {clips[0].digest: "No such file or directory"}
    place.with_suffix(".away").rename(place)
    run(store, clips, ways("alaw@64"), measures("mel"), judge, 0)
    assert not any(fault for *_, fault in store.sounds("alaw@64").values())
    assert len(dict(store.measured("alaw@64", "mel"))) == len(clips)


@dataclass(frozen=True)
class Fragile(Measure):
    """Cannot prepare the one, and cannot compare the other."""

    name: ClassVar[str] = "fragile"
    version: ClassVar[int] = 1
    results: ClassVar[tuple[Result, ...]] = ()

    unprepared: str = ""
    incomparable: str = ""

    def prepare(self, original: Audio) -> float:
        if f"{original.samples.sum():.6f}" == self.unprepared:
            raise ValueError("what is this?")
        return float(original.samples.sum())

    def compare(self, prepared: float, other: Audio) -> dict[str, float]:
        if f"{prepared:.6f}" == self.incomparable:
            raise AudioError("nothing is voiced")
        return {"sum": prepared}


def test_a_measure_that_fails_on_a_clip_fails_there_alone_and_says_why(
    clips: list[Clip], store: Store, judge: Judge
) -> None:
    sums = [f"{clip.read().samples.sum():.6f}" for clip in clips]
    own = {"fragile": Fragile(sums[1], sums[5]), **measures("mel")}
    run(store, clips, ways("alaw@64"), own, judge, 0)
    found = dict(store.measured("alaw@64", "fragile"))
    reasons = {c: str(one) for c, one in found.items() if isinstance(one, AudioError)}
    assert reasons == {
        clips[1].digest: "ValueError: what is this?",
        clips[5].digest: "nothing is voiced",
    }
    assert len(found) == len(dict(store.measured("alaw@64", "mel"))) == len(clips)


def test_a_killed_run_goes_on(few: Path, tmp_path: Path, judge: Judge) -> None:
    """kill -9 in the middle: what was written stays, and the same command ends with all."""
    program = (
        "from emoforge.augment import EmotionLossConfig, CorpusConfig, report_emotion_loss\n"
        "import sys\n"
        "corpus = CorpusConfig(name='few', reader='manifest', root='', manifest=sys.argv[1])\n"
        "report_emotion_loss(EmotionLossConfig(corpus, ['alaw', 'amr_nb@all'], sys.argv[2],\n"
        "    measured=0, workers=1, listen=1))\n"
    )
    command = [sys.executable, "-c", program, str(few), str(tmp_path / "out")]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    kept = tmp_path / "out" / "measurements.sqlite"
    deadline = time.monotonic() + 120
    while not written(kept) and time.monotonic() < deadline:
        time.sleep(0.1)
    run.kill()
    run.wait()
    before = written(kept)
    assert before
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=200)
    after = written(kept)
    assert before <= after
    assert len(after) == (1 + 1 + 8 + 1) * 16
    assert (tmp_path / "out" / "report.html").exists()


def written(kept: Path) -> set[tuple[object, ...]]:
    """Rows of sounds that are there, also while a report is being made."""
    try:
        with closing(sqlite3.connect(f"file:{kept}?mode=ro", uri=True)) as file:
            return {*file.execute("SELECT condition, clip, kbps, delay_ms, fault FROM sound")}
    except sqlite3.OperationalError:
        return set()
