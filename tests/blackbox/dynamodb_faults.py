"""A proxy between the server and DynamoDB Local that breaks things as the service and networks do, by the dice of a seed: it throttles,
fails before and after the request was carried out, leaves a part of a batch undone, cuts answers, spoils their checksum, and is slow.
It can also be told to be gone (`down`), to count requests, and to hold back the next ones (`hold`). With `lags` it answers queries that
allow it like a replica that is behind, in the worst way: items are missing, as they were before, or back from the dead."""

import http.client
import http.server
import json
import random
import socket
import threading
import time
import zlib

THROTTLED = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]
# What happens to a request, and how often of a hundred times.
FAULTS = {"throttle": 4, "fail": 3, "fail_after": 3, "cut_after": 3, "close": 2, "wrong_crc": 3, "slow": 3}
# The same of batches, beside those: how throttling shows there.
OF_BATCHES = {"unprocessed": 40}


class Faults:
    """To be used in a `with`; `share`: of the requests that meet a fault, relative to FAULTS and OF_BATCHES (0: none)."""

    def __init__(self, upstream_port, share=1.0, seed=1, lags=False):
        self.upstream_port = upstream_port
        self.share = share
        self.dice = random.Random(seed)
        self.lock = threading.Lock()
        self.down = False
        self.met = {name: 0 for name in FAULTS | OF_BATCHES}
        self.requests = []  # (operation, body) in their order
        self.keep_requests = False
        self.lags = lags
        self.versions = {}  # (table, session, place) -> the items that were put there, of messages
        self._free = threading.Event()
        self._free.set()

    def __enter__(self):
        faults = self

        class Handler(_Handler):
            owner = faults

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self._free.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def hold(self):
        """Requests wait from now on, until `free`."""
        self._free.clear()

    def free(self):
        self._free.set()

    def wait(self):
        self._free.wait(60)

    def remember(self, body):
        item = body.get("Item", {})
        if "session_id" in item:
            with self.lock:
                self.versions.setdefault((body["TableName"], item["session_id"]["S"], item["timestamp"]["S"]), []).append(item)

    def age(self, query, answer):
        """What the query might have been answered a moment ago."""
        session = query["ExpressionAttributeValues"].get(":s", {}).get("S")
        with self.lock:
            if query.get("ConsistentRead") or not session or self.dice.random() < 0.5:
                return answer
            known = {place: versions for (table, of, place), versions in self.versions.items()
                     if table == query["TableName"] and of == session}
            gone = self.dice.choice([0, 0.1, 0.5])
            items = [self.dice.choice(known[place]) for place in sorted(known, reverse=True) if self.dice.random() >= gone]
        items = items[:query["Limit"]]
        return {"Items": items, "Count": len(items), "ScannedCount": len(items), "ConsumedCapacity": answer.get("ConsumedCapacity")}

    def roll(self, operation):
        with self.lock:
            number = self.dice.random() * 100
            for name, share in (FAULTS | OF_BATCHES if operation == "BatchWriteItem" else FAULTS).items():
                number -= share * self.share
                if number < 0:
                    self.met[name] += 1
                    return name
        return ""

    def part(self, batch):
        """What of a batch is carried out, and what is left: of one item that, of several some."""
        done, left = {}, {}
        with self.lock:
            for table, items in batch.items():
                items = self.dice.sample(items, len(items))
                count = self.dice.randrange(1, max(2, len(items)))
                left[table], done[table] = items[:count], items[count:]
        return {table: items for table, items in done.items() if items}, left


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # connections that a test or a fault has cut


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.upstream = None

    def finish(self):
        if self.upstream:
            self.upstream.close()
        super().finish()

    def do_POST(self):
        owner = self.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        owner.wait()
        if owner.down:
            return self.cut()
        operation = self.headers["X-Amz-Target"].split(".")[-1]
        if owner.keep_requests:
            with owner.lock:
                owner.requests.append((operation, json.loads(body)))
        fault = owner.roll(operation)
        if fault == "throttle":
            return self.answer(400, error(owner.dice.choice(THROTTLED)))
        if fault == "fail":
            return self.answer(500, error("InternalServerError"))
        if fault == "close":
            return self.cut()
        if fault == "slow":
            time.sleep(0.1)
        status, headers, content = self.forward_part(body) if fault == "unprocessed" else self.forward(body)
        if owner.lags and status == 200:
            request = json.loads(body)
            if operation == "PutItem":
                owner.remember(request)
            elif operation == "Query":
                content = json.dumps(owner.age(request, json.loads(content))).encode()
                headers.pop("x-amz-crc32", None)
        if fault == "fail_after":
            return self.answer(500, error("InternalServerError"))
        if fault == "wrong_crc" and "x-amz-crc32" in headers:
            headers["x-amz-crc32"] = str(int(headers["x-amz-crc32"]) ^ 1)
        if fault == "cut_after":
            self.answer(status, content, headers, cut_at=len(content) // 2)
            return self.cut()
        return self.answer(status, content, headers)

    def forward_part(self, body):
        """Of a batch; the rest comes back."""
        request = json.loads(body)
        done, left = self.owner.part(request["RequestItems"])
        status, headers, content = 200, {}, b"{}"
        if done:
            status, headers, content = self.forward(json.dumps(request | {"RequestItems": done}).encode())
        if status == 200:
            content = json.dumps(json.loads(content) | {"UnprocessedItems": left}).encode()
            headers["x-amz-crc32"] = str(zlib.crc32(content))
        return status, headers, content

    def forward(self, body):
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "content-length")}
        for attempt in (1, 2):
            if not self.upstream:
                self.upstream = http.client.HTTPConnection("127.0.0.1", self.owner.upstream_port, timeout=30)
                self.upstream.connect()
                self.upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.upstream.request("POST", "/", body, headers)
                response = self.upstream.getresponse()
                content = response.read()
                return response.status, {name.lower(): value for name, value in response.getheaders()}, content
            except (OSError, http.client.HTTPException):
                self.upstream.close()
                self.upstream = None
                if attempt == 2:
                    raise
        return None

    def answer(self, status, content, headers=None, cut_at=None):
        self.send_response(status)
        for name in ("x-amz-crc32", "x-amzn-requestid"):
            if headers and name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if cut_at is None else content[:cut_at])

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def error(name):
    return json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": "a fault of the test"}).encode()
