"""Decoding with causal language models: what prompts share is computed once."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..adapter import Failure
from ..task import Outcome
from ..text import Continuation, Generation, Prompt, Scored
from ..timing import stage

NUCLEUS = 1024
"""Tokens looked at before the whole vocabulary is sorted: sorting 49k logits of ten rows takes
60 ms on one CPU core, the top 1,024 take 1 ms and almost always hold the nucleus."""


@dataclass(slots=True)
class _Row:
    """One continuation in the making: the `draw`-th of its prompt."""

    prompt: Prompt
    tokens: list[int]
    draw: int
    new: list[int] = field(default_factory=list)
    text: str = ""
    random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        # The draws of a row depend on its prompt and place alone: neither on the batch it is in
        # nor on how many draws are asked for (draw i of seed s is draw 0 of seed s + i).
        self.random.seed(f"{self.prompt.seed + self.draw}|{self.prompt.text}")


class Decoder:
    """Samples continuations from a `transformers` causal language model.

    The `n` continuations of a prompt share its key-value cache, computed once. With `reuse`, a
    lone prompt also takes over what it shares with the lone prompt before it: the successive
    prefixes of one sentence cost one token or two each instead of the whole prefix.
    """

    def __init__(self, model: Any, tokenizer: Any, reuse: bool = True) -> None:
        self.model, self.tokenizer, self.reuse = model.eval(), tokenizer, reuse
        self._kept: tuple[list[int], Any] = ([], None)
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self._ends = {*ends, tokenizer.eos_token_id} - {None}
        self._pad = tokenizer.pad_token_id or tokenizer.eos_token_id or 0

    def generate(self, batch: Sequence[Prompt]) -> list[Generation | Failure]:
        """`prompt.n` continuations a prompt; a prompt of no tokens at all is a failure."""
        with stage("features"):
            ids = [self.encode(p) for p in batch]
        answers: list[Generation | Failure] = [_no_tokens() for _ in batch]
        rows: list[_Row] = []
        ready = [i for i, tokens in enumerate(ids) if tokens]
        if ready:
            rows = [_Row(batch[i], ids[i], k) for i in ready for k in range(batch[i].n)]
            with stage("model"), torch.inference_mode():
                kept = [ids[i] for i in ready]
                cache, mask, logits = self._shared(kept) if len(kept) == 1 else self._padded(kept)
                places = [place for place, i in enumerate(ready) for _ in range(batch[i].n)]
                cache.batch_select_indices(torch.tensor(places, device=logits.device))
                self._decode(rows, cache, mask[places], logits[places])
        done = iter(rows)
        for i in ready:
            mine = [next(done) for _ in range(batch[i].n)]
            answers[i] = Generation(tuple(r.text for r in mine), sum(len(r.new) for r in mine))
        return answers

    def encode(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt; with `chat`, inside the model's own template."""
        if not prompt.chat:
            # A text that was rendered with the model's template has its first token already.
            begun = prompt.text.startswith(self.tokenizer.bos_token or "\0")
            return self.tokenizer(prompt.text, add_special_tokens=not begun)["input_ids"]
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        text = self.tokenizer.apply_chat_template(
            [*system, {"role": "user", "content": prompt.text}],
            add_generation_prompt=True,
            tokenize=False,
        )
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _shared(self, ids: list[list[int]]) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Cache and last logits of one prompt, starting from what the last one left."""
        (tokens,) = ids
        old, cache = self._kept if self.reuse else ([], None)
        shared = min(_common(old, tokens), len(tokens) - 1) if cache is not None else 0
        if cache is None or shared == 0:
            cache, shared = self._empty(), 0
        elif shared < len(old):
            cache.crop(shared - len(old))
        self._kept = ([], None)  # an interrupted forward leaves nothing half-written behind
        out = self.model(
            self._tensor([tokens[shared:]]), past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        self._kept = (tokens, cache)
        mask = torch.ones((1, len(tokens)), dtype=torch.long, device=self.model.device)
        return copy.deepcopy(cache), mask, out.logits[:, -1]

    def _padded(self, ids: list[list[int]]) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Cache and last logits of several prompts, padded on the left."""
        longest = max(map(len, ids))
        tokens = self._tensor([[self._pad] * (longest - len(i)) + i for i in ids])
        mask = self._tensor([[0] * (longest - len(i)) + [1] * len(i) for i in ids])
        cache = self._empty()
        out = self.model(
            tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return cache, mask, out.logits[:, -1]

    def _decode(
        self, rows: Sequence[_Row], cache: Any, mask: torch.Tensor, logits: torch.Tensor
    ) -> None:
        """Grow every row to its end, dropping finished rows from the batch as they finish."""
        live = list(rows)
        while live:
            for row, token in zip(live, choose(logits, live), strict=True):
                row.new.append(token)
            alive = [k for k, row in enumerate(live) if not self._finished(row)]
            if not alive:
                return
            if len(alive) < len(live):
                live = [live[k] for k in alive]
                index = torch.tensor(alive, device=logits.device)
                cache.batch_select_indices(index)
                mask = mask[index]
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
            padded = not bool(mask.all())
            out = self.model(
                self._tensor([[row.new[-1]] for row in live]),
                attention_mask=mask if padded else None,
                position_ids=mask.sum(1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits = out.logits[:, -1]

    def _finished(self, row: _Row) -> bool:
        """Whether a row has ended; its text is then set."""
        ended = row.new[-1] in self._ends
        stops = row.prompt.stop
        reach = row.new[-(2 + max(map(len, stops), default=0)) :]
        recent = self.tokenizer.decode(reach) if stops else ""
        if not (
            ended
            or len(row.new) >= row.prompt.max_new_tokens
            or any(stop in recent for stop in stops)
        ):
            return False
        new = row.new[:-1] if ended else row.new
        # Decoded with its prompt, as some tokenizers drop the space that begins a text.
        tail = row.tokens[-8:]
        before = self.tokenizer.decode(tail, skip_special_tokens=True)
        text = self.tokenizer.decode([*tail, *new], skip_special_tokens=True)[len(before) :]
        row.text = text[: min((text.find(s) for s in stops if s in text), default=len(text))]
        return True

    def log_likelihood(self, batch: Sequence[Continuation]) -> list[Scored | Failure]:
        """Log-probability of each text after its context, in one padded forward."""
        with stage("features"):
            pairs = [self._continuation(c) for c in batch]
        longest = max((len(tokens) for tokens, _ in pairs), default=0)
        if not longest:
            return [_no_tokens() for _ in batch]
        rows = [tokens + [self._pad] * (longest - len(tokens)) for tokens, _ in pairs]
        mask = [[1] * len(t) + [0] * (longest - len(t)) for t, _ in pairs]
        answers: list[Scored | Failure] = []
        with stage("model"), torch.inference_mode():
            logits = self.model(self._tensor(rows), attention_mask=self._tensor(mask)).logits
            for k, (tokens, start) in enumerate(pairs):
                if len(tokens) <= start:
                    answers.append(_no_tokens())
                    continue
                log_p = logits[k, start - 1 : len(tokens) - 1].float().log_softmax(-1)
                picked = log_p.gather(1, self._tensor([[t] for t in tokens[start:]]))
                answers.append(Scored(float(picked.double().sum()), len(tokens) - start))
        return answers

    def _continuation(self, item: Continuation) -> tuple[list[int], int]:
        """Tokens of context and text together, and where the scored ones begin (at least 1)."""
        tokens = self.tokenizer(item.context + item.text)["input_ids"]
        if item.context:
            return tokens, max(1, _common(self.tokenizer(item.context)["input_ids"], tokens))
        start = self.tokenizer.bos_token_id
        start = self.tokenizer.eos_token_id if start is None else start
        if start is None or tokens[:1] == [start]:
            return tokens, 1
        return [start, *tokens], 1

    def _tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self.model.device)

    def _empty(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)


def choose(logits: torch.Tensor, rows: Sequence[_Row]) -> list[int]:
    """One token a row, logits of shape (rows, vocabulary): greedy, or nucleus sampling."""
    tokens = logits.argmax(-1).tolist()
    sampled = [k for k, row in enumerate(rows) if row.prompt.temperature > 0]
    if not sampled:
        return tokens
    warm = torch.tensor([[rows[k].prompt.temperature] for k in sampled], device=logits.device)
    scaled = logits[sampled].float() / warm
    top_p = torch.tensor([[rows[k].prompt.top_p] for k in sampled], device=logits.device)
    values, order = scaled.topk(min(NUCLEUS, scaled.shape[-1]))
    p = (values - scaled.logsumexp(-1, keepdim=True)).exp().double()
    if bool((p.sum(-1, keepdim=True) < top_p).any()):
        values, order = scaled.sort(descending=True)
        p = values.softmax(-1).double()
    p = p * (p.cumsum(-1) - p < top_p)  # the smallest set of tokens that holds top_p of the mass
    reach = p.cumsum(-1)
    draws = torch.tensor([[rows[k].random.random()] for k in sampled], device=logits.device)
    picks = (reach < draws.double() * reach[:, -1:]).sum(-1, keepdim=True)
    for k, token in zip(sampled, order.gather(1, picks).squeeze(1).tolist(), strict=True):
        tokens[k] = token
    return tokens


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading items two sequences share."""
    return next(
        (k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _no_tokens() -> Failure:
    return Failure(Outcome.ERROR, "the text has no tokens")
