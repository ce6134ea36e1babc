"""What we send to Lambda, API Gateway's @connections, Secrets Manager and SSM is what AWS's own SDK would send: the same
path, body and meaning of the headers, and the signature that it would make at that time.

`./dev test` installs botocore (PyPI) into TERTULIA_TEST_PACKAGES.
"""

import datetime
import json
import os
import pathlib
import sys
import unittest
from unittest import mock

from captured import KEY, REGION, SECRET, TOKEN, aws_requests
from our_requests import missing

PACKAGES = pathlib.Path(os.environ.get("TERTULIA_TEST_PACKAGES") or "nowhere")
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:chat:live"
CONNECTION = "R1kmxc2VNjMCFIA="
# By the names that aws_requests.cpp prints: service, method, parameters, what the signature calls the service.
CALLS = {
    "invoke": (
        "lambda",
        "invoke",
        {"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": b'{"kind":"tertulia.socket"}'},
        "lambda",
    ),
    "post": (
        "apigatewaymanagementapi",
        "post_to_connection",
        {"ConnectionId": CONNECTION, "Data": b'{"type":"pong"}'},
        "execute-api",
    ),
    "delete": ("apigatewaymanagementapi", "delete_connection", {"ConnectionId": CONNECTION}, "execute-api"),
    "secret": ("secretsmanager", "get_secret_value", {"SecretId": "prod/keys"}, "secretsmanager"),
    "parameter": ("ssm", "get_parameter", {"Name": "/prod/key", "WithDecryption": True}, "ssm"),
}


def text(value):
    return value if isinstance(value, str) else value.decode()


class AwsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (PACKAGES / "botocore").is_dir():
            missing("no botocore: TERTULIA_TEST_PACKAGES does not hold it")
        sys.path.append(str(PACKAGES))
        import botocore.session

        cls.requests = aws_requests()
        cls.session = botocore.session.get_session()

    def theirs(self, name):
        service, method, parameters, _ = CALLS[name]
        ours = self.requests[name]
        client = self.session.create_client(
            service,
            region_name=REGION,
            endpoint_url=ours.url + ("/prod" if service == "apigatewaymanagementapi" else ""),
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            aws_session_token=TOKEN,
        )
        kept = []

        class Enough(Exception):
            pass

        def keep(request, **_):
            kept.append(request)
            raise Enough

        client.meta.events.register(f"before-send.{service}", keep)
        with self.assertRaises(Enough):
            getattr(client, method)(**parameters)
        return kept[0]

    def test_every_call_is_there(self):
        self.assertEqual(set(self.requests), set(CALLS))

    def test_method_path_headers_and_body(self):
        for name, ours in self.requests.items():
            with self.subTest(name):
                theirs = self.theirs(name)
                self.assertEqual(ours.method, theirs.method)
                self.assertEqual(ours.url + ours.path, theirs.url)
                body = text(theirs.body or b"")
                if name in ("secret", "parameter"):
                    self.assertEqual(json.loads(ours.body), json.loads(body))
                else:
                    self.assertEqual(ours.body.decode(), body)
                headers = {k.lower(): text(v) for k, v in theirs.headers.items()}
                for field in ("x-amz-target", "x-amz-invocation-type", "x-amz-security-token"):
                    self.assertEqual(ours.headers.get(field), headers.get(field), field)
                if "x-amz-target" in headers:
                    self.assertEqual(ours.headers["content-type"], headers["content-type"])

    def test_signature(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        for name, ours in self.requests.items():
            with self.subTest(name):
                authorization = ours.headers["authorization"]
                names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
                self.assertLessEqual({"host", "x-amz-date", "x-amz-security-token"}, set(names))
                added = ("x-amz-date", "x-amz-security-token")
                headers = {n: ours.headers[n] for n in names if n not in added}
                request = AWSRequest(ours.method, ours.url + ours.path, headers=headers, data=ours.body)
                now = datetime.datetime.strptime(ours.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
                with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: now):
                    SigV4Auth(Credentials(KEY, SECRET, TOKEN), CALLS[name][3], REGION).add_auth(request)
                self.assertEqual(request.headers["Authorization"], authorization)
