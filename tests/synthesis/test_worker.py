"""The generator `worker`: engines in an interpreter of their own, which may misbehave."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytest
import stand_ins

from emoforge.audio import read
from emoforge.clip import Clip
from emoforge.component import Outcome, Params, create, rng_for
from emoforge.errors import ConfigError, RequirementError, SkipClip
from emoforge.label import BASIC4, Label
from emoforge.licence import forbidden
from emoforge.selection import periodicity
from emoforge.synthesis.tts.worker import SCRIPTS, Worker, WorkerError
from emoforge.synthesis.tts.worker.environment import environment
from emoforge.synthesis.tts.worker.session import RESTARTS, close_all, session

MISBEHAVING = Path(__file__).parent / "misbehaving_worker.py"
TEXT = "The kettle is on the stove, and the door is open."


def forget() -> None:
    """End all workers, and what is known of them."""
    close_all()
    session.cache_clear()


@pytest.fixture(autouse=True)
def _no_worker_stays() -> Iterator[None]:
    yield
    forget()


def line(text: str = TEXT, emotion: str = "happy", name: str = "l", **change: Any) -> Clip:
    made = Clip(
        id=f"{name}-{emotion}",
        path="",
        duration=0,
        rate=16000,
        label=Label.of(emotion, BASIC4),
        speaker="",
        corpus="lines",
        text=text,
        language="en",
        split="train",
    )
    return replace(made, **change)


def worker(name: str = "worker", **options: Any) -> Worker:
    return cast(Worker, create("generator", name, {"python": sys.executable, **options}))


def reference_worker(**options: Any) -> Worker:
    return worker(script=str(SCRIPTS / "reference_worker.py"), **options)


def misbehaving(model: str = "", **options: Any) -> Worker:
    return worker(script=str(MISBEHAVING), model=model, **options)


def planned(made: Worker, clips: Sequence[Clip]) -> list[Params]:
    return [made.plan(clip, rng_for(1, clip.id)) for clip in clips]


def say(made: Worker, clips: Sequence[Clip]) -> list[Outcome]:
    return made.apply_batch(clips, planned(made, clips))


def samples(outcome: Outcome) -> np.ndarray[Any, Any]:
    assert outcome.audio is not None, outcome.detail
    return outcome.audio.samples


# --- the reference worker ---------------------------------------------------------------------


def test_the_reference_worker_shows_every_message(tmp_path: Path) -> None:
    item = {
        "text": "Hello there.",
        "language": "en",
        "voice": "anna",
        "references": [],
        "emotion": "happy",
        "strength": 1.0,
        "seed": 7,
    }
    messages = [
        {"type": "hello", "protocol": 1, "model": "", "settings": {}},
        {"type": "load", "device": "cpu"},
        {
            "type": "speak",
            "id": 1,
            "items": [
                {**item, "id": "1.0", "out": str(tmp_path / "0.wav")},
                {**item, "id": "1.1", "out": str(tmp_path / "1.wav"), "emotion": "bored"},
            ],
        },
    ]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "reference_worker.py")],
        input="".join(json.dumps(message) + "\n" for message in messages),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    hello, ready, first, second, end = map(json.loads, done.stdout.splitlines())
    assert (hello["type"], hello["protocol"], hello["engine"]) == ("hello", 1, "babble")
    assert ready == {"type": "ready"}
    assert first == {"type": "item", "id": "1.0"}
    assert second == {"type": "item", "id": "1.1", "error": "there is no emotion 'bored'"}
    assert end == {"type": "done", "id": 1}
    assert (tmp_path / "0.wav").stat().st_size > 16000
    assert len((SCRIPTS / "reference_worker.py").read_text().splitlines()) < 100


def test_it_is_a_generator_like_others() -> None:
    made = reference_worker()
    clips = [line(emotion=emotion) for emotion in BASIC4.classes]
    params = planned(made, clips)
    made.setup()
    outcomes = made.apply_batch(clips, params)
    for clip, own, outcome in zip(clips, params, outcomes, strict=True):
        alone = made.apply_batch([clip], [json.loads(json.dumps(own))])[0]
        np.testing.assert_array_equal(samples(outcome), samples(alone))
        promise = made.promise(clip, own)
        assert outcome.audio is not None
        assert 0.6 < outcome.audio.duration / promise.duration < 1.6
        assert outcome.audio.rate == clip.rate
        assert promise.speaker == f"worker:{own['voice']}"
        assert promise.label.hard == clip.emotion
    assert made.licence(params[0]) == "CC0-1.0"
    other = made.apply_batch(clips[:1], [{**params[0], "seed": 1}])[0]
    assert not np.array_equal(samples(other), samples(outcomes[0]))


def test_it_shows_emotion_and_strength_in_its_voice() -> None:
    made = reference_worker()
    base = planned(made, [line(emotion="happy")])[0]

    def pitch(emotion: str, strength: float) -> float:
        params = {**base, "emotion": emotion, "strength": strength, "voice": "ben"}
        audio = made.apply_batch([line()], [params])[0].audio
        assert audio is not None
        f0, aperiodicity, _ = periodicity(audio)
        return float(np.median(f0[aperiodicity < 0.2]))

    assert pitch("sad", 1) < pitch("neutral", 1) < pitch("happy", 0.5) < pitch("happy", 1)
    assert pitch("happy", 0) == pytest.approx(pitch("neutral", 1), rel=0.02)


def test_what_a_voice_lacks_is_skipped_and_named() -> None:
    made = reference_worker()
    for change, reason in (
        ({"language": "ja"}, "worker does not speak 'ja'"),
        ({"label": Label.of("bored")}, "has no 'bored'"),
        ({"speaker": "annna"}, "has no voice 'annna': did you mean 'anna'"),
        ({"text": " 😀 "}, "neither letters nor digits"),
    ):
        with pytest.raises(SkipClip, match=re.escape(reason)):
            made.plan(line(**cast(Any, change)), rng_for(1))
    assert made.supports("en-US")
    assert not made.supports("e")
    assert planned(made, [line(speaker="ben")])[0]["voice"] == "ben"


def test_identity_is_what_changes_the_sound() -> None:
    made = reference_worker()
    params = planned(made, [line()])[0]
    other = reference_worker(settings={"warmth": 2}, timeout=7, start_timeout=70)
    changed = planned(other, [line()])[0]
    assert changed == {**params, "settings": {"warmth": 2}}
    assert made.weights == other.weights != misbehaving().weights
    assert set(made.signature()) == {
        "name", "version", "weights", "emotion", "strength", "variation", "profile", "settings",
    }  # fmt: skip
    assert made.planned(line(), params).id != other.planned(line(), changed).id
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.weights == made.weights


def test_a_plan_is_made_with_the_settings_it_was_drawn_with(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (misbehaving(settings={"folder": str(folder)}) for folder in folders)
    clips = [line("environment a"), line("environment b")]
    params = [planned(made, [clip])[0] for made, clip in zip((one, two), clips, strict=True)]
    assert [o.status for o in one.apply_batch(clips, params)] == ["ok", "ok"]
    assert all((folder / "environment.json").exists() for folder in folders)


# --- items that go wrong ----------------------------------------------------------------------

BAD_ITEMS = {
    "dies": ("WorkerError", r"lost twice at this one, because it ended \(exit status 3\)"),
    "crashes": ("WorkerError", r"because it ended \(SIGABRT\): the last words"),
    "closes": ("WorkerError", "because it closed its output"),
    "floods": ("WorkerError", "101 lines that are no messages, such as 'progress 0'"),
    "endless": ("WorkerError", "a line of over 1048576 bytes, 'xxx"),
    "refuses": ("WorkerError", "'worker': I do not like this text"),
    "mute": ("WorkerError", "gave no answer for this one"),
    "nothing": ("AudioError", "'worker' wrote no audio"),
    "nan": ("AudioError", "1 of 201 samples are not finite"),
    "inf": ("AudioError", "1 of 201 samples are not finite"),
    "silent": ("AudioError", "wrote 0.25 s of silence"),
    "stereo": ("AudioError", "wrote 2 channels"),
    "slow-rate": ("AudioError", "wrote audio at 10 Hz"),
    "text": ("AudioError", "wrote bad audio: neither libsndfile nor FFmpeg"),
    "empty": ("AudioError", "wrote bad audio: has no samples"),
}


@pytest.mark.parametrize("way", BAD_ITEMS)
def test_a_bad_item_fails_alone(way: str) -> None:
    made = misbehaving()
    clips = [line(text) for text in ("fine a", f"{way} b", "fine c", "fine d", "fine e")]
    outcomes = say(made, clips)
    assert [o.status for o in outcomes] == ["ok", "failed", "ok", "ok", "ok"]
    reason, sentence = BAD_ITEMS[way]
    assert outcomes[1].reason == reason
    assert re.search(sentence, outcomes[1].detail), outcomes[1].detail
    assert "\n" not in outcomes[1].detail
    assert "/tmp" not in outcomes[1].detail
    assert [o.status for o in say(made, [line("fine again")])] == ["ok"]


@pytest.mark.parametrize("way", ["twice", "others", "chats", "shouts"])
def test_what_is_no_answer_is_passed_over(way: str) -> None:
    made = misbehaving()
    plain = say(made, [line("fine")])[0]
    outcomes = say(made, [line(f"{way} a"), line("fine"), line(f"{way} b")])
    assert [o.status for o in outcomes] == ["ok", "ok", "ok"]
    for outcome in outcomes:
        np.testing.assert_array_equal(samples(outcome), samples(plain))


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    made = misbehaving(timeout=0.5, settings={"folder": str(tmp_path)})
    started = time.monotonic()
    outcomes = say(made, [line("parents of a process"), line("hangs")])
    assert time.monotonic() - started < 60
    assert [o.status for o in outcomes] == ["ok", "failed"]
    assert "because it did not answer within 0.5 s" in outcomes[1].detail
    assert not running(str(tmp_path))


def test_one_that_never_finishes_a_batch_keeps_what_it_said() -> None:
    made = misbehaving(timeout=0.5, settings={"unfinished": True})
    assert [o.status for o in say(made, [line("fine a"), line("fine b")])] == ["ok", "ok"]


def test_an_item_that_kills_once_is_made(tmp_path: Path) -> None:
    made = misbehaving(settings={"folder": str(tmp_path)})
    outcomes = say(made, [line("fine"), line("once and not again"), line("fine")])
    assert [o.status for o in outcomes] == ["ok", "ok", "ok"]
    assert (tmp_path / "died").exists()


def test_one_that_always_dies_is_given_up_until_the_next_setup() -> None:
    made = misbehaving()
    outcomes = say(made, [line(f"dies {i}") for i in range(RESTARTS + 4)])
    assert {o.status for o in outcomes} == {"failed"}
    assert "was given up: it was lost 6 times in a row" in outcomes[-1].detail
    assert "given up" in say(made, [line("fine")])[0].detail
    made.setup()
    assert say(made, [line("fine")])[0].status == "ok"


def test_one_that_changes_between_starts_is_refused() -> None:
    outcomes = say(misbehaving("changes"), [line("dies"), line("fine")])
    assert [o.status for o in outcomes] == ["failed", "failed"]
    assert "is not what it was when it was first started" in outcomes[1].detail


# --- starting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("old", "speaks protocol 2, this emoforge speaks 1"),
        ("rude", "answered 'hello' with 'goodbye', not with 'hello'"),
        ("nameless", "says of itself engine="),
        ("nobody", "neither clones nor has voices"),
        ("no-batch", "max_batch=0: must be 1 or more"),
        ("refuses", "cannot be started: there are no weights in /engines: run fetch-weights"),
        ("hangs", "cannot be started: at 'hello' it did not answer within 1 s"),
    ],
)
def test_a_worker_that_says_hello_wrongly(model: str, sentence: str) -> None:
    made = misbehaving(model, start_timeout=1 if model == "hangs" else 60)
    with pytest.raises(WorkerError, match=re.escape(sentence)) as error:
        made.plan(line("fine"), rng_for(1))
    assert str(error.value).startswith("worker 'worker' ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("dies-loading", "at 'load' it ended (exit status 1): out of memory"),
        ("hangs-loading", "at 'load' it did not answer within 2 s"),
        ("never-ready", "answered 'load' with 'item', not with 'ready'"),
    ],
)
def test_a_worker_that_cannot_load(model: str, sentence: str) -> None:
    made = misbehaving(model, start_timeout=2 if model == "hangs-loading" else 60)
    params = planned(made, [line("fine")])
    with pytest.raises(WorkerError, match=re.escape(sentence)):
        made.setup()
    outcome = made.apply_batch([line("fine")], params)[0]
    assert (outcome.status, outcome.reason) == ("failed", "WorkerError")


def test_a_script_that_raises_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISBEHAVE", "at once")
    with pytest.raises(WorkerError) as error:
        misbehaving().plan(line("fine"), rng_for(1))
    assert str(error.value) == (
        "worker 'worker' cannot be started: at 'hello' it ended (exit status 1): "
        "ModuleNotFoundError: No module named 'engine'"
    )


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("worker", {"python": ""}, "add generators.worker.python=…"),
        ("worker", {"python": "/no/python"}, "an interpreter at /no/python, where there is none"),
        ("worker", {"script": ""}, "add generators.worker.script=…"),
        ("worker", {"script": "no.py"}, "a worker script at no.py, where there is none"),
        ("f5tts", {}, "hf download SWivid/F5-TTS"),
        ("styletts2", {"model": "nowhere"}, "a model at nowhere, where there is no folder"),
        ("cosyvoice", {}, "(Apache-2.0)"),
        ("indextts2", {}, "bilibili Model Use License Agreement"),
    ],
)
def test_what_is_missing_is_said_and_nothing_started(
    monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, str], sentence: str
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    made = worker(name, **({"script": str(MISBEHAVING)} if name == "worker" else {}) | options)
    for ask in (made.check_requirements, made.setup, lambda: made.weights):
        with pytest.raises(RequirementError, match=re.escape(sentence)):
            ask()


def test_what_is_no_program_is_one_sentence(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text("not a program")
    fake.chmod(0o755)
    with pytest.raises(WorkerError, match="python: cannot be started"):
        misbehaving(python=str(fake)).plan(line("fine"), rng_for(1))


@pytest.mark.parametrize("option", ["timeout", "start_timeout"])
def test_times_must_be_positive(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option}=0: must be > 0"):
        worker(**cast(Any, {option: 0.0}))


def test_the_log_has_all_of_standard_error(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    made = misbehaving(log=str(log))
    assert say(made, [line("crashes")])[0].status == "failed"
    assert log.read_text() == "the last words\n" * 2
    with pytest.raises(WorkerError, match="the log cannot be written"):
        misbehaving(log=str(tmp_path)).plan(line("fine"), rng_for(1))


# --- the child's surroundings -----------------------------------------------------------------


def test_nothing_of_this_environment_reaches_the_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-6")
    own = str(tmp_path / "engine")
    made = misbehaving(device="cuda:2", pythonpath=[own], settings={"folder": str(tmp_path)})
    assert say(made, [line("environment")])[0].status == "ok"
    seen = json.loads((tmp_path / "environment.json").read_text())
    assert seen["PYTHONPATH"] == own
    assert "VIRTUAL_ENV" not in seen
    assert seen["CUDA_VISIBLE_DEVICES"] == "GPU-6"
    assert seen["PATH"].startswith(str(Path(sys.executable).parent))


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def given(device: str) -> tuple[str | None, str]:
        variables, called = environment(sys.executable, device)
        return variables.get("CUDA_VISIBLE_DEVICES"), called

    assert given("cpu") == ("", "cpu")
    assert given("cuda") == (None, "cuda")
    assert given("cuda:1") == ("1", "cuda")
    assert given("mps") == (None, "mps")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert given("cuda") == ("3", "cuda")
    assert given("cuda:0") == ("3", "cuda")
    with pytest.raises(ConfigError, match=r"cuda:1: there is no such GPU, CUDA_VISIBLE_DEVICES"):
        given("cuda:1")


def running(*words: str) -> list[int]:
    """Processes whose command line has all of the words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            zombie = " Z " in (folder / "stat").read_text()
        except OSError:
            continue
        if all(word in command for word in words) and not zombie:
            found.append(int(folder.name))
    return found


