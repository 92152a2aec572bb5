"""Workspaces for the tests of inspection and report: real rows, stopped at any step of a run."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from emoforge.audio import Audio, encode_flac, fit, write_flac
from emoforge.clip import SPLITS, Clip, Lineage
from emoforge.component import Plan, Promise, digest, rng_for
from emoforge.label import BASIC4, Label, Scheme, canonical
from emoforge.workspace import Decision, Made, Scored, Workspace

Step = Literal["nothing", "catalogued", "planned", "generated", "gated", "judged", "finished"]
STEPS: tuple[Step, ...] = (
    "nothing", "catalogued", "planned", "generated", "gated", "judged", "finished",
)  # fmt: skip
GATES, JUDGE, SELECTION = "gates-key", "embedded:1", "selection-key"
CONFIG = {
    "scheme": BASIC4.name,
    "judge": JUDGE,
    "gates": GATES,
    "gate_options": {"duration": {"longest": 1.5}, "clipping": {"share": 0.01}},
    "selector": {"threshold": 0.5, "top_k": 200},
}
VERSIONS = {"emoforge": "0.1.0", "python": "3.11.2", "numpy": "2.4.6"}


def real_recordings(shared: Path, corpus: str, every: int = 8) -> list[Clip]:
    """Every so many clips of a real corpus whose emotion the four-class scheme has."""
    with (shared / "corpora" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == corpus]
    rows = [row for row in rows if canonical(row["emotion"]) in BASIC4.classes][::every]
    speakers = sorted({row["speaker"] for row in rows})
    return [
        Clip(
            id=f"{corpus}/{Path(row['path']).stem}",
            path=str(shared / "corpora" / row["path"]),
            duration=float(row["duration_s"]),
            rate=16000,
            digest=digest(row["path"]),
            label=Label.of(canonical(row["emotion"]), BASIC4),
            speaker=row["speaker"],
            corpus=corpus,
            text=row["text"] or None,
            language=row["lang"],
            gender=row["gender"],
            split=SPLITS[min(2, 3 * speakers.index(row["speaker"]) // len(speakers))],
            licence=row["licence"],
        )
        for row in rows
    ]


def tone_recordings(folder: Path, count: int = 8, scheme: Scheme = BASIC4) -> list[Clip]:
    """Short tones, one emotion after the other, for tests that need no speech."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for i in range(count):
        path = folder / f"tone{i}.flac"
        time = np.arange(8000) / 16000
        write_flac(path, Audio(np.sin(time * (1500 + 80 * i)).astype(np.float32) / 4, 16000))
        clips.append(
            Clip(
                id=f"tones/{i:02}",
                path=str(path),
                duration=0.5,
                rate=16000,
                digest=digest(i),
                label=Label.of(scheme.classes[i % len(scheme.classes)], scheme),
                speaker=f"tones/{i % 3}",
                corpus="tones",
                split=SPLITS[i % 3],
                licence="CC0-1.0",
            )
        )
    return clips


