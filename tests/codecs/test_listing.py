"""The list of codecs, and one file through one of them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoforge.audio import Audio, read, write_flac
from emoforge.codecs import list_codecs, roundtrip_file
from emoforge.errors import AudioError, ConfigError


def test_every_codec_is_listed_with_its_bitrates_or_with_what_it_needs() -> None:
    listed = {one.name: one for one in list_codecs({})}
    assert listed["alaw"].kbps == (64.0,)
    assert listed["opus"].kbps[0] == 6.0
    assert not listed["opus"].missing
    assert "codec.lyra.model=" in listed["lyra"].missing
    assert "transformers" not in listed
    for one in listed.values():
        assert one.kbps or one.missing


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_a_file_comes_back_with_what_it_cost(suffix: str, tmp_path: Path, shared: Path) -> None:
    source = sorted((shared / "corpora" / "nemo").glob("*.flac"))[0]
    out = tmp_path / f"back{suffix}"
    made = roundtrip_file(source, "opus@16", out, {})
    before, after = read(source), read(out)
    assert (after.rate, len(after.samples)) == (before.rate, len(before.samples))
    assert made["codec"] == "opus@16"
    assert 12 < made["kbps"] < 20
    assert made["delay_ms"] > 0
    alike = np.corrcoef(before.samples, after.samples)[0, 1]
    assert alike > 0.9  # in time, or it would be near 0


def test_stereo_is_mixed(tmp_path: Path) -> None:
    time = np.arange(16000) / 16000
    sides = np.stack([np.sin(440 * time), np.sin(880 * time)], 1) * 0.4
    soundfile.write(tmp_path / "stereo.wav", sides, 16000)
    made = roundtrip_file(tmp_path / "stereo.wav", "g722@64", tmp_path / "mono.wav", {})
    assert (made["seconds"], made["source_channels"]) == (1.0, 2)
    assert read(tmp_path / "mono.wav").samples.shape == (16000,)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    write_flac(tmp_path / "a.flac", Audio(np.zeros(1600, np.float32), 16000))
    with pytest.raises(ConfigError, match=r"a name in \.flac or \.wav"):
        roundtrip_file(tmp_path / "a.flac", "opus@16", tmp_path / "a.mp3", {})
    with pytest.raises(ConfigError, match="one bitrate at a time, as in opus@6"):
        roundtrip_file(tmp_path / "a.flac", "opus@all", tmp_path / "b.flac", {})
    before = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "same.flac").symlink_to(tmp_path / "a.flac")
    for out in ("a.flac", "same.flac"):
        with pytest.raises(ConfigError, match="is the source itself"):
            roundtrip_file(tmp_path / "a.flac", "opus@16", tmp_path / out, {})
    assert (tmp_path / "a.flac").read_bytes() == before
    with pytest.raises(AudioError, match=r"none\.flac"):
        roundtrip_file(tmp_path / "none.flac", "opus@16", tmp_path / "b.flac", {})