def eventually(check: Callable[[], object]) -> bool:
    end = time.monotonic() + 60
    while not check() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(check())


# --- shipped scripts, with stand-ins for their engines ----------------------------------------


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAND_IN_CALLS", str(tmp_path / "calls.jsonl"))
    return stand_ins.install(tmp_path / "packages")


def shipped(name: str, engines: Path, **options: Any) -> Worker:
    model = engines.parent / "weights" / name
    if not model.exists():
        stand_ins.weights(name, model)
    return worker(name, model=str(model), pythonpath=[str(engines)], **options)


@pytest.fixture
def speaker(clips: list[Clip]) -> list[Clip]:
    """Real clips of one English speaker: angry, then happy, sad and neutral."""
    own = [clip for clip in clips if clip.corpus == "ravdess" and clip.speaker.endswith("01")]
    return [
        replace(next(c for c in own if c.emotion == emotion), digest=emotion)
        for emotion in ("angry", "happy", "sad", "neutral")
    ]


def cloned(text: str, reference: Clip, language: str = "en") -> Clip:
    return line(text, emotion=reference.emotion, references=(reference,), language=language)


LICENCES = {
    "f5tts": "CC-BY-NC-4.0",
    "styletts2": "MIT",
    "cosyvoice": "Apache-2.0",
    "indextts2": "LicenseRef-Bilibili-IndexTTS",
}


