"""Selecting in rounds in a workspace: each round is a row, and an interrupted call goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.augment.assess import gate_candidates, judge_clips, select_candidates
from emoforge.augment.generate import generate
from emoforge.augment.importing import checked
from emoforge.augment.planner import Recipe, plan_candidates, slots_of
from emoforge.clip import Clip
from emoforge.component import create
from emoforge.label import BASIC4, Label
from emoforge.progress import Progress
from emoforge.selection import Bootstrap, Encoding, Gate
from emoforge.testing import FakeGenerator, FakeJudge
from emoforge.workspace import Workspace

QUIET = Progress(quiet=True)
GATES = [create("gate", "finite")]


@dataclass(frozen=True)
class BandJudge(FakeJudge):
    """Its embedding is the loudness of eight bands, with some noise."""

    name: ClassVar[str] = "bands"

    def encode(self, audios: Sequence[np.ndarray]) -> list[Any]:
        heard = super().encode(audios)
        bands = [np.abs(np.fft.rfft(a / np.abs(a).max())[:4000]).reshape(8, -1) for a in audios]
        return [
            Encoding(np.log(band.mean(1, keepdims=True).T).astype(np.float32), one.native)
            for band, one in zip(bands, heard, strict=True)
        ]


def prepared(folder: Path) -> Workspace:
    """A workspace with 24 clips of noise and 48 candidates, judged."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    clips = []
    for i in range(24):
        path = folder / f"{i:02}.flac"
        write_flac(path, Audio(rng.normal(0, 0.1, 8000).astype(np.float32), 16000))
        label = Label.of(BASIC4.classes[i % 4], BASIC4)
        split = "train" if i < 16 else "dev"
        clip = Clip(
            id=f"noise/{i:02}", path=str(path), duration=0, rate=0, label=label,
            speaker=f"{split}{i % 3}", corpus="noise", split=split,
        )  # fmt: skip
        clips.append(checked(clip))
    workspace = Workspace.open(folder / "workspace", write=True)
    workspace.add_recordings([(clip, "") for clip in clips])
    fake = FakeGenerator()
    plan_candidates(workspace, slots_of([Recipe(fake, 3)], clips[:16]), 48, 0, QUIET)
    generate(
        workspace,
        {"fake": fake},
        {row["id"] for row in workspace.table_rows("plan")},
        [],
        workers=0,
        max_failures=0,
        retry_failed=False,
        progress=QUIET,
    )
    gates = [gate for gate in GATES if isinstance(gate, Gate)]
    judge_clips(workspace, BandJudge(), gate_candidates(workspace, gates, QUIET), QUIET)
    return workspace


def select(workspace: Workspace) -> str:
    selector = Bootstrap({"name": "topk", "threshold": 0.3}, rounds=4, patience=None, judge=False)
    gates = [gate for gate in GATES if isinstance(gate, Gate)]
    return select_candidates(workspace, selector, BASIC4, BandJudge(), gates, ["train"])


def outcome(workspace: Workspace, selection: str) -> tuple[list[Any], list[Any]]:
    rounds = [(n, log, kept.tolist()) for n, log, kept in workspace.rounds(selection)]
    return list(workspace.decisions(selection)), rounds


def test_an_interrupted_selection_goes_on_after_its_last_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared(tmp_path / "whole") as workspace:
        decisions, rounds = outcome(workspace, select(workspace))
    assert len(decisions) == 48
    assert 0 < sum(d.keep for d in decisions) <= 16
    assert [number for number, *_ in rounds] == list(range(len(rounds)))
    assert len(rounds) > 2

    with prepared(tmp_path / "stopped") as workspace:
        add = workspace.add_round
        written: list[int] = []

        def interrupted(selection: str, number: int, log: Any, kept: Any) -> None:
            add(selection, number, log, kept)
            written.append(number)
            raise KeyboardInterrupt

        monkeypatch.setattr(workspace, "add_round", interrupted)
        for _ in rounds:
            with pytest.raises(KeyboardInterrupt):
                select(workspace)
        assert written == list(range(len(rounds)))
        assert outcome(workspace, select(workspace)) == (decisions, rounds)


@dataclass(frozen=True)
class FaultyJudge(BandJudge):
    """Of the second clip of a batch it makes what is no number."""

    name: ClassVar[str] = "faulty"

    def encode(self, audios: Sequence[np.ndarray]) -> list[Any]:
        heard = super().encode(audios)
        heard[1].embedding[0, 3] = np.nan
        return heard


def test_an_embedding_that_is_not_finite_fails_alone(tmp_path: Path) -> None:
    gates = [gate for gate in GATES if isinstance(gate, Gate)]
    with prepared(tmp_path / "w") as workspace:
        key = gate_candidates(workspace, gates, QUIET)
        judge = FaultyJudge()
        judge_clips(workspace, judge, key, QUIET)
        rows = [row for row in workspace.table_rows("score") if row["judge"] == judge.key]
        errors = [row["error"] for row in rows if row["error"]]
        assert 0 < len(errors) < len(rows) == 72
        assert set(errors) == {"the encoder's answer is not finite (NaN or infinite)"}
        sound = workspace.embeddings(judge.encoder, workspace.scored_ids(judge.key, key))
        assert len(sound) == len(rows) - len(errors)
        assert np.isfinite(sound).all()
