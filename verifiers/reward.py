"""Models that judge a solution by reading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..bench.adapter import Adapter, Failure, Likelihoods
from ..bench.adapters.hf_text import describe, load
from ..bench.candidates import Candidates, Scores
from ..bench.text import Continuation
from .generated import digest, fill, read_template


class RewardModel(Adapter):
    """A reward model of the hub, or a folder: the problem is the user's turn, the solution the
    assistant's.

    The score is the one logit of a sequence classifier; with several labels, the last one's.
    `template` is a text file with {problem} in it. Source: Scoring Verifiers, section 4.
    """

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        dtype: str = "float32",
        device: str = "auto",
        template: str | None = None,
        max_length: int = 4096,
    ) -> None:
        kind = "AutoModelForSequenceClassification"
        self._model, self._tokenizer = load(kind, model, revision, dtype, device)
        self._identity = describe(model, self._model, dtype)
        self._template = read_template(template, "reward")
        longest = getattr(self._model.config, "max_position_embeddings", None) or max_length
        self._max_length = min(max_length, longest)

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """A logit a candidate, one forward pass a problem."""
        return [self._one(request) for request in batch]

    def _one(self, request: Candidates) -> Scores:
        import torch

        asked = fill(self._template, request.prompt, "")
        texts = [self._conversation(asked, solution) for solution in request.solutions]
        scores = []
        # One at a time: many of these models have no padding token, and scores must not depend on
        # what else is in a batch.
        for text in texts:
            tokens = self._tokenizer(
                text, return_tensors="pt", truncation=True, max_length=self._max_length
            ).to(self._model.device)
            tokens.pop("token_type_ids", None)
            with torch.inference_mode():
                scores.append(float(self._model(**tokens).logits[0, -1].float()))
        return Scores(tuple(scores), reward=True)

    def _conversation(self, asked: str, solution: str) -> str:
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": solution}]
        if getattr(self._tokenizer, "chat_template", None):
            return self._tokenizer.apply_chat_template(turns, tokenize=False)
        return f"{asked}\n{solution}"

    def identity(self) -> Mapping[str, Any]:
        return {**self._identity, "template": digest(self._template)}


class GenerativeJudge(Adapter):
    """A language model asked whether a solution is right: log P(Yes) - log P(No).

    `template` is a text file with {problem} and {solution} in it, which the answer follows.
    """

    def __init__(
        self,
        lm: Likelihoods,
        yes: str = "Yes",
        no: str = "No",
        template: str | None = None,
    ) -> None:
        self._lm: Any = lm
        self._words = (yes, no)
        self._template = read_template(template, "judge")

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """A log-odds a candidate."""
        asked = [
            Continuation(word, fill(self._template, request.prompt, solution))
            for request in batch
            for solution in request.solutions
            for word in self._words
        ]
        answers = iter(self._lm.log_likelihood(asked))
        return [
            _log_odds([(next(answers), next(answers)) for _ in request.solutions])
            for request in batch
        ]

    def identity(self) -> Mapping[str, Any]:
        return {"lm": dict(self._lm.identity()), "template": digest(self._template)}

    def close(self) -> None:
        self._lm.close()


def _log_odds(pairs: Sequence[tuple[Any, Any]]) -> Scores | Failure:
    for pair in pairs:
        for answer in pair:
            if isinstance(answer, Failure):
                return answer
    return Scores(tuple(y.log_probability - n.log_probability for y, n in pairs), reward=True)