@pytest.mark.parametrize("name", LICENCES)
def test_shipped_workers_clone(name: str, engines: Path, speaker: list[Clip]) -> None:
    made = shipped(name, engines)
    clips = [cloned(f"{TEXT} {i}", reference) for i, reference in enumerate(speaker)]
    clips.insert(2, cloned("This one fails.", speaker[0]))
    params = planned(made, clips)
    made.setup()
    outcomes = made.apply_batch(clips, params)
    assert [o.status for o in outcomes] == ["ok", "ok", "failed", "ok", "ok"]
    assert "ValueError: no phones for this text" in outcomes[2].detail
    alone = made.apply_batch(clips[3:4], params[3:4])[0]
    np.testing.assert_array_equal(samples(alone), samples(outcomes[3]))
    assert made.licence(params[0]) == LICENCES[name]
    assert made.promise(clips[0], params[0]).speaker == speaker[0].speaker
    assert made.clones
    with pytest.raises(SkipClip, match=f"{name} does not speak 'pl'"):
        made.plan(cloned(TEXT, speaker[0], "pl"), rng_for(1))
    with pytest.raises(SkipClip, match="no clip of its speaker shows 'happy'"):
        made.plan(line(), rng_for(1))


@pytest.mark.parametrize("name", LICENCES)
def test_shipped_workers_know_their_weights(name: str, engines: Path) -> None:
    first = shipped(name, engines)
    moved = Path(first.model).rename(engines.parent / "moved")
    again = replace(first, model=str(moved))
    assert again.weights == shipped(name, engines).weights
    (moved / stand_ins.WEIGHTS[name][0]).write_text("other weights")
    forget()
    assert replace(again).weights != again.weights


