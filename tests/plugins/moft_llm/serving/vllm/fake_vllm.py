"""Stands for an interpreter with vLLM: starts a small server that speaks as vLLM with `moft_vllm` does, and fails on demand.

The first token of a prompt says what goes wrong. The folder of the variable `FAKE_VLLM` gets the requests, and may hold the file
`fault`, with the line of an error at the start.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DIES, ENDLESS, HALF, FAILS, REFUSED, ELSEWHERE, TOLD, STRANGE, ABORTS, STOPS, LEAVES = range(100, 111)
"""First tokens of prompts."""
END = 1
LONGEST = 256
PLACE = Path(os.environ.get("FAKE_VLLM", "."))
KEY = os.environ.get("VLLM_API_KEY")


def token(body, place):
    """That comes at a place: it depends on the weights."""
    first = body["weights"][0] if "weights" in body else 0.5
    return 60 + (place + round(64 * first)) % 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content, headers=()):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if (PLACE / "dead").exists():
            self.answer(503, {})
        else:
            self.answer(200, {"data": [{"id": "moft", "max_model_len": LONGEST}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with (PLACE / "requests").open("a") as seen:
            seen.write(json.dumps(body) + "\n")
        kind = body["prompt"][0]
        if self.headers["Authorization"] != f"Bearer {KEY}" or not KEY:
            self.answer(401, {"error": {"message": "wrong key"}})
        elif kind in (FAILS, REFUSED):
            self.answer(500 if kind == FAILS else 400, {"error": {"message": "it is too much"}})
        else:
            self.stream(body, kind)

    def stream(self, body, kind):
        self.send_response(200)
        weights = [0.0, 1.0] if kind == ELSEWHERE else body.get("weights", [0.123, 0.877])
        self.send_header("x-moft-weights", "brief={:.10g},calm={:.10g}".format(*weights))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for place in range(body["max_tokens"]):
                if place == 2 and kind not in (ENDLESS,):
                    self.misbehave(kind)
                if place == 2 and kind in (HALF, TOLD, STRANGE, ABORTS, LEAVES):
                    break
                if place == 3 and kind == STOPS:
                    self.event([END], "stop", body)
                    break
                if kind == ENDLESS:
                    time.sleep(0.01)
                self.event([token(body, place)], "length" if place == body["max_tokens"] - 1 else None, body)
            self.chunk("data: [DONE]\n\n")
            self.chunk("")
        except OSError:
            (PLACE / "left").touch()
        self.close_connection = kind == LEAVES

    def misbehave(self, kind):
        if kind == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == TOLD:
            self.chunk('data: {"error": {"message": "the engine is dead", "code": 500}}\n\n')
        if kind == STRANGE:
            self.chunk("data: {]\n\n")
        if kind == ABORTS:
            self.chunk('data: {"choices": [{"token_ids": [], "finish_reason": "abort"}]}\n\n')

    def event(self, tokens, finish, body):
        choice = {"index": 0, "text": "", "token_ids": tokens, "finish_reason": finish}
        if body.get("logprobs") is not None:
            names = {f"token_id:{one + more}": -1.0 - more for one in tokens for more in range(body["logprobs"] + 1)}
            choice["logprobs"] = {"token_logprobs": [-1.0], "top_logprobs": [names]}
        self.chunk(f"data: {json.dumps({'choices': [choice]})}\n\n")

    def chunk(self, text):
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())


def main(words):
    if words[0] == "-c":  # whether it has vLLM
        return int((PLACE / "lacks").exists())
    (PLACE / "words").write_text(json.dumps(words))
    print("WARNING 11-29 fake: raise the limit against OSError: too many files", flush=True)
    if (PLACE / "fault").exists():
        print((PLACE / "fault").read_text(), "(APIServer pid=5)  INFO giving up", sep="\n", flush=True)
        return 1
    server = ThreadingHTTPServer((words[words.index("--host") + 1], int(words[words.index("--port") + 1])), Handler)
    with (PLACE / "pids").open("a") as seen:
        seen.write(f"{os.getpid()}\n")
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
