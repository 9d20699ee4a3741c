"""A fitted model as a user meets it: its answers and scores (`predictor.py`), the fit behind it
(`fit.py`), the rows it is given (`rows.py`), their labels (`labels.py`), how it is scored, where
it errs (`errors.py`), what to label (`labelling.py`), and whether rows are like those of the
fit."""

from tunesmith.predictor.check import Check
from tunesmith.predictor.errors import Errors
from tunesmith.predictor.evaluation import Evaluation
from tunesmith.predictor.predictor import Predictor

__all__ = ["Check", "Errors", "Evaluation", "Predictor"]