def test_shipped_workers_say_what_is_not_there(engines: Path) -> None:
    made = shipped("f5tts", engines)
    with pytest.raises(WorkerError, match=f"Python package 'f5_tts' is not in {sys.executable}"):
        _ = replace(made, pythonpath=()).weights
    (Path(made.model) / "model_1250000.safetensors").unlink()
    with pytest.raises(WorkerError, match=r"no model_\*\.\* in this folder, so it is no"):
        _ = made.weights


def test_shipped_workers_refuse_unknown_settings(engines: Path) -> None:
    for name in LICENCES:
        made = shipped(name, engines, settings={"spede": 2})
        with pytest.raises(WorkerError, match="no setting 'spede': known: "):
            _ = made.weights


def test_f5tts_calls_its_engine(engines: Path, speaker: list[Clip], tmp_path: Path) -> None:
    made = shipped("f5tts", engines, settings={"nfe_step": 16}, device="cuda:0")
    clip = cloned(TEXT, speaker[0])
    params = planned(made, [clip])
    assert made.apply_batch([clip], params)[0].status == "ok"
    start, call = stand_ins.calls(tmp_path / "calls.jsonl")
    assert start["ckpt_file"] == f"{made.model}/model_1250000.safetensors"
    assert start["vocab_file"] == f"{made.model}/vocab.txt"
    assert (start["device"], start["vocoder_local_path"]) == ("cuda", None)
    assert (call["gen_text"], call["ref_text"]) == (TEXT, speaker[0].text)
    assert (call["seed"], call["nfe_step"]) == (params[0]["seed"], 16)
    silent = replace(speaker[0], text=None)
    assert "has no text" in say(made, [cloned(TEXT, silent)])[0].detail


