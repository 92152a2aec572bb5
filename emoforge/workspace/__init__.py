"""The workspace: a catalogue of clips, plans, outcomes, scores and decisions, and the audio.

The catalogue is SQLite in write-ahead mode in the workspace's folder, or a PostgreSQL database;
the audio lies as FLAC in a sharded folder under the audio root, a local path or an fsspec URL.
Every step adds rows and none changes what an earlier step wrote. One process at a time writes:
it holds the lock, and writes a batch's audio before it commits the batch's rows.
"""

from emoforge.workspace.audio_store import AudioStore
from emoforge.workspace.database import CATALOGUE
from emoforge.workspace.records import (
    REAL,
    Audit,
    Decision,
    Encoded,
    Judged,
    Judgement,
    Known,
    Made,
    Scored,
    Standing,
    Tally,
    Vote,
)
from emoforge.workspace.workspace import Workspace, with_references

__all__ = [
    "CATALOGUE",
    "REAL",
    "AudioStore",
    "Audit",
    "Decision",
    "Encoded",
    "Judged",
    "Judgement",
    "Known",
    "Made",
    "Scored",
    "Standing",
    "Tally",
    "Vote",
    "Workspace",
    "with_references",
]
