"""Tiny text classifiers of transformers with random weights, saved to a folder: no network."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = ["the", "parcel", "is", "late", "again", "great", "thanks", "refund", "please", "never"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LABELS = ("complaint", "praise", "question")
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 24, "vocab_size": len(SPECIAL) + len(WORDS), "pad_token_id": 0,
}  # fmt: skip
DISTIL = {
    "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 24,
    "vocab_size": len(SPECIAL) + len(WORDS), "pad_token_id": 0,
}  # fmt: skip


def tokenizer():
    """A tokenizer of whole words, with the special tokens of BERT."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=24, model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def names(labels=LABELS):
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def model(kind: str = "DistilBert", labels=LABELS, **changes):
    """A sequence classifier `{kind}ForSequenceClassification`, in eval mode."""
    import transformers

    small = DISTIL if kind == "DistilBert" else SMALL
    config = getattr(transformers, f"{kind}Config")(**{**small, **names(labels), **changes})
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    with torch.no_grad():
        for parameter in made.parameters():  # a fresh head is nearly 0: all scores would be alike
            parameter.mul_(3.0) if parameter.dim() > 1 else parameter.add_(0.0)
    return made.eval()


def saved(folder: Path, kind: str = "DistilBert", *, double: bool = False, **changes) -> Path:
    """Save model and tokenizer to `folder`, as a user's fine-tuned model lies there."""
    made = model(kind, **changes)
    (made.double() if double else made).save_pretrained(folder)
    words = tokenizer()
    if kind == "DistilBert":
        words.model_input_names = ["input_ids", "attention_mask"]
    words.save_pretrained(folder)
    return folder


def sentences(count: int, seed: int = 0) -> list[str]:
    """Texts of 2 to 12 words."""
    import random

    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(2, 12))) for _ in range(count)]
