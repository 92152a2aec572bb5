"""What holds for every registered codec, on real speech and on sounds at the edge.

Networks come as tiny random checkpoints: what they give is noise, of the right length.
"""

import csv
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emoforge.audio import Audio, read
from emoforge.codecs import Codec, Coded
from emoforge.component import create, registered
from emoforge.errors import AudioError, ConfigError, RequirementError

CODECS = sorted(registered("codec"))
# Every packet has its share of the bitrate, whatever is said.
CONSTANT = {
    "ac3", "adpcm", "alaw", "amr_nb", "amr_wb", "codec2", "g722", "g723_1", "g726", "gsm", "lyra",
    "mp3", "mulaw", "sbc", "speex",
}  # fmt: skip
# They describe speech by parameters: no waveform that could be compared.
PARAMETRIC = {"codec2", "lyra"}
CLASSIC = ("libav", "libsndfile", "ffmpeg", "lyra")
MakeCodec = Callable[[str], Codec]


def legacy(name: str) -> bool:
    return registered("codec")[name].split(":")[0].rpartition(".")[2] in CLASSIC


@pytest.fixture(scope="module")
def make(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[MakeCodec]:
    """A codec by its name, ready to run; skips with the doctor's sentence where it cannot."""
    made: dict[str, Codec] = {}
    helpers = str(Path(__file__).parents[1] / "codecs")

    def create_codec(name: str) -> Codec:
        if name == "lyra":
            folder = request.getfixturevalue("shared") / "weights" / "lyra_v1"
            return cast(Codec, create("codec", name, {"kbps": 3.2, "model": str(folder)}))
        if legacy(name):
            codec = cast(Codec, create("codec", name, {"kbps": 1}))
            return replace(codec, kbps=codec.points[len(codec.points) // 2])
        from tiny import tiny_codec  # type: ignore[import-not-found,unused-ignore]

        codec = tiny_codec(name, tmp_path_factory.mktemp(name))
        if codec is None:
            pytest.skip(f"there is no tiny checkpoint of '{name}'")
        return cast(Codec, codec)

    def ready(name: str) -> Codec:
        if name not in made:
            try:
                codec = create_codec(name)
                codec.check_requirements()
                codec.setup()
            except RequirementError as error:
                pytest.skip(str(error))
            made[name] = codec
        return made[name]

    sys.path.insert(0, helpers)
    try:
        yield ready
    finally:
        sys.path.remove(helpers)


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Audio]:
    """Six real clips: three corpora, a woman and a man of each."""
    with (shared / "corpora" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = []
    for corpus in ("ravdess", "emodb", "nemo"):
        for gender in ("female", "male"):
            own = [r for r in rows if r["path"].startswith(corpus) and r["gender"] == gender]
            chosen.append(read(shared / "corpora" / own[len(own) // 2]["path"]))
    return chosen


def suited(codec: Codec, speech: list[Audio]) -> list[Audio]:
    """The clips, or some 0.4 s of two: networks are slow, and with random weights give noise."""
    if not codec.network:
        return speech
    return [Audio(speech[i].samples[8000 : 14000 + 800 * i], 16000) for i in (1, 3)]


def same(one: Coded | AudioError, other: Coded | AudioError, network: bool) -> bool:
    assert isinstance(one, Coded), str(one)
    assert isinstance(other, Coded), str(other)
    if not network:
        return np.array_equal(one.audio.samples, other.audio.samples) and one.kbps == other.kbps
    return bool(np.allclose(one.audio.samples, other.audio.samples, atol=1e-4))


def sound(coded: Coded | AudioError, source: Audio) -> bool:
    """As long as the source, at its rate, and nothing that could not be played."""
    assert isinstance(coded, Coded), str(coded)
    samples = coded.audio.samples
    return (
        coded.audio.rate == source.rate
        and samples.shape == source.samples.shape
        and samples.dtype == np.float32
        and bool(np.isfinite(samples).all())
        and float(np.abs(samples).max()) <= 1
        and coded.kbps > 0
        and coded.delay >= 0
    )


@pytest.mark.parametrize("name", CODECS)
def test_sounds_at_the_edge_come_back_whole(
    name: str, make: MakeCodec, speech: list[Audio]
) -> None:
    codec = make(name)
    voice = speech[2].samples
    edges = [
        Audio(np.zeros(4000, np.float32), 16000),
        Audio(voice[8000:8800], 16000),
        Audio(voice[9000:9001], 16000),
        Audio(np.float32([0.5]), 48000),
        Audio(np.clip(voice[8000:13000] * 100, -1, 1), 16000),
        Audio(voice[8000:12000] * 100, 16000),
    ]
    for source, coded in zip(edges, codec.roundtrip_batch(edges), strict=True):
        assert sound(coded, source)
    silent = codec.roundtrip(edges[0]).audio.samples
    if not codec.network:
        assert np.abs(silent).max() < 0.02


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("name", CODECS)
def test_any_rate_comes_back(name: str, rate: int, make: MakeCodec, speech: list[Audio]) -> None:
    codec = make(name)
    source = Audio(suited(codec, speech)[1].samples[:16001], 16000).resampled(rate)
    assert sound(codec.roundtrip(source), source)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(length=st.integers(1, 3000), rate=st.sampled_from([8000, 11025, 16000, 44100, 96000]))
@pytest.mark.parametrize("name", [name for name in CODECS if legacy(name)])
def test_any_length_comes_back(
    name: str, length: int, rate: int, make: MakeCodec, speech: list[Audio]
) -> None:
    source = Audio(speech[0].samples[16000 : 16000 + length], rate)
    assert sound(make(name).roundtrip(source), source)


@pytest.mark.parametrize("name", CODECS)
def test_a_stereo_file_goes_in(
    name: str, make: MakeCodec, speech: list[Audio], tmp_path: Path
) -> None:
    file = tmp_path / "stereo.wav"
    codec = make(name)
    left = suited(codec, speech)[1].resampled(44100).samples[:44100]
    soundfile.write(file, np.stack([left, left / 2], axis=1), 44100)
    source = read(file)
    assert sound(codec.roundtrip(source), source)


@pytest.mark.parametrize("name", CODECS)
def test_a_batch_gives_what_each_gives_alone(
    name: str, make: MakeCodec, speech: list[Audio]
) -> None:
    codec = make(name)
    clips = suited(codec, speech)
    batch = [clips[0], clips[-1].resampled(8000), clips[1], clips[0]]
    together = codec.roundtrip_batch(batch)
    turned = codec.roundtrip_batch(batch[::-1])[::-1]
    for source, one, other in zip(batch, together, turned, strict=True):
        assert same(one, codec.roundtrip(source), codec.network)
        assert same(one, other, codec.network)


@pytest.mark.parametrize("name", CODECS)
def test_a_bad_clip_fails_alone(name: str, make: MakeCodec, speech: list[Audio]) -> None:
    codec = make(name)
    hurt = speech[0].samples[:8000].copy()
    hurt[100] = np.nan
    bad = [Audio(hurt, 16000), Audio(np.zeros(0, np.float32), 16000)]
    good = Audio(suited(codec, speech)[1].samples[:16000], 16000)
    made = codec.roundtrip_batch([bad[0], good, bad[1]])
    assert isinstance(made[0], AudioError)
    assert "not finite" in str(made[0])
    assert isinstance(made[2], AudioError)
    assert "no samples" in str(made[2])
    assert same(made[1], codec.roundtrip(good), codec.network)
    for one in bad:
        with pytest.raises(AudioError, match=codec.name):
            codec.roundtrip(one)


@pytest.mark.parametrize("name", CODECS)
def test_encoding_and_decoding_is_the_round_trip(
    name: str, make: MakeCodec, speech: list[Audio]
) -> None:
    codec = make(name)
    source = suited(codec, speech)[1]
    stream = codec.encode(source)
    coded = codec.roundtrip(source)
    back = Coded(codec.decode(stream), stream.kbps, stream.rate, coded.delay)
    assert same(back, coded, codec.network)
    assert coded.rate == codec.coded_rate(16000)
    assert coded.delay == codec.delay(coded.rate) / coded.rate


@pytest.mark.parametrize("name", [name for name in CODECS if legacy(name)])
def test_another_process_makes_the_same_samples(
    name: str, make: MakeCodec, speech: list[Audio], shared: Path, tmp_path: Path
) -> None:
    codec = make(name)
    source = Audio(speech[2].samples[:16000], 16000)
    sent, back = tmp_path / "sent.npy", tmp_path / "back.npy"
    np.save(sent, source.samples)
    options = {"kbps": codec.kbps}
    if name == "lyra":
        options["model"] = str(shared / "weights" / "lyra_v1")  # type: ignore[assignment]
    program = (
        "import numpy as np\n"
        "from emoforge.audio import Audio\n"
        "from emoforge.component import create\n"
        f"codec = create('codec', {name!r}, {options!r})\n"
        "codec.setup()\n"
        f"coded = codec.roundtrip(Audio(np.load({str(sent)!r}), 16000))\n"
        f"np.save({str(back)!r}, coded.audio.samples)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert np.array_equal(np.load(back), codec.roundtrip(source).audio.samples)


@pytest.mark.parametrize("name", [name for name in CODECS if legacy(name)])
def test_the_measured_bitrate_is_near_the_nominal(
    name: str, make: MakeCodec, speech: list[Audio]
) -> None:
    codec = make(name)
    points = codec.points if name != "lyra" else (codec.kbps,)
    for point in points:
        one = replace(codec, kbps=point)
        measured = [one.encode(clip).kbps for clip in speech]
        if name in CONSTANT:
            # Whole bytes and fixed frames leave no choice.
            assert np.allclose(measured, point, rtol=0.05), point
        else:
            assert 0.7 < np.mean(measured) / point < 1.3, point


@pytest.mark.parametrize("name", [name for name in CODECS if legacy(name)])
def test_what_comes_back_is_in_time(name: str, make: MakeCodec, speech: list[Audio]) -> None:
    codec = make(name)
    points = {codec.points[0], codec.kbps, codec.points[-1]} if name != "lyra" else {codec.kbps}
    for point in points:
        # Speex's lowest rate, too, makes most of its waveform up.
        parametric = name in PARAMETRIC or (name, point) == ("speex", 3.95)
        one = replace(codec, kbps=point)
        late = []
        for clip, coded in zip(speech, one.roundtrip_batch(speech), strict=True):
            assert isinstance(coded, Coded)
            measure = envelope_lag if parametric else waveform_lag
            late.append(measure(clip.samples, coded.audio.samples, clip.rate))
        # A sample at 8 kHz is 0.125 ms; the delay is known to half of that.
        assert abs(np.median(late)) < (3 if parametric else 0.1), (point, late)


def waveform_lag(sent: np.ndarray, back: np.ndarray, rate: int) -> float:
    """Milliseconds that `back` is late by, to a fraction of a sample."""
    a, b = np.diff(sent.astype(np.float64)), np.diff(back.astype(np.float64))
    reach = rate // 50
    lags = np.arange(-reach, reach + 1)
    whole = a[reach:-reach]
    match = np.array([np.dot(whole, b[reach + lag : len(b) - reach + lag]) for lag in lags])
    at = int(np.argmax(match[1:-1])) + 1
    before, peak, after = match[at - 1 : at + 2]
    return float((lags[at] + 0.5 * (before - after) / (before - 2 * peak + after)) / rate * 1e3)


def envelope_lag(sent: np.ndarray, back: np.ndarray, rate: int) -> float:
    """Milliseconds that the loudness of `back`, in steps of 1 ms, is late by."""
    step = rate // 1000
    window = np.hanning(20 * step)

    def loudness(samples: np.ndarray) -> np.ndarray:
        power = np.convolve(np.square(samples.astype(np.float64)), window, "same")[::step]
        level = np.log(power + 1e-4 * power.max())
        return np.asarray(level - level.mean())

    a, b = loudness(sent), loudness(back)
    reach = 50
    match = [
        float(np.dot(a[reach:-reach], b[reach + lag : len(b) - reach + lag]))
        for lag in range(-reach, reach + 1)
    ]
    return float(np.argmax(match) - reach)


@pytest.mark.parametrize("name", CODECS)
def test_an_unknown_point_lists_what_there_is(name: str, make: MakeCodec) -> None:
    codec = make(name)
    assert list(codec.points) == sorted(codec.points)
    for point in codec.points:
        assert replace(codec, kbps=point + 0.004).point() == point
    with pytest.raises(ConfigError, match=rf"has no 1234\.5 kbit/s; it has .*{codec.points[0]:g}"):
        replace(codec, kbps=1234.5).point()


@pytest.mark.parametrize("name", CODECS)
def test_its_identity_is_a_digest(name: str, make: MakeCodec) -> None:
    codec = make(name)
    assert len(codec.weights) == 32
    assert codec.weights == make(name).weights
    assert codec.signature() != replace(codec, kbps=codec.kbps + 1).signature()