def build(
    folder: Path,
    recordings: Sequence[Clip],
    generators: Sequence[str] = ("espeak", "prosody", "signal"),
    until: Step = "finished",
    *,
    scheme: Scheme = BASIC4,
    keep_any: bool = True,
    hostile: str = "",
) -> Workspace:
    """A workspace (open for reading) as a run leaves it that stopped after the step `until`.

    `hostile` is put into every text that a corpus, a generator or an error could bring.
    """
    done = STEPS[: STEPS.index(until) + 1]
    config = {
        "workspace": str(folder), "seed": 7, "scheme": scheme.name, "generators": list(generators),
        "note": hostile,
    }  # fmt: skip
    with Workspace.open(folder, write=True) as workspace:
        if "catalogued" in done:
            run = workspace.start_run(config, VERSIONS)
            workspace.add_recordings([(clip, "state") for clip in recordings])
        plans = [
            plan
            for generator in generators
            for clip in recordings
            for plan in _plans(clip, generator, hostile)
        ]
        if "planned" in done:
            declined = [
                (f"{name} {clip.id}", name, clip.id, 0, f"no neutral clip of this speaker{hostile}")
                for name in generators[1:2]
                for clip in recordings[:2]
            ]
            workspace.add_plans([(plan.id, plan.generator, plan.parent, 0, plan) for plan in plans])
            workspace.add_plans(declined)
        by_id = {clip.id: clip for clip in recordings}
        made: list[Made] = []
        if "generated" in done:
            # The last few stay pending, as after a kill.
            made = [_make(plan, by_id[plan.parent], workspace, hostile) for plan in plans[:-3]]
            workspace.add_outcomes(made)
        passed = []
        if "gated" in done:
            verdicts = [_verdict(row.candidate, hostile) for row in made if row.status == "ok"]
            workspace.add_verdicts(GATES, verdicts)
            passed = [candidate for candidate, gate, _ in verdicts if not gate]
        labels = {plan.id: plan.promise.label for plan in plans}
        labels |= {clip.id: clip.label for clip in recordings}
        scores = []
        if "judged" in done:
            scores = [
                _score(clip, labels[clip].hard, scheme, hostile) for clip in [*by_id, *passed]
            ]
            workspace.add_judged("", [], JUDGE, scores)
        if "finished" in done:
            decisions = []
            for score in scores:
                if score.clip in by_id or score.error:
                    continue
                probability = score.distributions[scheme.name][
                    labels[score.clip].distribution.index(1)
                ]
                keep = keep_any and probability >= 0.5
                reason = "" if keep else "unsupported"
                detail = "" if keep else f"the judge gives {probability:.2f}, below 0.50{hostile}"
                decisions.append(Decision(score.clip, keep, reason, detail, probability))
            workspace.add_selection(SELECTION, {**CONFIG, "scheme": scheme.name}, decisions)
            workspace.finish_run(run, SELECTION)
    return Workspace.open(folder)


def _plans(clip: Clip, generator: str, hostile: str) -> list[Plan]:
    plans = []
    for take in range(2):
        semitones = float(rng_for(clip.id, generator, take).uniform(-4, 4))
        params: dict[str, Any] = {"semitones": round(semitones, 2), "rate": 1.1, "note": hostile}
        plans.append(
            Plan(
                digest(clip.id, generator, take),
                generator,
                1,
                "",
                clip.id,
                params,
                Promise(
                    clip.label, clip.speaker, clip.duration, clip.text, clip.language, clip.gender
                ),
            )
        )
    return plans


def _make(plan: Plan, source: Clip, workspace: Workspace, hostile: str) -> Made:
    lot = rng_for("make", plan.id).uniform()
    if lot < 0.04:
        return Made(plan.id, "failed", "AudioError", f"{source.path}: truncated{hostile}", {})
    if lot < 0.08:
        return Made(plan.id, "rejected", "unstable", f"pitch lost in 0.6 of frames{hostile}", {})
    audio = source.read()
    # A real edit: played faster or slower, so that pitch and tempo move together.
    faster = 2 ** (plan.params["semitones"] / 12)
    length = int(len(audio.samples) / faster)
    at = np.minimum(np.arange(length) * faster, len(audio.samples) - 1)
    edited = np.interp(at, np.arange(len(audio.samples)), audio.samples).astype(np.float32)
    audio = Audio(fit(edited, length), audio.rate)
    clip = Clip(
        id=plan.id,
        path=workspace.audio.write(plan.id, encode_flac(audio)),
        duration=audio.duration,
        rate=audio.rate,
        digest=plan.id,
        label=plan.promise.label,
        speaker=source.speaker,
        corpus=source.corpus,
        text=source.text,
        language=source.language,
        split=source.split,
        licence=source.licence,
        lineage=Lineage(
            parents=(source.id,),
            parent_digests=(source.digest,),
            component=plan.generator,
            component_version=plan.version,
            params=plan.params,
        ),
    )
    return Made(plan.id, "ok", "", "", {"f0_mean_hz": 180.0}, None, clip)


def _verdict(candidate: str, hostile: str) -> tuple[str, str, str]:
    lot = rng_for("gate", candidate).uniform()
    if lot < 0.06:
        return candidate, "duration", f"1.8 times the expected length, at most 1.5{hostile}"
    if lot < 0.1:
        return candidate, "clipping", f"2.1 % of the samples are clipped, at most 1 %{hostile}"
    return candidate, "", ""


def _score(clip: str, emotion: str, scheme: Scheme, hostile: str) -> Scored:
    rng = rng_for("score", clip)
    if rng.uniform() < 0.02:
        return Scored(clip, {}, f"no speech found{hostile}")
    concentration = np.full(len(scheme.classes), 0.35)
    concentration[scheme.index(emotion)] += 1.4
    return Scored(clip, {scheme.name: rng.dirichlet(concentration).tolist()})
