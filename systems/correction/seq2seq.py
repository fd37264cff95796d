"""A small byte-level encoder-decoder: recurrent, with attention, trainable in minutes on a CPU.

Encoder: bytes -> embedding -> bidirectional GRU. Decoder: GRU over the answer so far, attention
over the encoder's states (Luong et al. 2015, "general" score), a second GRU over both. In training
a whole answer goes through at once, since attention is not fed back into the first GRU.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

PAD, START, END = 256, 257, 258
SYMBOLS = 259


@dataclass(frozen=True, slots=True)
class Shape:
    """The model's size."""

    width: int = 128
    embedding: int = 64
    dropout: float = 0.15


class Seq2Seq(nn.Module):
    """Bytes (batch, length) to logits over the next byte of the answer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.bytes = nn.Embedding(SYMBOLS, shape.embedding, padding_idx=PAD)
        self.encoder = nn.GRU(shape.embedding, width, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(2 * width, 2 * width)
        self.first = nn.GRU(shape.embedding, width, batch_first=True)
        self.score = nn.Linear(width, 2 * width, bias=False)
        self.second = nn.GRU(3 * width, width, batch_first=True)
        self.dropout = nn.Dropout(shape.dropout)
        self.out = nn.Linear(3 * width, SYMBOLS)

    def embed(self, symbols: Tensor, start: int = 0) -> Tensor:
        """Vectors of symbols (b, n), whose first stands at position `start`."""
        found = self.bytes(symbols)
        return found + waves(start, symbols.shape[1], found.shape[-1])

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States (b, n, 2w), mask (b, n) of padding, and the two decoders' first states."""
        mask = source == PAD
        lengths = (~mask).sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embed(source)), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.encoder(packed)[0], batch_first=True, total_length=source.shape[1]
        )
        mean = states.sum(1) / lengths[:, None].to(states)
        one, two = torch.tanh(self.bridge(mean)).chunk(2, dim=-1)
        return self.dropout(states), mask, one[None].contiguous(), two[None].contiguous()

    def decode(
        self, answer: Tensor, states: Tensor, mask: Tensor, one: Tensor, two: Tensor, start: int = 0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (b, m, SYMBOLS) after each of the answer's symbols (b, m), and the new states."""
        query, one = self.first(self.dropout(self.embed(answer, start)), one)
        weights = self.score(query) @ states.transpose(1, 2)
        weights = weights.masked_fill(mask[:, None], -1e9).softmax(-1)
        context = weights @ states
        found, two = self.second(torch.cat([query, context], -1), two)
        return self.out(self.dropout(torch.cat([found, context], -1))), one, two

    def loss(self, source: Tensor, answer: Tensor) -> Tensor:
        """Mean negative log-likelihood a symbol of answers (b, m) that begin START, end END."""
        logits, _, _ = self.decode(answer[:, :-1], *self.encode(source))
        return nn.functional.cross_entropy(
            logits.transpose(1, 2), answer[:, 1:], ignore_index=PAD, label_smoothing=0.05
        )

    @torch.no_grad()
    def greedy(self, source: Tensor, longest: int) -> list[tuple[bytes, float]]:
        """The most probable next symbol until END or `longest` bytes, with its confidence.

        Confidence is the mean log-probability of the symbols. The answers are the same for any
        batch up to rounding.
        """
        states, mask, one, two = self.encode(source)
        symbol = torch.full((len(source), 1), START)
        answers: list[list[int]] = [[] for _ in source]
        total = [0.0] * len(source)
        open_ = set(range(len(source)))
        for place in range(longest):
            logits, one, two = self.decode(symbol, states, mask, one, two, place)
            logits[:, :, [PAD, START]] = -torch.inf
            best, symbol = logits[:, -1].log_softmax(-1).max(-1, keepdim=True)
            for i in list(open_):
                total[i] += float(best[i])
                if (value := int(symbol[i])) == END:
                    open_.remove(i)
                else:
                    answers[i].append(value)
            if not open_:
                break
        return [(bytes(a), t / (len(a) + 1)) for a, t in zip(answers, total, strict=True)]

    def save(self, path: str, **notes: object) -> None:
        """Write shape, weights and notes; `load` reads them without running any code in them."""
        torch.save({"shape": asdict(self.shape), "state": self.state_dict(), "notes": notes}, path)

    @classmethod
    def load(cls, path: str) -> tuple[Seq2Seq, dict[str, object]]:
        """A model ready to answer, and its notes."""
        found = torch.load(path, map_location="cpu", weights_only=True)
        model = cls(Shape(**found["shape"]))
        model.load_state_dict(found["state"])
        return model.eval(), found["notes"]


def waves(start: int, length: int, width: int) -> Tensor:
    """Positions as sines and cosines, (length, width): lets attention count repeated words."""
    rates = torch.exp(torch.arange(0, width, 2) * (-5.0 / width))  # periods of 6 to 900 bytes
    angles = torch.arange(start, start + length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def padded(rows: list[list[int]]) -> Tensor:
    """Rows of symbols as one tensor, padded at the end."""
    width = max(map(len, rows), default=1)
    return torch.tensor([r + [PAD] * (width - len(r)) for r in rows])
