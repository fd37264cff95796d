"""Train a small Transformer encoder-decoder and its vocabulary on sentence pairs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError

Pairs = Sequence[tuple[str, str]]
PAD, START, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"
MOST_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Plan:
    """How large and how long: training ends after `minutes`, or `steps` if that is sooner."""

    minutes: float = 5.0
    steps: int | None = None
    width: int = 192
    layers: int = 2
    heads: int = 4
    vocabulary: int = 4000
    batch: int = 32
    rate: float = 1e-3
    prefixes: float = 0.3
    """Share of the pairs cut to prefixes of both sides, so that unfinished input is known too."""
    seed: int = 0


def train(pairs: Pairs, folder: Path, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Fit and save a checkpoint that `hf-mt` loads; gives steps, seconds and the last mean loss.

    Raises UsageError where there is nothing to learn from.
    """
    import torch

    pairs = [(s, t) for s, t in pairs if s.strip() and t.strip()]
    if len(pairs) < 2:
        raise UsageError(f"train mt: {len(pairs)} sentence pairs are too few")
    torch.manual_seed(plan.seed)
    tokenizer = make_tokenizer(pairs, plan.vocabulary)
    model = make_model(tokenizer, plan)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, betas=(0.9, 0.98))
    warm = 100
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, (warm / (k + 1)) ** 0.5)
    )
    started, losses, step = time.monotonic(), [], 0
    model.train()
    for step, batch in enumerate(_batches(pairs, tokenizer, plan), 1):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses = [*losses[-49:], float(loss.detach())]
        if step % 100 == 0:
            say(f"step {step}: loss {sum(losses) / len(losses):.3f}")
        if step == plan.steps or time.monotonic() - started > 60 * plan.minutes:
            break
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    seconds = round(time.monotonic() - started, 1)
    return {"steps": step, "seconds": seconds, "loss": round(sum(losses) / len(losses), 4)}


def make_tokenizer(pairs: Pairs, vocabulary: int) -> Any:
    """One byte-pair vocabulary for both languages, as a `transformers` tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, START, END, UNKNOWN], show_progress=False
    )
    core.train_from_iterator((text for pair in pairs for text in pair), trainer)
    core.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, core.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=MOST_TOKENS,
    )


def make_model(tokenizer: Any, plan: Plan) -> Any:
    """A BART with sizes of our own and no pretrained weight."""
    from transformers import BartConfig, BartForConditionalGeneration

    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=len(tokenizer),
            d_model=plan.width,
            encoder_layers=plan.layers,
            decoder_layers=plan.layers,
            encoder_attention_heads=plan.heads,
            decoder_attention_heads=plan.heads,
            encoder_ffn_dim=4 * plan.width,
            decoder_ffn_dim=4 * plan.width,
            max_position_embeddings=2 * MOST_TOKENS,
            dropout=0.1,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.bos_token_id,
            forced_eos_token_id=None,
        )
    )


def _batches(pairs: Pairs, tokenizer: Any, plan: Plan) -> Iterator[dict[str, Any]]:
    """Batches without end: pairs of like length together, shuffled anew each time round."""
    draw = random.Random(plan.seed)
    while True:
        order = sorted(pairs, key=lambda pair: len(pair[0]) + draw.random() * 20)
        starts = list(range(0, len(order), plan.batch))
        draw.shuffle(starts)
        for start in starts:
            chosen = [_cut(p, plan, draw) for p in order[start : start + plan.batch]]
            batch = tokenizer(
                [s for s, _ in chosen],
                text_target=[t for _, t in chosen],
                padding=True,
                truncation=True,
                return_tensors="pt",
                return_token_type_ids=False,
            )
            labels = batch["labels"]
            batch["labels"] = labels.masked_fill(labels == tokenizer.pad_token_id, -100)
            yield dict(batch)


def _cut(pair: tuple[str, str], plan: Plan, draw: random.Random) -> tuple[str, str]:
    """A pair, or the same share of both its sides (Niehues et al. 2018, arXiv 1808.00491)."""
    if draw.random() >= plan.prefixes:
        return pair
    share = draw.random()
    left, right = (text.split() for text in pair)
    return (
        " ".join(left[: max(1, round(share * len(left)))]),
        " ".join(right[: max(1, round(share * len(right)))]),
    )
