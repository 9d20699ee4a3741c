"""Fine-tuning: an encoder, as many of its blocks as wanted, and a head, trained end to end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from tunesmith.core.architecture import MOST_WIDTH, Architecture
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem
from tunesmith.core.seeds import derive
from tunesmith.core.space import Choice, Int, Linear, Log, Range, config
from tunesmith.learners._forms import tuned_config
from tunesmith.learners._possible import why_impossible
from tunesmith.learners._shaping import why_no_shape
from tunesmith.learners._shelf import learners
from tunesmith.learners._with_embeddings import WithEmbeddings, others_embedded
from tunesmith.nn.adapters import BitFit, Bottleneck, Full, LoRA, Scaling
from tunesmith.nn.augment import MOST_STEADY, POLICIES, Policy
from tunesmith.nn.feed import Mix
from tunesmith.nn.neck_kinds import Neck, NoNeck
from tunesmith.nn.optim import SGD, AdamW, Lion
from tunesmith.zoo import card_for
from tunesmith.zoo.backbones import MOST_SIDE, backbone, idle_of_reading, why_not_read

POOLS = ("mean", "first", "final", "max", "attention", "generalised")


@config
class NeuralConfig:
    """How to fine-tune one checkpoint."""

    backbone: str = "all-MiniLM-L6-v2"
    """The checkpoint: a name of the zoo, a folder, or hub:OWNER/NAME@REVISION."""
    depth: Annotated[float, Choice(0.0, 0.17, 0.34, 0.5, 1.0)] = 1.0
    """Share of the blocks that train, counted from the output; 0 trains the head alone, 1 the
    embeddings too."""
    blocks: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the checkpoint's blocks that is kept, from the input up: those above are cut off.
    Like the next four it is searched where an architecture is."""
    skip: Annotated[int, Field(ge=0)] = 0
    """How many of these are left out, those that count least; never the first."""
    skipped: str = ""
    """Which are left out, by number from 1 at the input, as in "2, 5", in place of `skip`."""
    heads_kept: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the attention heads that a trained block keeps, those that count most."""
    width_kept: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the feed-forward width that a trained block keeps."""
    activation: Literal["own", "gelu_tanh", "quick_gelu", "relu"] = "own"
    """What bends in the feed-forward part of the trained blocks, in place of the GELU of the
    checkpoint: `nn/kinds.py`. Like the next one it is searched where an architecture is."""
    norm: Literal["own", "rms"] = "own"
    """By what they are normed in place of layer norms, with the same scales and shifts."""
    adapter: Full | LoRA | BitFit | Bottleneck | Scaling = Full()
    """What of the trained blocks may change."""
    neck: Neck = NoNeck()
    """What the vectors of the tokens, or of the places of a picture, go through before they are
    pooled: a convolution over neighbours, or attention to all, beside the identity, at which it
    begins. Searched where an architecture is."""
    readout: Literal["last", "mix"] = "last"
    """What is pooled: the last layer, or a learned mix of the layer at the cut and of those that
    the trained blocks leave; of texts. Searched where an architecture is."""
    pooling: Annotated[str, Choice(*POOLS)] = "mean"
    """How the vectors of the tokens become one; "generalised" learns what lies between the mean and
    the largest, and is searched where an architecture is."""
    head: Annotated[int, Choice(0, 128, 512), Field(ge=0, le=MOST_WIDTH)] = 0
    """Width of the head's hidden layer; 0 for none."""
    head_start: Annotated[str, Choice("probe", "random")] = "probe"
    """Begin with the head that suits the frozen encoder (with mean pooling, or attention, which
    begins as the mean, and no hidden layer), as in Kumar et al., "Fine-Tuning can Distort
    Pretrained Features", ICLR 2022; or at random."""
    dropout: Annotated[float, Linear(0.0, 0.4)] = 0.1
    """Dropout before the head."""
    inner_dropout: Annotated[bool, Choice(False, True)] = False
    """Keep the checkpoint's own dropout inside the trained blocks; a third slower on a processor,
    whose quick attention has none."""
    optimizer: AdamW | SGD | Lion = AdamW()
    """Each has its own settings, weight decay among them."""
    lr: Annotated[float, Log(1e-5, 1e-3)] = 1e-4
    """Peak learning rate, reached after warm-up."""
    layer_decay: Annotated[float, Linear(0.6, 1.0)] = 0.9
    """Learning rate of a block as a share of that of the block above."""
    batch_size: Annotated[int, Choice(8, 16, 32, 64), Field(ge=1)] = 32
    """Rows a step."""
    schedule: Annotated[str, Choice("linear", "cosine", "constant")] = "linear"
    """How the learning rate falls after warm-up."""
    warmup: Annotated[float, Linear(0.0, 0.2)] = 0.06
    """Share of the run in which the learning rate rises."""
    label_smoothing: Annotated[float, Linear(0.0, 0.2)] = 0.0
    """Share of the target that is spread over all classes."""
    class_weights: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    focal: Annotated[float, Field(ge=0, le=10)] = 0.0
    """How much less the rows count that are answered well already: focal loss with this gamma (Lin
    et al., "Focal Loss for Dense Object Detection", ICCV 2017); 0 is cross-entropy. Its
    probabilities are less sure than they should be. Not searched unless asked for."""
    clip: Annotated[float, Log(0.1, 10.0)] = 1.0
    """Longest gradient; longer ones are scaled down."""
    epochs: Annotated[int, Int(1, 12)] = 4
    """Times through the training rows, if time allows; 0 leaves the start as it is."""
    stop_after: float = 0.0
    """Epochs after which training ends though the schedule goes on; 0 for no such end."""
    patience: int = 2
    """Looks at the valid rows without a gain before it ends; 0 never looks."""
    max_length: Annotated[int, Choice(64, 128, 256)] = 128
    """Tokens of a text that are read."""
    size: Annotated[int, Choice(0, 64, 96, 128, 160, 224, 288, 384), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    text_backbone: str = ""
    """Where `backbone` reads pictures: the checkpoint that reads texts beside them, frozen; empty
    for the smallest on this machine that knows the language."""
    picture_backbone: str = ""
    """Where `backbone` reads texts: the one that reads pictures beside them, frozen; empty for the
    smallest on this machine."""
    picture_size: Annotated[int, Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a side of those pictures; 0 for as many as that one was trained with."""
    progressive: bool = False
    """Half that side at first, then three quarters, then all of it, where the network reads other
    sizes (Tan and Le, "EfficientNetV2", ICML 2021, section 4)."""
    augment: Annotated[Policy, Choice(*POLICIES)] = "none"
    """How a picture is changed anew in every epoch: `nn/augment.py`."""
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Chance that a part of a picture is erased."""
    mix: Mix = "none"
    """Each picture of a batch mixed with another one, by weight or by a part of it."""
    views: Annotated[int, Field(ge=0, le=16)] = 4
    """Fixed views of a picture that the activation store may hold where blocks are frozen, instead
    of fresh ones in every epoch; 0 for fresh ones whatever they cost."""
    tta: Annotated[int, Field(ge=1, le=MOST_STEADY)] = 1
    """Views of a picture over which an answer is averaged, where that answers the valid rows
    better; so many times a prediction costs."""


SHAPES: Mapping[str, Range] = {
    "blocks": Choice(1.0, 0.84, 0.67, 0.5, 0.34),
    "skip": Choice(0, 1, 2),
    "heads_kept": Choice(1.0, 0.75, 0.5),
    "width_kept": Choice(1.0, 0.75, 0.5, 0.25),
    "activation": Choice("own", "gelu_tanh", "quick_gelu", "relu"),
    "norm": Choice("own", "rms"),
    "adapter": Choice("Full", "LoRA", "BitFit", "Bottleneck", "Scaling"),
    "neck": Choice("NoNeck", "Convolution", "Attention"),
    "readout": Choice("last", "mix"),
    "pooling": Choice(*POOLS),
}
"""What is taken away and added where an architecture is searched."""
USUAL: Mapping[str, Range | str] = {
    "adapter": Choice("Full", "LoRA", "BitFit"),
    "neck": "NoNeck",
    "pooling": Choice("mean", "first", "final", "max", "attention"),
}
"""What is searched where none is."""
USUAL_OF_PICTURES: Mapping[str, Range] = {"pooling": Choice("mean", "first", "max")}
"""Attention over places was no better than their mean: docs/benchmarks.md, necks."""


@learners.add("neural")
class Neural(Learner[NeuralConfig]):
    """Fine-tuning of an encoder."""

    config = NeuralConfig
    uses_all_time = True
    can_go_on = True
    shapes = SHAPES
    usual = USUAL
    usual_of_pictures = USUAL_OF_PICTURES
    replaced = MappingProxyType({"skipped": ("skip",)})
    labels = "together"
    version = 4

    def suits(self, problem: Problem) -> str:
        return why_not_read(problem.data.with_columns(problem.inputs))

    def idle(self, problem: Problem) -> tuple[str, ...]:
        has_one = problem.classes and not problem.several
        of_classes = () if has_one else ("class_weights", "label_smoothing", "focal")
        has_images = bool(problem.data.with_columns(problem.inputs).of_kind("image"))
        of_texts = ("readout", "heads_kept") if has_images else ()
        return (*idle_of_reading(problem), *of_classes, *of_texts)

    def refuses(self, problem: Problem, config: NeuralConfig) -> str:
        card = card_for(config.backbone)
        why = why_no_shape(config, card.family, card.blocks) or why_impossible(config, card.family)
        return f"{card.name}: {why}" if why else ""

    def shaped(self, architecture: Architecture) -> Mapping[str, Any]:
        return tuned_config(architecture)

    def fit(self, problem: Problem, config: NeuralConfig, seed: int, watch: Watch) -> Fitted:
        inner, embeddings = others_embedded(problem, config, watch)
        model = self._fitted(inner, config, seed, watch)
        return WithEmbeddings(embeddings, model) if embeddings else model

    def _fitted(self, problem: Problem, config: NeuralConfig, seed: int, watch: Watch) -> Fitted:
        import torch

        from tunesmith.learners._course import fit, micro_batch_of
        from tunesmith.nn.devices import forget_memory

        base = backbone(config.backbone)  # loading draws: before the seed is set
        first = micro_batch_of(base, config)
        for micro_batch in (first, max(1, first // 4)):
            try:
                with torch.random.fork_rng():
                    torch.manual_seed(derive(seed, "neural"))
                    return fit(problem, config, seed, watch, micro_batch)
            except torch.OutOfMemoryError:
                forget_memory()
        raise BudgetError(
            f"there is not enough memory for {micro_batch} rows of length {base.length(config)}"
        )

    def load(self, folder: Path) -> Fitted:
        from tunesmith.learners._network_model import load

        return WithEmbeddings.around(load(folder), folder)
