"""Whole runs on one workspace, one after the other."""

from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.augment import AugmentConfig, augment, dry_run
from emoforge.augment.job import Parts
from emoforge.augment.pipeline import import_sources, plan_sources
from emoforge.cast import Cast
from emoforge.config import compose
from emoforge.errors import ConfigError, WorkspaceError
from emoforge.label import BASIC4
from emoforge.progress import Progress
from emoforge.workspace import CATALOGUE, Workspace

QUIET = Progress(quiet=True)


def sound(seed: int) -> Audio:
    """A second of a voice-like sound."""
    time = np.arange(16000) / 16000
    wave = np.sign(np.sin(2 * np.pi * (120 + 11 * seed) * time)) * np.sin(2 * np.pi * 2 * time) ** 2
    noise = np.random.default_rng(seed).normal(0, 0.002, len(time))
    return Audio((0.3 * wave + noise).astype(np.float32), 16000)


def job(folder: Path, corpus: str, clips: int, *more: str) -> AugmentConfig:
    """A run over a new corpus of that many clips, emotions in turn."""
    home = folder / corpus
    if not home.exists():
        home.mkdir()
        lines = ["path,emotion,speaker"]
        for i in range(clips):
            write_flac(home / f"{i}.flac", sound(len(corpus) * 100 + i))
            lines.append(f"{i}.flac,{BASIC4.classes[i % 4]},{corpus}{i}")
        (home / "manifest.csv").write_text("\n".join(lines))
    overrides = [
        "corpus=manifest",
        f"corpus.name={corpus}",
        f"corpus.manifest={home / 'manifest.csv'}",
        f"workspace={folder / 'w'}",
        "generators=[signal]",
        "generators.signal.operations=[gain,noise]",
        "splits=[train,dev,test]",
        "runner.workers=0",
        *more,
    ]
    return compose("augment", overrides, AugmentConfig)


def test_the_prior_counts_every_corpus_of_the_workspace(tmp_path: Path) -> None:
    for corpus, clips, each in (("one", 8, 2), ("three", 4, 3)):
        augment(job(tmp_path, corpus, clips, "export=[]"), progress=QUIET)
        with Workspace.open(tmp_path / "w") as workspace:
            run = workspace.last_run()
            assert run is not None
            config = workspace.selection_config(run["selection"])
            assert config is not None
            assert config["prior"] == dict.fromkeys(BASIC4.classes, each)


def test_nothing_is_made_of_a_recording_that_has_changed(tmp_path: Path) -> None:
    config = job(tmp_path, "corpus", 4, "export=[]")
    with Workspace.open(config.workspace, write=True) as workspace:  # a run stopped after planning
        imported = import_sources(workspace, config, QUIET)
        plan_sources(workspace, config, Parts.of(config), imported, Cast({}), QUIET)
    write_flac(tmp_path / "corpus" / "2.flac", sound(9))
    summary = augment(config, progress=QUIET)
    assert summary.inspection.last_run is not None
    (problem,) = summary.inspection.last_run.problems
    assert "its audio file changed" in problem["problem"]
    with Workspace.open(config.workspace) as workspace:
        made = [clip.lineage for clip in workspace.clips(generated=True)]
    assert sorted(one.parents[0] for one in made if one) == ["corpus/0", "corpus/1", "corpus/3"]
    assert summary.inspection.outcomes["pending"] == 1


@pytest.mark.parametrize("note", ["", "{", "[]", "{}"])
def test_outputs_are_written_again_where_their_note_is_damaged(tmp_path: Path, note: str) -> None:
    config = job(tmp_path, "corpus", 4)
    report = Path(augment(config, progress=QUIET).report)
    written = report.stat().st_mtime_ns
    augment(config, progress=QUIET)
    assert report.stat().st_mtime_ns == written
    (tmp_path / "w" / "outputs.json").write_text(note)
    augment(config, progress=QUIET)
    assert report.stat().st_mtime_ns > written


def test_a_dry_run_counts_what_is_there_and_leaves_it(tmp_path: Path) -> None:
    # The corpus has no texts: espeak declines all of it.
    config = job(tmp_path, "corpus", 4, "export=[]", "generators=[signal,espeak]")

    def counts() -> dict[str, tuple[int, int, int]]:
        costs = dry_run(config, progress=QUIET)
        return {cost.generator: (cost.pending, cost.done, cost.skipped) for cost in costs}

    assert counts() == {"signal": (4, 0, 0), "espeak": (0, 0, 4)}
    assert not Path(config.workspace).exists()
    augment(config, progress=QUIET)
    before = (Path(config.workspace) / CATALOGUE).read_bytes()
    assert counts() == {"signal": (0, 4, 0), "espeak": (0, 0, 4)}
    assert (Path(config.workspace) / CATALOGUE).read_bytes() == before


def test_a_dry_run_says_what_it_cannot_plan_on(tmp_path: Path) -> None:
    config = job(tmp_path, "corpus", 4)
    Path(config.workspace).mkdir()
    (Path(config.workspace) / CATALOGUE).write_bytes(b"no database" * 100)
    with pytest.raises(WorkspaceError, match="file is not a database"):
        dry_run(config, progress=QUIET)
    database = job(tmp_path, "corpus", 4, "workspace=postgresql://me@host/db", "audio_root=a")
    with pytest.raises(ConfigError, match="copies no database"):
        dry_run(database, progress=QUIET)
