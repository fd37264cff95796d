"""Any server with OpenAI's transcription endpoint."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..adapter import Adapter, Failure
from ..audio import Audio
from ..errors import UsageError
from ..task import Outcome, Transcript
from ..timing import stage
from .optional import require

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_ASKED = 0.5, 30.0, 300.0  # seconds
HINTS = {
    401: "the key was refused; set OPENAI_API_KEY",
    403: "the key may not use this; check OPENAI_API_KEY",
    404: "no such model or address; check MODEL@URL",
}


class OpenAI(Adapter):
    """`openai:MODEL@URL`, as in `openai:whisper-1@https://HOST/v1`: POST URL/audio/transcriptions.

    A batch is sent at once, `concurrency` requests at a time. A connection that breaks and a status
    that asks for patience (429, 5xx) are tried again up to `retries` times after exponential,
    jittered pauses, or after what Retry-After says. A request that has no whole answer after
    `timeout` seconds is a TIMEOUT, anything else that gives no text an ERROR with the reason:
    never an empty transcript. `temperature`, `language` and `prompt` are sent as given.

    The key is read from OPENAI_API_KEY and stays out of the identity and of every message.
    Raises UsageError where httpx is absent or `model` is not MODEL@URL.
    """

    sampling_rate = 16_000
    batched = True

    def __init__(
        self,
        model: str,
        concurrency: int = 8,
        retries: int = 5,
        timeout: float = 120.0,
        language: str | None = None,
        prompt: str | None = None,
        temperature: float = 0.0,
    ):
        self._httpx = require("httpx", adapter="openai", package="httpx", install="podium[api]")
        name, _, url = model.partition("@http")
        if not name or not url.startswith(("://", "s://")) or not url.partition("://")[2]:
            raise UsageError("openai: not MODEL@URL; write openai:NAME@https://HOST/v1")
        if concurrency < 1 or retries < 0 or timeout <= 0:
            raise UsageError("openai: concurrency and timeout must be positive, retries 0 or more")
        self._url = f"http{url.rstrip('/')}/audio/transcriptions"
        try:
            self._httpx.URL(self._url)
        except self._httpx.InvalidURL as error:
            raise UsageError(f"openai: {error}; write openai:NAME@https://HOST/v1") from error
        self._fields = {"model": name, "temperature": str(temperature), "response_format": "json"}
        self._fields |= {"language": language} if language else {}
        self._fields |= {"prompt": prompt} if prompt else {}
        self._retries, self._timeout = retries, timeout
        self._key = os.environ.get("OPENAI_API_KEY", "").strip()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._runner = asyncio.Runner()
        self._turns = asyncio.Semaphore(concurrency)
        # The whole request is timed below: a server that trickles bytes is late too.
        self._client = self._httpx.AsyncClient(headers=headers, timeout=None)

    def transcribe(self, batch: Sequence[Audio]) -> list[Transcript | Failure]:
        with stage("features"):
            files = [_wav(audio) for audio in batch]
        with stage("model"):
            return self._runner.run(self._send(files))

    async def _send(self, files: list[bytes]) -> list[Transcript | Failure]:
        return list(await asyncio.gather(*map(self._one, files)))

    async def _one(self, wav: bytes) -> Transcript | Failure:
        """One answer; a turn is given back while it waits to try again."""
        failure = Failure(Outcome.ERROR, "never sent")
        for attempt in range(self._retries + 1):
            try:
                async with self._turns, asyncio.timeout(self._timeout):
                    reply = await self._client.post(
                        self._url, data=self._fields, files={"file": ("a.wav", wav, "audio/wav")}
                    )
            except TimeoutError:
                return Failure(Outcome.TIMEOUT, f"no answer after {self._timeout:g} s")
            except self._httpx.TransportError as error:
                failure = Failure(Outcome.ERROR, f"connection failed: {error or repr(error)}")
                pause = None
            except self._httpx.HTTPError as error:
                return Failure(Outcome.ERROR, f"request failed: {error or repr(error)}")
            else:
                answer = self._read(reply)
                if isinstance(answer, Transcript) or reply.status_code not in AGAIN:
                    return answer
                failure, pause = answer, _asked_pause(reply.headers.get("retry-after", ""))
            if attempt < self._retries:
                await asyncio.sleep(_pause(attempt) if pause is None else pause)
        tries = self._retries + 1
        return Failure(failure.outcome, f"{failure.message} ({tries} tries)")

    def _read(self, reply: Any) -> Transcript | Failure:
        """The transcript in a reply, or why there is none."""
        if reply.status_code != 200:
            reason = HINTS.get(reply.status_code) or " ".join(reply.text.split())[:300]
            return self._failure(f"HTTP {reply.status_code}: {reason or reply.reason_phrase}")
        try:
            text = reply.json()["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            return self._failure(f'no "text" in the answer: {" ".join(reply.text.split())[:300]}')
        return Transcript(text.strip())

    def _failure(self, message: str) -> Failure:
        if self._key:  # servers quote what they were sent
            message = message.replace(self._key, "***")
        return Failure(Outcome.ERROR, message)

    def identity(self) -> Mapping[str, Any]:
        return {**self._fields, "url": self._url}

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


def _wav(audio: Audio) -> bytes:
    import soundfile

    assert audio.samples is not None, "the runner decodes"
    file = io.BytesIO()
    soundfile.write(file, audio.samples, audio.sampling_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _pause(attempt: int) -> float:
    """Exponential with full jitter, so that a batch refused together does not return together."""
    return random.uniform(0.5, 1.0) * min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)


def _asked_pause(header: str) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None if it does not."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_ASKED)
