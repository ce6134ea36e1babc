"""The requests that our AWS clients send, Bedrock's for the cases of cases.json, as a server on loopback gets them.

TERTULIA_AWS_REQUESTS names the program of the other services (ctest sets it).
"""

import dataclasses
import functools
import http.server
import os
import pathlib
import subprocess
import threading

from our_requests import PROGRAM, ROOT

HERE = pathlib.Path(__file__).resolve().parent
# AWS's own example credentials (AWS General Reference).
KEY, SECRET, TOKEN, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "SESSION", "eu-central-1"
AWS_PROGRAM = os.environ.get("TERTULIA_AWS_REQUESTS") or str(ROOT / "build/dev/tests/oracles/aws_requests")
URL = object()
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


@dataclasses.dataclass
class Captured:
    case: str  # its name
    method: str
    path: str  # as it came
    headers: dict  # lower-case names
    body: bytes
    url: str

    @property
    def operation(self):
        return self.path.rpartition("/")[2]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        self.server.got.append((self.command, self.path, headers, body))
        answer = b'{"message":"captured"}'
        self.send_response(400)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(answer)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_DELETE = do_POST

    def log_message(self, *_):
        pass


def capture(*command):
    """What a program sends that is given our server's address in the place of URL, in the order in which it came. It
    prints the name of each one's case."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = "http://127.0.0.1:%d" % server.server_port
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
    try:
        names = subprocess.run(
            [url if part is URL else part for part in command],
            check=True,
            capture_output=True,
            env=environment,
            timeout=60,
        ).stdout.decode()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    names = names.split()
    assert len(names) == len(server.got), (len(names), len(server.got))
    return [Captured(name, *got, url) for name, got in zip(names, server.got)]


@functools.cache
def bedrock_requests():
    return capture(PROGRAM, str(HERE / "cases.json"), URL, REGION, MODEL)


@functools.cache
def aws_requests():
    """Our calls of other services, by name."""
    return {request.case: request for request in capture(AWS_PROGRAM, URL, REGION)}
