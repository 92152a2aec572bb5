"""The report: its numbers, its escaping, its edge cases, and the page in a real browser."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
from built_workspace import (
    JUDGE,
    SELECTION,
    STEPS,
    Step,
    build,
    real_recordings,
    tone_recordings,
)
from hypothesis import given
from hypothesis import strategies as st
from pages import Page

from emoforge.audio import Audio
from emoforge.augment.inspection import inspect_workspace
from emoforge.augment.qualification import Qualified, qualification, qualified
from emoforge.augment.report import write_report
from emoforge.augment.report.evidence import Confusion, gather
from emoforge.augment.report.listening import CLIPS, _flat, choose, encode_mp3
from emoforge.augment.report.page import render
from emoforge.component import create, rng_for
from emoforge.errors import WorkspaceError
from emoforge.label import BASIC4, FULL
from emoforge.selection import Judge
from emoforge.workspace import Standing, Workspace

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECTIONS = (
    "summary", "funnel", "listen", "reasons", "judge", "scores", "confusion", "sources",
    "reproduce",
)  # fmt: skip
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    "{{ 7 * 7 }} &amp; ünï–код \u202e \U0001f600 " + "long" * 400
)


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("report") / "emodb-run"
    with build(folder, real_recordings(shared, "emodb")) as workspace:
        yield workspace


def test_page_of_a_real_run(real: Workspace, tmp_path: Path) -> None:
    out = write_report(real, tmp_path / "deep" / "report.html")
    assert out == tmp_path / "deep" / "report.html"
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    assert 100_000 < out.stat().st_size < 3_000_000
    page = Page(out.read_text(encoding="utf-8"))
    assert tuple(str(attrs["id"]) for attrs in page.all("section")) == SECTIONS
    total = inspect_workspace(real).total
    for count in (total.planned, total.generated, total.gated, total.judged, total.kept):
        assert str(count) in page.text
    players = page.all("audio")
    assert len(players) == 2 * CLIPS
    assert all(str(player["src"]).startswith("data:audio/mpeg;base64,") for player in players)
    assert all(player["aria-label"] for player in players)
    assert "unaudited" in page.text
    assert "CC0-1.0" in page.text


def test_nothing_is_loaded_from_elsewhere(real: Workspace) -> None:
    html = render(real, NOW)
    page = Page(html)
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            target = attrs.get(name)
            if target is not None and not (
                tag == "a" and target.startswith(("#", "https://arxiv"))
            ):
                assert target.startswith("data:"), (tag, target[:80])
    assert "@import" not in html
    assert "url(" not in html
    assert not {"script", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}


def test_same_workspace_gives_the_same_page(real: Workspace) -> None:
    assert render(real, NOW) == render(real, NOW)


@pytest.mark.parametrize("until", STEPS)
def test_wherever_the_run_stopped(tmp_path: Path, until: Step) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t"), until=until) as workspace:
        page = Page(render(workspace, NOW))
    assert tuple(str(attrs["id"]) for attrs in page.all("section")) == SECTIONS
    if until == "nothing":
        assert "The workspace is empty" in page.text
    elif until != "finished":
        assert "not finished" in page.text


def test_hostile_texts_stay_text(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t", count=12)
    hostile = [
        type(clip)(
            **{
                **{name: getattr(clip, name) for name in clip.__dataclass_fields__},
                "id": f"{HOSTILE}{i}",
                "corpus": f"corpus {HOSTILE}",
                "speaker": f"speaker {HOSTILE}",
                "text": f"text {HOSTILE}",
                "licence": f"licence {HOSTILE}",
            }
        )
        for i, clip in enumerate(recordings)
    ]
    folder = tmp_path / "w<img src=x>'\""
    generators = ["<b>", "'\"><script>"]
    with build(folder, hostile, generators, hostile=HOSTILE) as workspace:
        html = render(workspace, NOW)
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert not {"script", "img", "b"} & tags
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "7 * 7" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert len(html) < 3_000_000


def test_half_a_surrogate_does_no_harm(tmp_path: Path) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t"), until="planned"):
        pass
    with Workspace.open(tmp_path / "w", write=True) as workspace:
        workspace.start_run({"seed": 1, "scheme": "basic4", "note": "\ud800"}, {})
        out = write_report(workspace, tmp_path / "report.html")
    assert "note:" in out.read_text(encoding="utf-8")


def test_nothing_kept(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t", count=16)
    with build(tmp_path / "w", recordings, keep_any=False) as workspace:
        page = Page(render(workspace, NOW))
    chips = Counter(str(a.get("class")) for a in page.all("span"))
    assert (chips["chip kept"], chips["chip rejected"]) == (0, CLIPS)
    assert "0 of them (0 %)" in " ".join(page.text.split())


def test_one_generator(tmp_path: Path) -> None:
    with build(tmp_path / "w", tone_recordings(tmp_path / "t"), ["only"]) as workspace:
        page = Page(render(workspace, NOW))
    assert "only" in page.text
    assert len(page.all("figure")) == 2


def test_thirteen_emotions_and_ten_generators(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t", count=26, scheme=FULL)
    generators = [f"generator{i}" for i in range(10)]
    with build(tmp_path / "w", recordings, generators, scheme=FULL) as workspace:
        page = Page(render(workspace, NOW))
    assert len(page.all("figure")) == 11
    assert {name in page.text for name in (*generators, *FULL.classes)} == {True}


def test_missing_audio_is_shown_as_such(tmp_path: Path) -> None:
    recordings = tone_recordings(tmp_path / "t")
    with build(tmp_path / "w", recordings) as workspace:
        shutil.rmtree(tmp_path / "w" / "audio")
        (tmp_path / "t" / "tone0.flac").write_bytes(b"")
        page = Page(render(workspace, NOW))
    assert "No such file" in page.text
    assert len(page.all("audio")) < CLIPS + 1


def test_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with build(tmp_path / "w", [], until="nothing") as workspace:
        with pytest.raises(WorkspaceError, match=r"report\.html: the report cannot be written"):
            write_report(workspace, tmp_path / "file" / "report.html")
        (tmp_path / "folder").mkdir()
        with pytest.raises(WorkspaceError, match="cannot be written"):
            write_report(workspace, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "w"]


# --- evidence --------------------------------------------------------------------------------


def test_evidence_equals_a_plain_count(real: Workspace) -> None:
    evidence = gather(real, JUDGE, SELECTION, BASIC4)
    rows = list(real.judgements(JUDGE, SELECTION))
    by_hand: dict[str, Counter[tuple[str, str]]] = {}
    for row in rows:
        heard = BASIC4.classes[int(np.argmax(row.distributions["basic4"]))]
        by_hand.setdefault(row.generator, Counter())[row.label.hard, heard] += 1
    confusions = {"": evidence.real_confusion, **evidence.confusions}
    assert set(confusions) == set(by_hand)
    for generator, confusion in confusions.items():
        for i, carried in enumerate(BASIC4.classes):
            for j, heard in enumerate(BASIC4.classes):
                assert confusion.counts[i, j] == by_hand[generator][carried, heard]
    kept = sum(int(scores.kept.sum()) for scores in evidence.scores.values())
    rejected = sum(int(scores.rejected.sum()) for scores in evidence.scores.values())
    decisions = [decision.keep for decision in real.decisions(SELECTION)]
    assert (kept, rejected) == (decisions.count(True), decisions.count(False))
    # The threshold of the test's selector lies on the edge of a bin.
    for scores in evidence.scores.values():
        assert not scores.kept[:10].any()
        assert not scores.rejected[10:].any()
    assert evidence.real_scores.open.sum() == evidence.real_confusion.total
    assert evidence.made_confusion.total == sum(c.total for c in evidence.confusions.values())
    assert evidence.outside == 0


def test_recall_and_its_interval(real: Workspace) -> None:
    (recall,) = gather(real, JUDGE, SELECTION, BASIC4).real_recalls
    rows = [row for row in real.judgements(JUDGE, SELECTION) if not row.generator]
    right = np.array(
        [np.argmax(r.distributions["basic4"]) == r.label.distribution.index(1) for r in rows]
    )
    emotions = np.array([row.label.hard for row in rows])
    assert recall.uar == pytest.approx(
        np.mean([right[emotions == e].mean() for e in BASIC4.classes])
    )
    assert recall.accuracy == pytest.approx(right.mean())
    assert (recall.corpus, recall.clips) == ("emodb", len(rows))
    assert recall.speakers == len({row.speaker for row in rows}) > 1
    assert recall.interval is not None
    low, high = recall.interval
    # The bootstrap redone clip by clip, speaker by speaker.
    speakers = np.array([row.speaker for row in rows])
    names = np.unique(speakers)
    rng = rng_for("test")
    values = []
    for _ in range(1000):
        drawn = np.concatenate(
            [np.flatnonzero(speakers == n) for n in rng.choice(names, len(names))]
        )
        values.append(
            np.mean([right[drawn][emotions[drawn] == e].mean() for e in np.unique(emotions[drawn])])
        )
    assert (low, high) == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.03)
    assert low < recall.uar < high


def test_recall_counts_only_emotions_that_occur() -> None:
    confusion = Confusion(("a", "b", "c"), np.array([[3, 1, 0], [0, 0, 0], [0, 1, 1]]))
    assert confusion.uar == pytest.approx((0.75 + 0.5) / 2)
    assert confusion.accuracy == pytest.approx(4 / 6)
    assert confusion.rows()[1] == ("b", 0, [(0, 0.0)] * 3)
    nothing = Confusion(("a",), np.zeros((1, 1), np.int64))
    assert (nothing.uar, nothing.accuracy) == (None, None)


# --- clips to listen to ----------------------------------------------------------------------

standings = st.lists(
    st.builds(
        Standing,
        candidate=st.uuids().map(lambda u: u.hex),
        generator=st.sampled_from(["espeak", "prosody", "signal"]),
        emotion=st.sampled_from(BASIC4.classes),
        parent=st.sampled_from(["a", "b", "c", "d", "e"]),
        reached=st.sampled_from(["generated", "gated", "judged"]),
        outcome=st.just("rejected"),
        by=st.just("gate"),
        reason=st.sampled_from(["duration", "clipping"]),
        detail=st.just(""),
    )
    | st.builds(
        Standing,
        candidate=st.uuids().map(lambda u: u.hex),
        generator=st.sampled_from(["espeak", "prosody", "signal"]),
        emotion=st.sampled_from(BASIC4.classes),
        parent=st.sampled_from(["a", "b", "c", "d", "e"]),
        reached=st.sampled_from(["generated", "judged", "kept"]),
        outcome=st.just("ok"),
        by=st.just(""),
        reason=st.just(""),
        detail=st.just(""),
    ),
    unique_by=lambda row: row.candidate,
    max_size=60,
)


@given(standings, st.randoms())
def test_choice_of_clips(rows: list[Standing], random: "np.random.Generator") -> None:
    chosen = choose(rows)
    assert len(chosen) == min(CLIPS, len(rows))
    assert len({row.candidate for row in chosen}) == len(chosen)
    kept = sum(row.reached == "kept" for row in chosen)
    rejected = sum(row.outcome == "rejected" for row in chosen)
    all_kept = sum(row.reached == "kept" for row in rows)
    all_rejected = sum(row.outcome == "rejected" for row in rows)
    assert kept >= min(CLIPS // 2, all_kept)
    assert rejected >= min(CLIPS // 2, all_rejected)
    if kept + rejected < len(chosen):
        assert (kept, rejected) == (all_kept, all_rejected)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert choose(shuffled) == chosen


def test_choice_spreads_over_generators_and_emotions() -> None:
    rows = [
        Standing(
            f"{i:03}", f"generator{i % 3}", BASIC4.classes[i // 3 % 4], f"source{i}",
            "kept", "ok", "", "", "",
        )
        for i in range(300)
    ]  # fmt: skip
    chosen = choose(rows)
    assert set(Counter(row.generator for row in chosen).values()) == {4}
    assert set(Counter(row.emotion for row in chosen).values()) == {3}


@pytest.mark.parametrize("rate", [7000, 16000, 22050, 44100, 48000, 96000])
def test_mp3_is_small_and_sounds_the_same(shared: Path, rate: int) -> None:
    clip = real_recordings(shared, "emodb")[0]
    audio = clip.read(rate)
    mp3 = encode_mp3(audio)
    assert len(mp3) < 12_000 * audio.duration + 2000
    samples, decoded_rate = soundfile.read(io.BytesIO(mp3), dtype="float32")
    decoded = Audio(samples, decoded_rate).resampled(16000).samples
    original = clip.read(16000).samples
    assert len(decoded) == pytest.approx(len(original), abs=160)
    shortest = min(len(decoded), len(original))
    assert np.corrcoef(decoded[:shortest], original[:shortest])[0, 1] > (
        0.95 if rate > 8000 else 0.5
    )


# --- the judge's card ------------------------------------------------------------------------


def test_card_counts_only_for_the_very_weights(tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"some weights")
    options = {"name": "embedded", "path": str(weights)}
    judge = cast(Judge, create("judge", "embedded", {"path": str(weights)}))
    place = tmp_path / "mine.card.json"

    missing = qualified(judge.key, options)
    assert (missing.qualified, missing.card) == (False, None)
    assert "no report card" in missing.reason
    place.write_text(json.dumps({"digest": judge.weights}))
    assert "it says nothing of judge, schemes" in qualified(judge.key, options).reason
    card = {"judge": "mine", "schemes": {}, "digest": judge.weights}
    place.write_text(json.dumps({**card, "digest": "of other weights"}))
    assert qualified(judge.key, options).reason == "the report card there is of other weights"
    place.write_text("{")
    assert "cannot be read" in qualified(judge.key, options).reason
    place.write_text(json.dumps({**card, "measured": {"at": "2026-11-21"}}))
    assert qualified(judge.key, options) == Qualified(judge.key, True, "", str(place), "2026-11-21")
    assert "where the run had them" in qualified("another-judge", options).reason
    assert not qualified("", options).qualified
    assert "no judge 'nobody'" in qualified("key", {"name": "nobody"}).reason


def test_what_a_card_says_to_readers() -> None:
    row = {
        "speakers": 10,
        "clips": 362,
        "classes": ["angry", "happy", "neutral", "sad"],
        "uar": {"value": 0.8, "interval": [0.7, 0.85]},
    }
    card: dict[str, Any] = {
        "trained": {"corpora": {"emodb": 362, "nemo": 9}, "speakers": 19, "licences": ["CC0-1.0"]},
        "evaluation": {"basic4": {"held_out_speakers": {"emodb": row}, "left_out_corpus": None}},
        "source_probe": {
            "espeak": {"within": {"value": 0.9, "interval": None}},
            "rare": {"why": "too few"},
        },
        "votes": {"basic4": {"recordings": {}, "espeak": {}}},
    }
    found = qualification(card, "basic4", ["emodb", "crema_d"])
    assert (found.familiar, found.speakers, found.licences) == (["emodb"], 19, ["CC0-1.0"])
    assert [(m.corpus, m.classes, m.uar, m.interval) for m in found.measured] == [
        ("emodb", 4, 0.8, (0.7, 0.85))
    ]
    assert [(t.generator, t.value) for t in found.told] == [("espeak", 0.9)]
    assert found.listened == ["espeak"]
    # A head's card knows what its encoder had learned from, too.
    both = {**card, "measured": {"learned": {"emodb": 362, "nemo": 9, "crema_d": 5}}}
    assert qualification(both, "basic4", ["crema_d"]).familiar == ["crema_d"]
    # … and where only the head was tested on new people.
    tested = {**card, "evaluation": {**card["evaluation"], "familiar": ["emodb"]}}
    (only,) = qualification(tested, "basic4", ["emodb"]).measured
    assert only.test == "speakers new to its head alone"
    other = qualification(card, "wide8", ["emodb"])
    assert (other.measured, other.listened) == ([], [])


def test_a_judge_without_card_is_marked(real: Workspace) -> None:
    assert not inspect_workspace(real).judge.qualified
    page = Page(render(real, NOW))
    assert "unqualified judge" in page.text
    assert inspect_workspace(real).judge.reason.replace("`", "") in page.text


def test_parameters_are_shown_short_and_flat() -> None:
    params = {
        "chain": [{"operation": "tempo", "factor": 0.123456}, {"operation": "gain"}],
        "controls": {"rate": 1.0, "contour": list(range(50))},
        "profile": None,
    }
    assert list(_flat(params)) == [
        ("chain.1.factor", "0.1235"),
        ("chain.1.operation", "tempo"),
        ("chain.2.operation", "gain"),
        ("controls.contour", "[0, 1, 2, 3, 4, 5, … 50 values]"),
        ("controls.rate", "1"),
        ("profile", "None"),
    ]
