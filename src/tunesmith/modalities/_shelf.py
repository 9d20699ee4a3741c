from tunesmith.core.contracts import Modality
from tunesmith.core.shelf import Shelf

modalities: Shelf[Modality] = Shelf("modalities", "tunesmith.modalities")
