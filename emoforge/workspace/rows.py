"""Clips, plans and outcomes to rows of the catalogue, and back."""

import dataclasses
import json
from functools import lru_cache
from typing import Any

import numpy as np

from emoforge.clip import Clip, Lineage
from emoforge.component import Plan, Promise, canonical_json
from emoforge.label import Label
from emoforge.workspace.audio_store import AudioStore
from emoforge.workspace.records import Made

# What a line has besides its label.
_LINE_FIELDS = (
    "rate", "speaker", "corpus", "digest", "text", "language", "gender", "split", "licence",
    "consent",
)  # fmt: skip


def to_clip(row: Any, audio: AudioStore) -> Clip:
    lineage = None
    if row.lineage:
        plain = json.loads(row.lineage)
        plain["parents"] = tuple(plain["parents"])
        plain["parent_digests"] = tuple(plain["parent_digests"])
        lineage = Lineage(**plain)
    return Clip(
        id=row.id,
        path=audio.path(row.path) if row.generated else row.path,
        start=row.start,
        duration=row.duration,
        rate=row.rate,
        digest=row.digest,
        label=Label.from_dict(json.loads(row.label)),
        speaker=row.speaker,
        corpus=row.corpus,
        text=row.text,
        language=row.language,
        gender=row.gender,
        split=row.split,
        licence=row.licence,
        consent=row.consent,
        lineage=lineage,
    )


def to_made(row: Any) -> Made:
    return Made(
        row.candidate,
        row.status,
        row.reason,
        row.detail,
        json.loads(row.measured),
        None if row.fingerprint is None else np.frombuffer(row.fingerprint, np.float32),
    )


def clip_row(clip: Clip, path: str, state: str | None) -> dict[str, Any]:
    return {
        "id": clip.id,
        "generated": clip.lineage is not None,
        "corpus": clip.corpus,
        "path": path,
        "start": clip.start,
        "duration": clip.duration,
        "rate": clip.rate,
        "digest": clip.digest,
        "label": canonical_json(clip.label.to_dict()),
        "speaker": clip.speaker,
        "text": clip.text,
        "language": clip.language,
        "gender": clip.gender,
        "split": clip.split,
        "licence": clip.licence,
        "consent": clip.consent,
        "lineage": canonical_json(dataclasses.asdict(clip.lineage)) if clip.lineage else None,
        "source_state": state,
    }


def plan_row(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "generator": plan.generator,
        "version": plan.version,
        "weights": plan.weights,
        "parent": plan.parent,
        "others": canonical_json(list(plan.references)),
        "params": canonical_json(plan.params),
        "label": _label_json(plan.promise.label),
        "emotion": plan.promise.label.hard,
        "speaker": plan.promise.speaker,
        "duration": plan.promise.duration,
        "text": plan.promise.text,
        "language": plan.promise.language,
        "gender": plan.promise.gender,
    }


def to_plan(row: Any) -> Plan:
    promise = Promise(
        Label.from_dict(json.loads(row.label)),
        row.speaker,
        row.duration,
        row.text,
        row.language,
        row.gender,
    )
    return Plan(
        row.id,
        row.generator,
        row.version,
        row.weights,
        row.parent,
        json.loads(row.params),
        promise,
        tuple(json.loads(row.others)),
    )


@lru_cache(maxsize=1024)  # thousands of plans have the same few labels
def _label_json(label: Label) -> str:
    return canonical_json(label.to_dict())


def line_row(line: Clip) -> dict[str, Any]:
    plain = {name: getattr(line, name) for name in _LINE_FIELDS}
    return {"id": line.id, "clip": canonical_json({**plain, "label": line.label.to_dict()})}


def to_line(row: Any) -> Clip:
    plain = json.loads(row.clip)
    label = Label.from_dict(plain.pop("label"))
    return Clip(id=row.id, path="", duration=0.0, label=label, **plain)