def test_styletts2_takes_the_references_prosody_by_strength(
    engines: Path, speaker: list[Clip], tmp_path: Path
) -> None:
    made = shipped("styletts2", engines)
    clip = cloned(TEXT, speaker[0])
    params = planned(made, [clip])[0]
    plans = [{**params, "strength": strength} for strength in (0.0, 0.4, 1.3)]
    assert all(o.status == "ok" for o in made.apply_batch([clip] * 3, plans))
    start, *calls = stand_ins.calls(tmp_path / "calls.jsonl")
    assert start["checkpoint"].endswith("epochs_2nd_00020.pth")
    assert [call["beta"] for call in calls] == [1.0, 0.6, 0.0]
    assert {Path(call["voice"]).suffix for call in calls} == {".wav"}


def test_cosyvoice_speaks_as_the_reference_or_as_it_is_told(
    engines: Path, speaker: list[Clip], tmp_path: Path
) -> None:
    clip, wordless = cloned("Yes.", speaker[1]), cloned("Yes.", replace(speaker[1], text=None))
    for made in (
        shipped("cosyvoice", engines),
        shipped("cosyvoice", engines, settings={"emotion": "instruct"}),
    ):
        params = planned(made, [clip])[0]
        plans = [{**params, "strength": 0.5}, {**params, "strength": 1.0}]
        assert all(o.status == "ok" for o in made.apply_batch([clip, wordless], plans))
    calls = stand_ins.calls(tmp_path / "calls.jsonl")
    assert [call["call"] for call in calls] == [
        "CosyVoice2", "zero_shot", "cross_lingual", "CosyVoice2", "instruct2", "instruct2",
    ]  # fmt: skip
    assert calls[0]["gpus"] == ""
    assert calls[1]["prompt_text"] == speaker[1].text
    assert calls[4]["instruct_text"] == "请开心地说一句话。<|endofprompt|>"
    assert calls[5]["instruct_text"] == "请非常开心地说一句话。<|endofprompt|>"
    model = Path(made.model)
    (model / "cosyvoice2.yaml").rename(model / "cosyvoice3.yaml")
    forget()
    third = shipped("cosyvoice", engines)
    assert third.supports("de")
    assert say(third, [clip])[0].status == "ok"
    last = stand_ins.calls(tmp_path / "calls.jsonl")[-1]
    assert last["prompt_text"] == f"You are a helpful assistant.<|endofprompt|>{speaker[1].text}"


