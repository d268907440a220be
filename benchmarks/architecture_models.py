"""The models of docs/architectures.md: a name, how to build one, and inputs for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import ModelCall, as_call

BATCHES = 4
"""Training-mode batches of noise that batch norm takes its statistics from."""


@dataclass(frozen=True)
class Architecture:
    """One row of the table.

    Attributes:
        build: Returns the model in eval mode, with seeded random weights.
        inputs: Returns a call of so many rows.
        rows: Rows of the passes that are timed.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[int], ModelCall]
    rows: int = 4


def images(side: int, rows: int, seed: int = 0) -> Tensor:
    """Return seeded noise (rows, 3, side, side); brightness varies from image to image."""
    generator = torch.Generator().manual_seed(seed)
    light = torch.rand(rows, 3, 1, 1, generator=generator) + 0.5
    return light * torch.randn(rows, 3, side, side, generator=generator)


def with_statistics(model: nn.Module, side: int) -> nn.Module:
    """Return the model with statistics in its batch norms as if it had seen data.

    The batches run through a copy in training mode; only its statistics are taken over.
    """
    norms = nn.modules.batchnorm._BatchNorm
    if not any(isinstance(module, norms) for module in model.modules()):
        return model.eval()
    seen = copy.deepcopy(model).train()
    for module in seen.modules():
        if isinstance(module, norms):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        for batch in range(BATCHES):
            seen(images(side, 4, seed=100 + batch))
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(seen.get_buffer(name))
    return model.eval()


def _torchvision(name: str, side: int) -> nn.Module:
    import torchvision

    extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, **extra)
    return with_statistics(with_head(model), side)


def with_head(model: nn.Module) -> nn.Module:
    """Return the model with seeded weights in linear layers that start at zero (ViT's head)."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, 0.0, 0.02, generator=generator)
    return model


def _vision(name: str, side: int = 224) -> Architecture:
    return Architecture(
        partial(_torchvision, name, side),
        lambda rows: as_call(images(side, rows, seed=1)),
        16 if name == "mobilenet_v3_small" else 4,  # near what a micro-batch holds
    )


TORCHVISION = (
    "alexnet", "vgg16", "vgg16_bn", "squeezenet1_1", "googlenet", "inception_v3", "resnet18",
    "resnet50", "resnext50_32x4d", "densenet121", "mobilenet_v2", "mobilenet_v3_small",
    "efficientnet_b0", "shufflenet_v2_x1_0", "mnasnet1_0", "regnet_y_400mf", "convnext_tiny",
    "vit_b_16", "swin_t", "maxvit_t",
)  # fmt: skip


class Recurrent(nn.Module):
    """Embedding, a bidirectional LSTM of two layers, mean over real tokens, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 128)
        self.lstm = nn.LSTM(128, 128, num_layers=2, bidirectional=True, batch_first=True)
        self.hidden, self.head = nn.Linear(256, 128), nn.Linear(128, 4)

    def forward(self, tokens: Tensor, padding_mask: Tensor) -> Tensor:
        """Return class scores (N, 4) of token ids (N, T); True marks padding."""
        x, _ = self.lstm(self.words(tokens))
        return self.head(torch.relu(self.hidden(mean_of_real(x, padding_mask))))


class Encoder(nn.Module):
    """Embedding and positions, torch's encoder of four layers, mean over real tokens, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, 256), nn.Embedding(TOKENS, 256)
        layer = nn.TransformerEncoderLayer(256, 8, 1024, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(256, 4)

    def forward(self, tokens: Tensor, padding_mask: Tensor) -> Tensor:
        """Return class scores (N, 4) of token ids (N, T); True marks padding."""
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        x = self.encoder(x, src_key_padding_mask=padding_mask)
        return self.head(mean_of_real(x, padding_mask))


def mean_of_real(x: Tensor, padding_mask: Tensor) -> Tensor:
    """Return the mean (N, D) of (N, T, D) over tokens that are no padding."""
    real = (~padding_mask)[..., None].to(x.dtype)
    return (x * real).sum(1) / real.sum(1)


def texts(rows: int, mask: str = "padding_mask") -> ModelCall:
    """Return seeded token ids (rows, TOKENS), the later half of every other row padding."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(2, WORDS, (rows, TOKENS), generator=generator)
    padded = torch.zeros(rows, TOKENS, dtype=torch.bool)
    padded[1::2, TOKENS // 2 :] = True
    ids = ids.masked_fill(padded, 0)
    if mask == "padding_mask":
        return as_call({"tokens": ids, "padding_mask": padded})
    return as_call({"input_ids": ids, "attention_mask": (~padded).long()})


def _text(kind: type[nn.Module], rows: int) -> Architecture:
    def build() -> nn.Module:
        torch.manual_seed(0)
        return kind().eval()

    return Architecture(build, texts, rows)


def _transformers(name: str, **changes: object) -> Architecture:
    """Return a classifier of transformers of four layers and 256 features."""

    def build() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name}Config")(
            vocab_size=WORDS, num_labels=4, pad_token_id=0, **changes
        )
        torch.manual_seed(0)
        made: nn.Module = getattr(transformers, f"{name}ForSequenceClassification")(config)
        return made.eval()

    return Architecture(build, partial(texts, mask="attention_mask"), TEXT_ROWS)


WORDS, TOKENS = 5000, 64
"""Vocabulary and length of the texts."""

TEXT_ROWS = 32
"""Texts of the passes that are timed, near what a micro-batch holds (LSTM: 157)."""

TEXTS: Mapping[str, Architecture] = {
    "LSTM classifier": _text(Recurrent, 4 * TEXT_ROWS),
    "TransformerEncoder classifier": _text(Encoder, TEXT_ROWS),
    "DistilBERT (transformers)": _transformers(
        "DistilBert", dim=256, n_layers=4, n_heads=8, hidden_dim=1024
    ),
    "BERT (transformers)": _transformers(
        "Bert", hidden_size=256, num_hidden_layers=4, num_attention_heads=8, intermediate_size=1024
    ),
    "GPT-2 (transformers)": _transformers(
        "GPT2", n_embd=256, n_layer=4, n_head=8, n_positions=TOKENS, bos_token_id=1, eos_token_id=1
    ),
}  # fmt: skip
"""Text classifiers; those of transformers need it installed."""

ARCHITECTURES: Mapping[str, Architecture] = {
    **{name: _vision(name, 299 if name == "inception_v3" else 224) for name in TORCHVISION},
    **TEXTS,
}
"""By name, in the order of the table. A new row is one entry here."""
