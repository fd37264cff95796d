"""The part of the hub's HTTP interface that resolving and loading a data set needs, on loopback."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SHA = "c0ffee" * 6 + "c0de"  # the commit that this stand-in names


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    name: str
    asked: list[str]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.asked.append(address.path)
        api, files = f"/api/datasets/{self.name}", f"/datasets/{self.name}/resolve/{SHA}/"
        if address.path in (api, f"{api}/revision/{SHA}"):
            self._json({"id": self.name, "sha": SHA, "siblings": self._siblings(), "tags": []})
        elif address.path.startswith(f"{api}/tree/{SHA}"):
            self._tree(address.path.removeprefix(f"{api}/tree/{SHA}").strip("/"), address.query)
        elif address.path.startswith(files):
            self._file(self.folder / address.path.removeprefix(files))
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def _siblings(self) -> list[dict[str, str]]:
        files = (p for p in self.folder.rglob("*") if p.is_file())
        return [{"rfilename": p.relative_to(self.folder).as_posix()} for p in files]

    def _tree(self, under: str, query: str) -> None:
        base = self.folder / under
        if not base.is_dir():
            return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        deep = parse_qs(query).get("recursive", ["false"])[0].lower() == "true"
        found = []
        for path in base.rglob("*") if deep else base.iterdir():
            kind = "file" if path.is_file() else "directory"
            size = path.stat().st_size if path.is_file() else 0
            name = path.relative_to(self.folder).as_posix()
            found.append({"type": kind, "path": name, "size": size, "oid": "0" * 40})
        return self._json(found)

    def _file(self, path: Path) -> None:
        if not path.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        data = path.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Repo-Commit": SHA,
            "Accept-Ranges": "bytes",
        }
        wanted = self.headers.get("Range")
        if wanted is None or self.command == "HEAD":
            return self._send(200, data, headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        end = min(int(last or len(data) - 1), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        return self._send(206, data[int(first) : end + 1], headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as the data set `name`; gives the address and the paths asked for so far."""
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"folder": folder, "name": name, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
