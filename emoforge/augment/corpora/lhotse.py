"""Lhotse manifests: cuts, or recordings and supervisions, as JSON lines."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emoforge.augment.corpora.clips import Row
from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.tables import Fields, RowFault, bind, open_table
from emoforge.errors import CorpusError

_SAME_S = 0.001
"""A supervision that ends this close to its recording's end covers all of it."""


def read(config: CorpusConfig, root: Path) -> Iterator[Row]:
    """Rows of the cuts that `config.manifest` names, else of all cuts under `root`, else of all
    supervisions there and their recordings.

    Emotion, votes and the like are looked for in the `custom` of a supervision (and of its cut)
    under the names in `config.columns`, or the usual ones.
    """
    cuts = _manifests(root, config.manifest or "*cuts*.jsonl*")
    if not cuts and config.manifest:
        raise CorpusError(f"there is no manifest {config.manifest} in {root}")
    for where, cut in _objects(cuts):
        yield where, cut if isinstance(cut, RowFault) else _cut(cut, config)
    if cuts:
        return
    supervisions = _manifests(root, "*supervisions*.jsonl*")
    recordings = {}
    for where, found in _objects(_manifests(root, "*recordings*.jsonl*")):
        if isinstance(found, RowFault):
            yield where, found
        else:
            recordings[found.get("id")] = found
    if not supervisions or not recordings:
        raise CorpusError(
            f"{root} has neither *cuts*.jsonl nor *recordings*.jsonl and *supervisions*.jsonl "
            "(.gz or not)"
        )
    for where, said in _objects(supervisions):
        if isinstance(said, RowFault):
            yield where, said
        elif (recording := recordings.get(said.get("recording_id"))) is None:
            yield where, RowFault(f"recording '{said.get('recording_id')}' is in no manifest")
        else:
            yield where, _row(said, recording, float(said.get("start", 0)), {}, config)


def _manifests(root: Path, pattern: str) -> list[Path]:
    return sorted(
        path for path in root.glob(pattern) if path.name.endswith((".jsonl", ".jsonl.gz"))
    )


def _objects(paths: list[Path]) -> Iterator[tuple[str, Mapping[str, Any] | RowFault]]:
    for path in paths:
        table = open_table(path)
        for line, values in table.rows(table.columns):
            where = f"{path}:{line}"
            if isinstance(values, RowFault):
                yield where, values
            else:
                yield where, dict(zip(table.columns, values, strict=True))


def _cut(cut: Mapping[str, Any], config: CorpusConfig) -> Fields | RowFault:
    said, recording = cut.get("supervisions") or [], cut.get("recording")
    if recording is None:
        return RowFault(f"cut '{cut.get('id')}' is a {cut.get('type')} without one recording")
    if len(said) != 1:
        return RowFault(
            f"cut '{cut.get('id')}' has {len(said)} supervisions and not one: "
            "trim_to_supervisions() makes a cut of each"
        )
    # A supervision's start counts from its cut's.
    start = float(cut.get("start", 0)) + float(said[0].get("start", 0))
    return _row({**said[0], "id": cut.get("id")}, recording, start, cut.get("custom"), config)


def _row(
    said: Mapping[str, Any],
    recording: Mapping[str, Any],
    start: float,
    more: Mapping[str, Any] | None,
    config: CorpusConfig,
) -> Fields | RowFault:
    sources = recording.get("sources") or []
    if len(sources) != 1 or sources[0].get("type") not in ("file", "url"):
        kinds = ", ".join(str(source.get("type")) for source in sources) or "no source"
        return RowFault(
            f"recording '{recording.get('id')}' must be one file or URL, it is: {kinds}"
        )
    custom = {**(more or {}), **(said.get("custom") or {})}
    fields: Fields = {field: custom[name] for field, name in bind(custom, config.columns).items()}
    for name in ("id", "speaker", "gender", "language", "text"):
        if said.get(name) is not None:
            fields[name] = said[name]
    fields["path"] = sources[0].get("source")
    duration = float(said.get("duration") or 0)
    if start > 0 or abs(duration - float(recording.get("duration") or 0)) > _SAME_S:
        fields |= {"start": start, "duration": duration}
    return fields
