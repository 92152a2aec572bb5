"""Lhotse manifests, read back with Lhotse."""

import shutil

import pytest

from emoforge.augment.export.lhotse import Lhotse


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_lhotse_reads_back(clips, check, tmp_path):
    pytest.importorskip("lhotse")
    from lhotse import CutSet, validate
    from lhotse.recipes.utils import read_manifests_if_cached

    assert Lhotse().write(clips, tmp_path / "set").problems == ()
    out = tmp_path / "moved"
    shutil.move(tmp_path / "set", out)
    by_id = {clip.id: clip for clip in clips}
    seen = set()
    found = read_manifests_if_cached(["train", "dev", "test"], out, prefix="emoforge")
    for split, manifests in found.items():
        recordings = manifests["recordings"].with_path_prefix(out)
        cuts = CutSet.from_manifests(recordings, manifests["supervisions"])
        validate(recordings, read_data=True)
        for cut in cuts:
            validate(cut)
            (supervision,) = cut.supervisions
            clip = by_id[supervision.recording_id]
            seen.add(clip.id)
            assert clip.split == split
            assert supervision.emotion == clip.emotion
            columns = {
                **supervision.custom,
                **{
                    key: getattr(supervision, key)
                    for key in ("id", "duration", "text", "language", "speaker", "gender")
                },
            }
            check(clip, columns, cut.sampling_rate, cut.load_audio()[0])
    assert seen == set(by_id)
