"""Amazon's DynamoDB Local (software.amazon.dynamodb:DynamoDBLocal on Maven Central), for tests: it is the service's own code, in
memory. `./dev test` fetches it (tools/dev/dynamodb_local.sh) and says where in TERTULIA_TEST_DYNAMODB_LOCAL.

    python dynamodb_local.py COMMAND...

runs COMMAND with its address in TERTULIA_TEST_DYNAMODB, and those of two proxies before it: one that breaks things in
TERTULIA_TEST_DYNAMODB_FAULTS, one that answers like a replica that is behind in TERTULIA_TEST_DYNAMODB_LAGS. A COMMAND without arguments has to meet each fault. Without
Java or the archives it does nothing and says so in one line (under CI=true that is a failure)."""

import glob
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import dynamodb_faults

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_LIMIT = 60
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_REGION": "eu-west-1"}


def folder():
    return pathlib.Path(os.environ.get("TERTULIA_TEST_DYNAMODB_LOCAL") or ROOT / "build" / "dynamodb-local" / "deps")


def missing():
    """Why there is none; empty: there is."""
    if not shutil.which("java"):
        return "no Java"
    if not glob.glob(str(folder() / "DynamoDBLocal-*.jar")):
        return f"no DynamoDB Local in {folder()}"
    return ""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class DynamoDbLocal:
    """A running one, empty at first; to be used in a `with`."""

    def __enter__(self):
        self.port = free_port()
        deps = folder()
        self.process = subprocess.Popen(
            ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.library.path={deps}", "-cp", f"{deps}/*",
             "software.amazon.dynamodb.services.local.main.ServerRunner", "-inMemory", "-sharedDb", "-disableTelemetry",
             "-port", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_LIMIT
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("DynamoDB Local did not start")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def environment(self):
        return CREDENTIALS | {"AWS_ENDPOINT_URL_DYNAMODB": self.url}

    def call(self, operation, **body):
        """One operation; its answer, as DynamoDB's JSON has it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            # Only that there is a signature is looked at.
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/dynamodb/aws4_request, "
                             "SignedHeaders=host, Signature=0",
        }
        connection.request("POST", "/", json.dumps(body).encode(), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{operation}: {response.status} {answer}")
        return answer

    def items(self, session, table="chat_sessions"):
        """The messages of a session, as a plain Query gives them: dicts of strings."""
        answer = self.call("Query", TableName=table, KeyConditionExpression="session_id = :s",
                           ExpressionAttributeValues={":s": {"S": session}}, ConsistentRead=True)
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in answer["Items"]]

    def _answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
            return True
        except OSError:
            return False
        finally:
            connection.close()


def main(command):
    why = missing()
    if why:
        print(f"left out: {why}; ./dev test fetches what it can", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    with (DynamoDbLocal() as local, dynamodb_faults.Faults(local.port) as faults,
          dynamodb_faults.Faults(local.port, share=0, lags=True) as lags):
        environment = os.environ | {"TERTULIA_TEST_DYNAMODB": local.url, "TERTULIA_TEST_DYNAMODB_FAULTS": faults.url,
                                    "TERTULIA_TEST_DYNAMODB_LAGS": lags.url}
        status = subprocess.run(command, env=environment).returncode
        print("faults met:", ", ".join(f"{name} {number}" for name, number in faults.met.items()))
        unmet = [name for name, number in faults.met.items() if not number]
        if unmet and len(command) == 1:  # the whole test, not a selection of its cases
            print("never met:", ", ".join(unmet), file=sys.stderr)
            return status or 1
        return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
