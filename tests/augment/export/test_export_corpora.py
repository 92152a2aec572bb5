"""What is exported can be read as a corpus again, and audited."""

from dataclasses import replace
from pathlib import Path

import pytest

from emoforge.augment.corpora import CorpusConfig, SplitConfig, read_corpus
from emoforge.augment.export import Exporter
from emoforge.augment.leakage import audit_leakage
from emoforge.clip import SPLITS, Clip, Lineage
from emoforge.component import create
from emoforge.label import FULL


def by_speaker(clips: list[Clip]) -> list[Clip]:
    """Whole speakers in each split, and a candidate for every other clip."""
    speakers = sorted({clip.speaker for clip in clips})
    split = {speaker: SPLITS[i % 3] for i, speaker in enumerate(speakers)}
    recordings = [replace(clip, split=split[clip.speaker]) for clip in clips]
    made = Lineage(
        parents=("",), parent_digests=("",), component="espeak", component_version=1, params={}
    )
    candidates = [
        replace(
            clip,
            id=f"{i:032x}",
            speaker="espeak:pl+f2",
            lineage=replace(made, parents=(clip.id,)),
        )
        for i, clip in enumerate(recordings[::2])
    ]
    return [*recordings, *candidates]


@pytest.mark.parametrize("name", ["audiofolder", "speechbrain", "lhotse", "kaldi"])
def test_an_export_is_a_corpus(real, tmp_path: Path, name: str):
    clips = by_speaker(real)
    assert audit_leakage(clips).ok
    out = tmp_path / "set"
    exporter = create("exporter", name)
    assert isinstance(exporter, Exporter)
    exporter.write(clips, out)
    # A Kaldi data directory is one split, and names speakers in its own way.
    kaldi = name == "kaldi"
    found: list[Clip] = []
    for root in [out / split for split in SPLITS] if kaldi else [out]:
        config = CorpusConfig(
            name="again",
            reader=name,
            root=str(root),
            manifest="*.csv" if name == "speechbrain" else "",
            split=SplitConfig(by="auto" if kaldi else "column"),
        )
        corpus = read_corpus(config, FULL)
        assert all("espeak:pl+f2" in note.sentence for note in corpus.problems)
        found += [replace(clip, split=root.name) if kaldi else clip for clip in corpus.clips]
    told = ["emotion", "split", "text", "language"]
    if not kaldi:
        told += ["speaker", "gender", "licence", "label"]

    def key(clip: Clip) -> tuple[str, ...]:
        return (*(str(getattr(clip, field)) for field in told), clip.read().samples.tobytes().hex())

    assert sorted(map(key, found)) == sorted(map(key, clips))
    report = audit_leakage(found)
    if not kaldi:
        assert report.ok
        assert list(report.voices) == ["espeak:pl+f2"]
        assert report.shared_texts
    crossed = [replace(clip, split=SPLITS[i % 3]) for i, clip in enumerate(found)]
    assert not audit_leakage(crossed).ok
