from typing import Any

from tunesmith.core.contracts import Learner
from tunesmith.core.shelf import Shelf

learners: Shelf[Learner[Any]] = Shelf("learners", "tunesmith.learners")
