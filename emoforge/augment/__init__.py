"""The main job: corpora in, plans, runs, training sets and reports out."""

from emoforge.augment.assess import gate_candidates, judge_clips, select_candidates
from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.dry_run import Cost, dry_run
from emoforge.augment.export import Exported, Exporter
from emoforge.augment.inspection import Inspection, inspect_workspace
from emoforge.augment.inspection_tables import inspection_tables
from emoforge.augment.job import AugmentConfig
from emoforge.augment.leakage import audit_leakage
from emoforge.augment.learning import JudgeTraining, ProfileMeasurement, measure_prosody, train
from emoforge.augment.pipeline import Summary, augment, export_selection
from emoforge.augment.replay import Replay, replay_candidate
from emoforge.augment.report import write_report

__all__ = [
    "AugmentConfig",
    "CorpusConfig",
    "Cost",
    "Exported",
    "Exporter",
    "Inspection",
    "JudgeTraining",
    "ProfileMeasurement",
    "Replay",
    "Summary",
    "audit_leakage",
    "augment",
    "dry_run",
    "export_selection",
    "gate_candidates",
    "inspect_workspace",
    "inspection_tables",
    "judge_clips",
    "measure_prosody",
    "read_corpus",
    "replay_candidate",
    "select_candidates",
    "train",
    "write_report",
]
