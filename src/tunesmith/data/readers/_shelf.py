from tunesmith.core.contracts import Reader
from tunesmith.core.shelf import Shelf

readers = Shelf[Reader]("readers", "tunesmith.data.readers")
