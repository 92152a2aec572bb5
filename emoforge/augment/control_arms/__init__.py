"""Control arms on a workspace: whether its selection helps, as numbers and as a page."""

from emoforge.augment.control_arms.evaluation import ArmsConfig, Evaluation, evaluate_arms

__all__ = ["ArmsConfig", "Evaluation", "evaluate_arms"]
