"""A fitted model as a user meets it: its answers, scores and the facts of its fit (`predictor.py`);
the rows it is given (`rows.py`), their labels (`labels.py`) and how answers are scored."""

from tunesmith.predictor.evaluation import Evaluation
from tunesmith.predictor.predictor import Predictor

__all__ = ["Evaluation", "Predictor"]