def test_indextts2_gets_an_emotion_vector_as_strong_as_planned(
    engines: Path, speaker: list[Clip], tmp_path: Path
) -> None:
    made = shipped("indextts2", engines)
    clip = cloned(TEXT, speaker[0])
    params = planned(made, [clip])[0]
    plans = [
        {**params, "strength": 0.5},
        {**params, "strength": 1.3},
        {**params, "emotion": "neutral", "strength": 1.0},
        {**params, "emotion": "bored"},
    ]
    assert all(o.status == "ok" for o in made.apply_batch([clip] * 4, plans))
    start, *calls = stand_ins.calls(tmp_path / "calls.jsonl")
    assert start["cfg_path"] == f"{made.model}/config.yaml"
    assert start["hub"] == "its own", "the engine moved the hub's cache"
    assert [call["emo_vector"] for call in calls] == [
        [0, 0.4, 0, 0, 0, 0, 0, 0],
        [0, 0.8, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0.8],
        None,
    ]
    assert forbidden(made.licence(params), "commercial")


def test_references_are_given_as_wav_files_once(
    engines: Path, speaker: list[Clip], tmp_path: Path
) -> None:
    made = shipped("f5tts", engines)
    whole = speaker[0]
    part = replace(whole, start=0.5, duration=1.5, rate=16000)
    gone = replace(whole, path="/no/such.flac", digest="")
    outcomes = say(made, [cloned(TEXT, clip) for clip in (whole, part, gone, whole)])
    assert [o.status for o in outcomes] == ["ok", "ok", "failed", "ok"]
    assert "/no/such.flac" in outcomes[2].detail
    paths = [call["ref_file"] for call in stand_ins.calls(tmp_path / "calls.jsonl")[1:]]
    assert paths[0] == paths[2] != paths[1]
    given = read(paths[1])
    assert given.rate == 16000
    assert given.duration == pytest.approx(1.5)
    np.testing.assert_allclose(given.samples, part.read().samples, atol=2**-15)


