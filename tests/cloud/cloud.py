"""An Amazon cloud on loopback (ministack), with the stack of deploy/cdk deployed into it by CDK as into the real one."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import tools

REGION, ACCOUNT = "us-east-1", "000000000000"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def use_packages():
    """Amazon's own client library (botocore) comes with the tools."""
    folder = tools.venv() / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


class Cloud:
    """The emulator, on a free port, with all that it writes in a folder of its own. `auth`: it checks signatures and policies."""

    def __init__(self, auth=False):
        self.auth, self.outputs, self.keys = auth, {}, ("test", "test")
        self.folder = tempfile.TemporaryDirectory(prefix="tertulia-cloud-")
        root = pathlib.Path(self.folder.name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = root / "ministack.log"
        for name in ("tmp", "s3", "state"):
            (root / name).mkdir()
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(root), "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost", "TMPDIR": str(root / "tmp"), "S3_DATA_DIR": str(root / "s3"), "STATE_DIR": str(root / "state"),
            "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "LAMBDA_EXECUTOR": "local", "MINISTACK_REGION": REGION,
            "AUTH": "true" if auth else "false", "SFN_WAIT_SCALE": "0.1",
        }
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([tools.venv() / "bin" / "ministack"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.wait_ready()

    def wait_ready(self, seconds=60):
        until = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > until:
                self.close()
                raise AssertionError("ministack does not start:\n" + self.log_tail())
            time.sleep(0.05)

    def log_tail(self, size=8000):
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def close(self):
        """Ends it with the functions that it has started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.folder.cleanup()

    def client(self, service, **keys):
        """A client of botocore, as a user's own program has one."""
        use_packages()
        import botocore.config
        import botocore.session

        session = botocore.session.Session()
        access, secret = keys.get("keys", self.keys)
        return session.create_client(
            service, region_name=REGION, endpoint_url=self.url, aws_access_key_id=access, aws_secret_access_key=secret,
            config=botocore.config.Config(retries={"max_attempts": 1}, read_timeout=120, inject_host_prefix=False),
        )

    def cdk(self, *arguments):
        access, secret = self.keys
        environment = tools.environment() | {
            "AWS_ENDPOINT_URL": self.url, "AWS_ENDPOINT_URL_S3": self.url, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret,
        }
        done = subprocess.run(tools.cdk(*arguments), cwd=tools.CDK, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise AssertionError(f"cdk {arguments} ended with {done.returncode}\n{(done.stdout + done.stderr)[-6000:]}\n{self.log_tail()}")

    def deploy(self, **context):
        """Bootstraps and deploys as anybody would; the stack's outputs are in `outputs` afterwards."""
        folder = pathlib.Path(self.folder.name)
        environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.url + "/_aws/execute-api/{api}/{stage}",
        } | context.pop("environment", {})
        context = {"architecture": "x86_64", "restStreaming": "false", "disposable": "true", "extraEnvironment": json.dumps(environment)} | context
        self.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", "-c", "placeholder=true")
        if self.auth:
            self.allow_plain_http()
        self.cdk("deploy", "--require-approval", "never", "--output", folder / "cdk.out", "--outputs-file", folder / "outputs.json",
                 *(part for name, value in context.items() for part in ("-c", f"{name}={value}")))
        self.outputs = json.loads((folder / "outputs.json").read_text())["Tertulia"]
        # CloudFormation there makes tables without their TTL.
        for table in ("chat_sessions", "chat_meta"):
            self.client("dynamodb").update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})

    def allow_plain_http(self):
        """The bucket of CDK's bootstrap is closed to what does not come by TLS, and this cloud has none; root may open it."""
        self.client("s3", keys=("test", "test")).delete_bucket_policy(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}")

    def api_key(self):
        return self.client("apigateway").get_api_key(apiKey=self.outputs["RestApiKeyId"], includeValue=True)["value"]

    def path_of(self, url):
        """Where the emulator has what Amazon has at this address: hosts of an API become paths."""
        parts = urllib.parse.urlsplit(url)
        api, kind = parts.hostname.split(".")[:2]
        return f"/_aws/{kind}/{api}{parts.path}".rstrip("/")

    def sign(self, service, method, url, body=b"", **headers):
        """The headers of a request that Amazon's own library signs."""
        request = self.aws_request(method, url, body, headers)
        self.signer("SigV4Auth", service).add_auth(request)
        return dict(request.headers.items())

    def presign(self, service, url):
        """An address that opens by itself, as a browser needs it for a WebSocket: its path and query."""
        request = self.aws_request("GET", url, b"", {})
        self.signer("SigV4QueryAuth", service).add_auth(request)
        parts = urllib.parse.urlsplit(request.url)
        return f"{parts.path}?{parts.query}"

    def signer(self, kind, service):
        use_packages()
        import botocore.auth
        import botocore.credentials

        return getattr(botocore.auth, kind)(botocore.credentials.Credentials(*self.keys), service, REGION)

    def aws_request(self, method, url, body, headers):
        use_packages()
        import botocore.awsrequest

        return botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=headers)


class Answer:
    def __init__(self, status, headers, body, seconds):
        self.status, self.headers, self.body, self.seconds = status, headers, body, seconds

    @property
    def json(self):
        return json.loads(self.body)


def ask(method, url, body=None, headers=()):
    """One request; every status is an answer."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **dict(headers)}, method=method)
    began = time.monotonic()
    try:
        answer = urllib.request.urlopen(request, timeout=120)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        content = answer.read()
    return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content, time.monotonic() - began)
