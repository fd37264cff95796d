import email.parser
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import soundfile
from podium.bench.adapter import Failure
from podium.bench.adapters import openai
from podium.bench.adapters.openai import OpenAI
from podium.bench.audio import Audio
from podium.bench.errors import UsageError
from podium.bench.task import Outcome, Size, Transcript

Handle = Callable[["Request", dict[str, bytes]], None]


class Request(BaseHTTPRequestHandler):
    """One POST, handed to the script of the test; `server.seen` counts requests."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = email.parser.BytesParser().parsebytes(head + body).get_payload()
        fields = {
            p.get_param("name", header="content-disposition"): p.get_payload(decode=True)
            for p in parts
        }
        with self.server.lock:
            self.server.seen += 1
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        try:
            self.server.handle_one(self, fields)
        finally:
            with self.server.lock:
                self.server.running -= 1

    def reply(self, status: int, body: bytes | dict, **headers: str):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., tuple[OpenAI, ThreadingHTTPServer]]]:
    monkeypatch.setattr(openai, "FIRST_PAUSE", 0.02)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    opened = []

    def start(handle: Handle, **options):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        server.daemon_threads = True
        server.seen = server.running = server.most = 0
        server.lock, server.handle_one = threading.Lock(), handle
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        model = OpenAI(f"whisper@http://127.0.0.1:{server.server_port}/v1/", **options)
        opened.extend([model.close, server.shutdown, server.server_close])
        return model, server

    yield start
    for close in opened:
        close()


CLIP = Audio.synthetic(Size(0.25))


def test_sends_what_the_endpoint_asks_for(serve):
    got = {}

    def handle(request, fields):
        got.update(fields, path=request.path, key=request.headers["Authorization"])
        request.reply(200, {"text": " Hello. "})

    model, _ = serve(handle, language="en")
    assert model.transcribe([CLIP]) == [Transcript("Hello.")]
    assert got["path"] == "/v1/audio/transcriptions"
    assert got["key"] == "Bearer sk-secret"
    assert (got["model"], got["language"]) == (b"whisper", b"en")
    samples, rate = soundfile.read(io.BytesIO(got["file"]), dtype="float32")
    assert rate == 16_000
    assert soundfile.info(io.BytesIO(got["file"])).subtype == "PCM_16"
    assert abs(samples - CLIP.samples).max() <= 1 / 32768
    assert "sk-secret" not in repr(dict(model.identity()))


def test_a_batch_is_sent_at_once_within_the_limit_and_answered_in_order(serve):
    def handle(request, fields):
        frames = soundfile.info(io.BytesIO(fields["file"])).frames
        time.sleep(0.3 - frames / 160_000)  # the later, the sooner
        request.reply(200, {"text": str(frames)})

    model, server = serve(handle, concurrency=3)
    batch = [Audio.synthetic(Size(0.1 * (i + 1))) for i in range(9)]
    assert [t.text for t in model.transcribe(batch)] == [str(len(a.samples)) for a in batch]
    assert server.most == 3


def test_an_empty_text_is_an_answer(serve):
    model, _ = serve(lambda request, fields: request.reply(200, {"text": ""}))
    assert model.transcribe([CLIP]) == [Transcript("")]


def test_is_patient_when_asked_for_patience(serve):
    times = []

    def handle(request, fields):
        times.append(time.monotonic())
        if len(times) == 1:
            request.reply(429, b"slow down", Retry_After="0.4")
        elif len(times) == 2:
            request.reply(503, b"")
        else:
            request.reply(200, {"text": "at last"})

    model, _ = serve(handle)
    assert model.transcribe([CLIP]) == [Transcript("at last")]
    assert times[1] - times[0] >= 0.4


def test_retry_after_may_be_a_date_or_nonsense():
    assert openai._asked_pause("7") == 7.0
    assert openai._asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert openai._asked_pause("Wed, 21 Oct 2999 07:28:00 GMT") == openai.LONGEST_ASKED
    assert openai._asked_pause("") is None
    assert openai._asked_pause("soon") is None


def test_gives_up_after_its_retries_and_says_why(serve):
    model, server = serve(lambda request, fields: request.reply(500, b"no GPU"), retries=2)
    assert model.transcribe([CLIP]) == [Failure(Outcome.ERROR, "HTTP 500: no GPU (3 tries)")]
    assert server.seen == 3


@pytest.mark.parametrize("trickle", [False, True])
def test_a_server_that_hangs_is_a_timeout(serve, trickle):
    def handle(request, fields):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(12):
            time.sleep(0.1)
            if trickle:
                request.wfile.write(b" ")
        request.close_connection = True

    model, server = serve(handle, timeout=0.5)
    start = time.monotonic()
    (answer,) = model.transcribe([CLIP])
    assert answer == Failure(Outcome.TIMEOUT, "no answer after 0.5 s")
    assert time.monotonic() - start < 2
    assert server.seen == 1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"text": null}', b"\xff\xfe", b""])
def test_an_answer_without_text_is_an_error(serve, body):
    model, server = serve(lambda request, fields: request.reply(200, body))
    (answer,) = model.transcribe([CLIP])
    assert answer.outcome is Outcome.ERROR
    assert answer.message.startswith('no "text" in the answer')
    assert server.seen == 1


def test_a_dropped_connection_is_tried_again(serve):
    seen = []

    def handle(request, fields):
        seen.append(1)
        if len(seen) < 3:
            request.close_connection = True  # and not a byte said
        else:
            request.reply(200, {"text": "third time"})

    model, _ = serve(handle)
    assert model.transcribe([CLIP]) == [Transcript("third time")]


def test_nobody_there_is_an_error_that_names_the_connection(serve):
    model, server = serve(lambda request, fields: None, retries=1)
    server.shutdown()
    server.server_close()
    (answer,) = model.transcribe([CLIP])
    assert answer.outcome is Outcome.ERROR
    assert answer.message.startswith("connection failed")


@pytest.mark.parametrize(("status", "hint"), [(401, "OPENAI_API_KEY"), (404, "MODEL@URL")])
def test_a_wrong_key_or_model_fails_at_once(serve, status, hint):
    model, server = serve(lambda request, fields: request.reply(status, b"bad key sk-secret"))
    (answer,) = model.transcribe([CLIP])
    assert answer.outcome is Outcome.ERROR
    assert hint in answer.message
    assert server.seen == 1


def test_the_key_stays_out_of_messages_that_quote_it(serve):
    model, _ = serve(lambda request, fields: request.reply(400, b"header 'Bearer sk-secret'?"))
    (answer,) = model.transcribe([CLIP])
    assert answer.message == "HTTP 400: header 'Bearer ***'?"


def test_one_failure_leaves_the_others(serve):
    def handle(request, fields):
        short = soundfile.info(io.BytesIO(fields["file"])).frames < 4000
        request.reply(400 if short else 200, {"text": "fine"})

    model, _ = serve(handle)
    answers = model.transcribe([CLIP, Audio.synthetic(Size(0.1)), CLIP])
    assert [isinstance(a, Failure) for a in answers] == [False, True, False]


@pytest.mark.parametrize("spec", ["whisper-1", "@http://host", "whisper@host/v1", "m@http://"])
def test_what_is_not_a_model_at_an_address_is_refused(spec):
    with pytest.raises(UsageError, match="MODEL@URL"):
        OpenAI(spec)
