"""A fitted model as a user meets it: its answers and scores (`predictor.py`), the fit behind it
(`fit.py`), the rows it is given (`rows.py`), their labels (`labels.py`), and how it is scored."""

from tunesmith.predictor.evaluation import Evaluation
from tunesmith.predictor.predictor import Predictor

__all__ = ["Evaluation", "Predictor"]
