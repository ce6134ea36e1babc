"""DynamoDB to measure against: takes every write, and finds nothing. It costs its clients the requests and no more."""

import http.server
import json
import threading
import zlib


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet
    disable_nagle_algorithm = True
    ANSWERS = {"Query": {"Items": [], "Count": 0, "ScannedCount": 0}}

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
        self.server.operations.append(operation)
        body = json.dumps(self.ANSWERS.get(operation, {})).encode()
        self.send_response(200)
        for name, value in {"Content-Type": "application/x-amz-json-1.0", "Content-Length": len(body),
                            "x-amz-crc32": zlib.crc32(body), "x-amzn-RequestId": "bench"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class FakeDynamoDb(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.operations = []
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()
