"""The main job: corpora in, plans, runs, training sets and reports out."""

from emoforge.augment.antispoofing import AntispoofConfig, Antispoofing, evaluate_antispoofing
from emoforge.augment.assess import gate_candidates, judge_clips, select_candidates
from emoforge.augment.auditing import (
    AuditPlan,
    Drawn,
    Guarantee,
    VotesRead,
    draw_audit,
    export_votes,
    guarantee,
    import_votes,
    plan_audit,
)
from emoforge.augment.control_arms import ArmsConfig, Evaluation, evaluate_arms
from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.corpus_builder import synthesize
from emoforge.augment.dry_run import Cost, dry_run
from emoforge.augment.emotion_loss import EmotionLoss, EmotionLossConfig, report_emotion_loss
from emoforge.augment.export import Exported, Exporter
from emoforge.augment.fairness import FairnessReport, audit_fairness
from emoforge.augment.inspection import Inspection, inspect_workspace
from emoforge.augment.inspection_tables import inspection_tables
from emoforge.augment.job import AugmentConfig, RecipeConfig, SynthesisConfig
from emoforge.augment.judge_card import JudgeCard, card_judge
from emoforge.augment.leakage import audit_leakage
from emoforge.augment.learning import JudgeTraining, ProfileMeasurement, measure_prosody, train
from emoforge.augment.pipeline import Summary, augment, export_selection
from emoforge.augment.replay import Replay, replay_candidate
from emoforge.augment.report import write_report
from emoforge.augment.say import EngineVoices, Said, TtsSettings, list_voices, speak_text
from emoforge.augment.scoring import JudgeScoring, ScoredFile, score

__all__ = [
    "AntispoofConfig",
    "Antispoofing",
    "ArmsConfig",
    "AuditPlan",
    "AugmentConfig",
    "CorpusConfig",
    "Cost",
    "Drawn",
    "EmotionLoss",
    "EmotionLossConfig",
    "EngineVoices",
    "Evaluation",
    "Exported",
    "Exporter",
    "FairnessReport",
    "Guarantee",
    "Inspection",
    "JudgeCard",
    "JudgeScoring",
    "JudgeTraining",
    "ProfileMeasurement",
    "RecipeConfig",
    "Replay",
    "Said",
    "ScoredFile",
    "Summary",
    "SynthesisConfig",
    "TtsSettings",
    "VotesRead",
    "audit_fairness",
    "audit_leakage",
    "augment",
    "card_judge",
    "draw_audit",
    "dry_run",
    "evaluate_antispoofing",
    "evaluate_arms",
    "export_selection",
    "export_votes",
    "gate_candidates",
    "guarantee",
    "import_votes",
    "inspect_workspace",
    "inspection_tables",
    "judge_clips",
    "list_voices",
    "measure_prosody",
    "plan_audit",
    "read_corpus",
    "replay_candidate",
    "report_emotion_loss",
    "score",
    "select_candidates",
    "speak_text",
    "synthesize",
    "train",
    "write_report",
]