def test_an_engine_that_lost_its_gpu_is_started_again(engines: Path, speaker: list[Clip]) -> None:
    made = shipped("f5tts", engines)
    outcomes = say(made, [cloned(t, speaker[0]) for t in ("It explodes.", "It speaks.")])
    assert [o.status for o in outcomes] == ["failed", "ok"]
    assert "CUDA error: device-side assert" in outcomes[0].detail


def test_one_model_is_resident_at_a_time(engines: Path, tmp_path: Path) -> None:
    marks = ("f5tts_worker.py", "styletts2_worker.py")
    first, second = shipped("f5tts", engines), shipped("styletts2", engines)

    def own(mark: str) -> set[int]:
        """Those of this test's process: others run tests beside it."""
        children = {child.pid for child in psutil.Process().children(recursive=True)}
        return children & {*running(str(SCRIPTS / mark))}

    first.setup()
    assert len(own(marks[0])) == 1
    second.setup()
    assert not own(marks[0])
    assert len(own(marks[1])) == 1
    assert first.supports("en"), "what it said of itself is gone"


def test_a_worker_ends_with_its_parent(engines: Path, speaker: list[Clip], tmp_path: Path) -> None:
    """While it is at work that takes long, and the parent is killed by kill -9."""
    made = shipped("f5tts", engines)
    clip = cloned("It sleeps.", speaker[0])
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((made, clip, planned(made, [clip]))))
    close_all()
    program = (
        "import pickle, sys, time\n"
        "made, clip, params = pickle.loads(open(sys.argv[1], 'rb').read())\n"
        "made.apply_batch([clip], params)\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(job)], env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    calls = tmp_path / "calls.jsonl"
    try:
        assert eventually(lambda: calls.exists() and len(stand_ins.calls(calls)) == 2)
        children = [
            int(child) for child in Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
            .read_text().split()
        ]  # fmt: skip
        assert len(children) == 1
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert eventually(lambda: children[0] not in running("f5tts_worker.py"))


def test_the_documentation_speaks_to_a_worker(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "worker.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^```bash\n(.*?)^```$", page, re.M | re.S)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(answer) for answer in done.stdout.splitlines()]
    assert [answer["type"] for answer in answers] == ["hello", "ready", "item", "done"]
    assert read(tmp_path / "hello.wav").duration > 0.4
    for name, made in ((name, worker(name)) for name in LICENCES):
        assert re.escape(made.model_from.partition(" --local-dir")[0]) in re.escape(page), name
