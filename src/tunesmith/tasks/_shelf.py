from tunesmith.core.contracts import Task
from tunesmith.core.shelf import Shelf

tasks: Shelf[Task] = Shelf("tasks", "tunesmith.tasks")
