"""The AWS services that a function calls: Lambda's Invoke, API Gateway's @connections, Secrets Manager and SSM.

All at one address (AWS_ENDPOINT_URL). Each request's signature is checked; a wrong one is refused with 403 and kept in
`problems`, which a test looks at in its end.
"""

import http.server
import json
import queue
import threading
import time
import urllib.parse

import signature
from upstream_request import Request

KEY_ID, SECRET, TOKEN, REGION = "AKIDFAKEAWS", "Secret/Of+The+Fake+Aws/0123456789abcdefghij", "Token+Of/Fake==", "eu-west-1"

# What the program needs to know of it, beside the address.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Client:
    """One WebSocket that API Gateway holds: what was posted to it, as it came."""

    def __init__(self, name):
        self.id, self.open = name, True
        self.frames, self.times, self.news = [], [], threading.Condition()
        self.limits = 0  # so many posts are answered 429 first
        self.on_post = lambda frame: None

    def take(self, frame):
        with self.news:
            self.frames.append(frame)
            self.times.append(time.monotonic())
            self.news.notify_all()

    def events(self):
        return [json.loads(frame) for frame in self.frames]

    def wait(self, condition, seconds=20):
        """Until `condition(events)` holds; the events."""
        with self.news:
            if not self.news.wait_for(lambda: condition(self.events()), seconds):
                raise AssertionError(f"{self.id} was only sent {self.frames}")
        return self.events()

    def wait_end(self, seconds=20):
        ends = {"turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted", "error"}
        return self.wait(lambda events: any(e["type"] in ends for e in events), seconds)

    @property
    def text(self):
        return "".join(e["data"]["text"] for e in self.events() if e["type"] == "text.delta")


class FakeAws:
    """`on_invoke(function, payload)` is called for each asynchronous invocation; `invocations` keeps them."""

    def __init__(self, on_invoke=lambda function, payload: None):
        self.on_invoke, self.invocations = on_invoke, queue.Queue()
        self.refuse_invocations = 0  # with 404
        self.clients, self.secrets, self.parameters = {}, {}, {}
        self.asked, self.problems, self.deleted = [], [], []
        self.secret_status = None  # (status, code): in the place of every secret
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, {}, 0, 0, time.monotonic(), raw, self.command)
                status, body = fake.answer(request)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.send_header("x-amzn-requestid", "r")
                self.end_headers()
                self.wfile.write(body)

            do_DELETE = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def env(self):
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

    def client(self, name):
        return self.clients.setdefault(name, Client(name))

    # -- the services

    def answer(self, request):
        target = request.headers.get("x-amz-target", "")
        if "/@connections/" in request.path:
            service, answer = "execute-api", self.post_to_client
        elif request.path.startswith("/2015-03-31/functions/"):
            service, answer = "lambda", self.invoke
        elif target == "secretsmanager.GetSecretValue":
            service, answer = "secretsmanager", self.get_secret
        elif target == "AmazonSSM.GetParameter":
            service, answer = "ssm", self.get_parameter
        else:
            self.problems.append(f"{request.method} {request.path} {target}")
            return 404, b"{}"
        try:
            if signature.check(request, SECRET, REGION, service) != KEY_ID:
                raise signature.Wrong("another key")
            if request.headers.get("x-amz-security-token") != TOKEN:
                raise signature.Wrong("no session token")
        except (signature.Wrong, KeyError) as problem:
            self.problems.append(f"{request.path}: {problem!r}")
            return 403, json.dumps({"__type": "InvalidSignatureException", "message": str(problem)}).encode()
        self.asked.append((service, request))
        return answer(request)

    def post_to_client(self, request):
        stage, _, name = request.path.partition("/@connections/")
        client = self.clients.get(urllib.parse.unquote(name))
        if stage != "/prod":
            self.problems.append(f"the stage {stage}")
        if client is None or not client.open:
            return 410, b'{"message":"Gone"}'
        if request.method == "DELETE":
            client.open = False
            self.deleted.append(client.id)
            return 204, b""
        if client.limits:
            client.limits -= 1
            return 429, b'{"message":"Limit Exceeded"}'
        if len(request.raw) > 32 * 1024:
            self.problems.append(f"a frame of {len(request.raw)} bytes")
            return 413, b'{"message":"Payload Too Large"}'
        client.take(request.raw.decode())
        client.on_post(json.loads(request.raw))
        return 200, b""

    def invoke(self, request):
        function = urllib.parse.unquote(request.path.split("/")[3])
        if request.headers.get("x-amz-invocation-type") != "Event":
            self.problems.append("an invocation that somebody waits for")
        if self.refuse_invocations:
            self.refuse_invocations -= 1
            return 404, b'{"Type":"User","Message":"Function not found"}'
        self.invocations.put((function, json.loads(request.raw)))
        self.on_invoke(function, json.loads(request.raw))
        return 202, b""

    def get_secret(self, request):
        if self.secret_status:
            return self.secret_status[0], json.dumps({"__type": self.secret_status[1], "message": "not now"}).encode()
        name = json.loads(request.raw)["SecretId"]
        if name not in self.secrets:
            return 400, b'{"__type":"ResourceNotFoundException","Message":"Secrets Manager can\'t find the specified secret."}'
        return 200, json.dumps({"Name": name, "SecretString": self.secrets[name]}).encode()

    def get_parameter(self, request):
        asked = json.loads(request.raw)
        name = asked["Name"]
        if not asked.get("WithDecryption"):
            self.problems.append("a parameter that is not decrypted")
        if name not in self.parameters:
            return 400, b'{"__type":"ParameterNotFound"}'
        return 200, json.dumps({"Parameter": {"Name": name, "Type": "SecureString", "Value": self.parameters[name]}}).encode()
