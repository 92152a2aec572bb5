"""Exports that say in their audio that it is synthetic, found again as a user would find it."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from typer.testing import CliRunner

from emoforge.audio import pcm16, read
from emoforge.augment.export import Exporter
from emoforge.augment.export.disclosure import check_disclosure, payload
from emoforge.cli import app
from emoforge.clip import Clip, Lineage
from emoforge.component import create, digest, registered
from emoforge.config import read_settings
from emoforge.errors import AudioError, ConfigError

NAMES = sorted(registered("exporter"))


@pytest.fixture
def mixed(real: list[Clip]) -> list[Clip]:
    """Two recordings, and a candidate with the sound of each."""
    recordings = [replace(clip, id=f"r{i}") for i, clip in enumerate(real[10:30:10])]
    candidates = [
        replace(
            clip,
            id=digest("candidate", i),
            lineage=Lineage(
                parents=(clip.id,),
                parent_digests=("",),
                component="espeak",
                component_version=1,
                params={},
            ),
        )
        for i, clip in enumerate(recordings)
    ]
    return [*recordings, *candidates]


def sounds(folder: Path) -> Iterator[bytes]:
    """All audio files of an export, wherever the format has them."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".flac", ".wav"):
            yield path.read_bytes()
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.name.endswith(".flac"):
                        yield cast(Any, tar.extractfile(member)).read()
        elif path.suffix == ".parquet" and path.name != "metadata.parquet":
            for row in pyarrow.parquet.read_table(path).to_pylist():
                yield row["audio"]["bytes"]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((n, how) for n in NAMES for how in ("none", "both")),
        ("lhotse", "tag"),
        ("kaldi", "watermark"),
    ],
)
def test_synthetic_clips_are_disclosed_and_recordings_left_alone(mixed, tmp_path, name, how):
    exporter = cast(Exporter, create("exporter", name, {"disclosure": how}))
    exporter.write(mixed, tmp_path / "set")
    originals = {pcm16(clip.read().samples).tobytes() for clip in mixed}
    untouched, tags, payloads = 0, [], []
    for number, data in enumerate(sounds(tmp_path / "set")):
        file = tmp_path / f"{number}.audio"
        file.write_bytes(data)
        found = check_disclosure(file)
        untouched += pcm16(read(file).samples).tobytes() in originals
        tags += [found.tag] if found.tag else []
        payloads += [found.watermark.payload] if found.watermark.marked else []
    assert number == 3
    candidates = mixed[2:]
    marked, tagged = how in ("watermark", "both"), how in ("tag", "both")
    assert untouched == (2 if marked else 4)
    assert sorted(payloads) == sorted(int(c.id[:8], 16) for c in candidates if marked)
    assert sorted(tags) == sorted(
        f"Synthetic speech made with emoforge by its generator 'espeak', clip {c.id}"
        for c in candidates
        if tagged
    )
    card = json.loads((tmp_path / "set/emoforge.json").read_text("utf-8"))
    assert card["disclosures"] == {how: 2}
    assert card["format"]["disclosure"] == how
    page = (tmp_path / "set/README.md").read_text("utf-8")
    assert ("The audio itself does not say so" in page) == (how == "none")
    assert (f"`disclosure` is `{how}`" in page) == (how != "none")


def test_the_column_says_it_of_every_clip(mixed, tmp_path):
    cast(Exporter, create("exporter", "parquet", {"disclosure": "tag"})).write(
        mixed, tmp_path / "s"
    )
    rows = [
        row
        for path in (tmp_path / "s/data").iterdir()
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]
    assert {row["id"]: row["disclosure"] for row in rows} == {
        clip.id: "tag" if clip.lineage else "none" for clip in mixed
    }


def test_an_unknown_way_to_disclose_is_an_error():
    with pytest.raises(ConfigError, match="'none', 'tag', 'watermark' or 'both'"):
        create("exporter", "kaldi", {"disclosure": "loud"})


def test_a_payload_is_the_beginning_of_the_id():
    assert payload("0123456789abcdef0123456789abcdef") == 0x01234567
    assert payload("corpus/one") != payload("corpus/two")
    assert payload("deadbeef and what is no hex digits") < 2**32


def test_check_looks_at_each_file_and_names_those_that_are_none(mixed, tmp_path):
    cast(Exporter, create("exporter", "asvspoof", {"disclosure": "both"})).write(
        mixed, tmp_path / "set"
    )
    name = mixed[2].id
    marked = next((tmp_path / "set").rglob(f"{name}.flac"))
    plain = Path(mixed[0].path)
    runner = CliRunner()
    done = runner.invoke(app, ["disclosure", "check", str(marked), str(plain), "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)["files"]
    assert found[0]["path"] == str(marked)
    assert found[0]["payload"] == name[:8]
    assert found[0]["watermark"] is True
    assert found[0]["p"] < 1e-12
    assert name in found[0]["tag"]
    assert found[1] == {
        "path": str(plain), "tag": None, "watermark": False, "p": found[1]["p"], "payload": None,
    }  # fmt: skip
    assert found[1]["p"] > 1e-6

    text = tmp_path / "text.txt"
    text.write_text("no audio")
    done = runner.invoke(app, ["disclosure", "check", str(text), str(marked)])
    assert done.exit_code == 1
    assert f"payload {name[:8]}" in done.stdout
    assert "text.txt: neither libsndfile nor FFmpeg can read this as audio" in done.stderr
    with pytest.raises(AudioError):
        check_disclosure(text)


def test_a_foreign_comment_and_a_format_without_any_are_no_tag(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    path = tmp_path / "x.flac"
    with soundfile.SoundFile(path, "w", 16000, 1, "PCM_16") as file:
        file.comment = "Recorded in the kitchen"
        file.write(samples)
    assert check_disclosure(path).tag == ""
    import av

    path = tmp_path / "x.m4a"  # which libsndfile cannot read
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.rate = 16000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert check_disclosure(path).tag == ""


def test_settings_are_read_as_elsewhere():
    read = read_settings(["rate=8000", "disclosure=tag", "name=a=b,c", "list=[1,2]", "x=null"])
    assert read == {
        "rate": 8000, "disclosure": "tag", "name": "a=b,c", "list": [1, 2], "x": None,
    }  # fmt: skip
    for bad in ("rate", "=5", "~rate", "+rate=5"):
        with pytest.raises(ConfigError, match="is not a setting; write key=value"):
            read_settings([bad])


def test_mono_flac_without_a_comment_is_as_it_always_was(mixed, tmp_path):
    """Bytes of an export do not change for those who disclose nothing."""
    from emoforge.audio import encode_flac

    cast(Exporter, create("exporter", "audiofolder")).write(mixed[:1], tmp_path / "set")
    assert list(sounds(tmp_path / "set")) == [encode_flac(mixed[0].read())]
    assert soundfile.info(io.BytesIO(encode_flac(mixed[0].read()))).subtype == "PCM_16"
