"""What our Bedrock client sends is what AWS's own SDKs would send: the same path, body and signature.

Each captured request is read back into the parameters of the call, which an SDK checks against the service's description
and turns into a request of its own. The signature is compared over our request, at the time that it names.

`./dev test` installs botocore (PyPI) into TERTULIA_TEST_PACKAGES, and @aws-sdk/client-bedrock-runtime (npm) into
TERTULIA_TEST_NODE.
"""

import base64
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest
from unittest import mock

from captured import KEY, MODEL, REGION, SECRET, TOKEN, bedrock_requests
from our_requests import cases, missing

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = pathlib.Path(os.environ.get("TERTULIA_TEST_PACKAGES") or "nowhere")
METHODS = {
    "converse": "converse",
    "converse-stream": "converse_stream",
    "invoke": "invoke_model",
    "invoke-with-response-stream": "invoke_model_with_response_stream",
}


class BotocoreTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (PACKAGES / "botocore").is_dir():
            missing("no botocore: TERTULIA_TEST_PACKAGES does not hold it")
        sys.path.append(str(PACKAGES))
        import botocore.session

        cls.requests = bedrock_requests()
        session = botocore.session.get_session()
        session.set_config_variable("region", REGION)
        cls.client = session.create_client(
            "bedrock-runtime",
            endpoint_url=cls.requests[0].url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            aws_session_token=TOKEN,
        )

    def theirs(self, ours):
        """botocore's request for the same call."""
        kept = []

        class Enough(Exception):
            pass

        def keep(request, **_):
            kept.append(request)
            raise Enough

        method = METHODS[ours.operation]
        shape = self.client.meta.service_model.operation_model(self.client.meta.method_to_api_mapping[method]).input_shape
        parameters = {"modelId": MODEL}
        if "converse" in method:
            parameters |= with_bytes(json.loads(ours.body), shape)
        else:
            accept = ours.headers.get("accept") or ours.headers.get("x-amzn-bedrock-accept")
            parameters |= {"body": ours.body, "contentType": ours.headers["content-type"], "accept": accept}
        self.client.meta.events.register("before-send.bedrock-runtime", keep)
        try:
            getattr(self.client, method)(**parameters)
        except Enough:
            return kept[0]
        finally:
            self.client.meta.events.unregister("before-send.bedrock-runtime", keep)
        raise AssertionError("no request")

    def test_every_case_is_sent_by_every_operation(self):
        sent = [(r.case, r.operation) for r in self.requests]
        self.assertEqual(len(sent), len(set(sent)))
        self.assertLessEqual({(case, "converse-stream") for case in cases()}, set(sent))
        self.assertLessEqual({operation for _, operation in sent}, set(METHODS))
        for operation in METHODS:
            self.assertIn(operation, {operation for _, operation in sent})

    def test_path_and_body(self):
        for ours in self.requests:
            with self.subTest(f"{ours.case} {ours.operation}"):
                theirs = self.theirs(ours)
                self.assertEqual(theirs.method, ours.method)
                self.assertEqual(theirs.url, ours.url + ours.path)
                self.assertEqual(json.loads(theirs.body), json.loads(ours.body))
                types = {k.lower(): v if isinstance(v, str) else v.decode() for k, v in theirs.headers.items()}
                self.assertEqual(types["content-type"], ours.headers["content-type"])

    def test_signature(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        for ours in self.requests:
            with self.subTest(f"{ours.case} {ours.operation}"):
                authorization = ours.headers["authorization"]
                names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
                self.assertLessEqual({"content-type", "host", "x-amz-date", "x-amz-security-token"}, set(names))
                added = ("x-amz-date", "x-amz-security-token")
                headers = {name: ours.headers[name] for name in names if name not in added}
                request = AWSRequest(ours.method, ours.url + ours.path, headers=headers, data=ours.body)
                now = datetime.datetime.strptime(ours.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
                with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: now):
                    SigV4Auth(Credentials(KEY, SECRET, TOKEN), "bedrock", REGION).add_auth(request)
                self.assertEqual(request.headers["Authorization"], authorization)

    def test_what_is_wrong_is_found(self):
        import botocore.exceptions

        right = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
        for wrong in (
            right | {"max_tokens": 5},
            right | {"inferenceConfig": {"max_tokens": 5}},
            right | {"toolConfig": {"tools": [{"name": "f"}]}},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
            {"messages": [{"role": "user", "content": [{"toolResult": {"content": [{"text": "x"}]}}]}]},
        ):
            with self.subTest(json.dumps(wrong)), self.assertRaises(botocore.exceptions.ParamValidationError):
                self.client.converse(modelId=MODEL, **wrong)


class JavaScriptTest(unittest.TestCase):
    def test_path_body_and_signature(self):
        modules = pathlib.Path(os.environ.get("TERTULIA_TEST_NODE") or "nowhere")
        if not (modules / "node_modules").is_dir() or not shutil.which("node"):
            # Not a failure in CI either: Debian 12 has no Node.js that the SDK runs with.
            self.skipTest("left out: no AWS SDK for JavaScript (TERTULIA_TEST_NODE), or no node")
        requests = bedrock_requests()
        credentials = {"accessKeyId": KEY, "secretAccessKey": SECRET, "sessionToken": TOKEN}
        asked = [dataclasses.asdict(r) | {"body": r.body.decode(), "operation": r.operation} for r in requests]
        given = {"modules": str(modules), "modelId": MODEL, "region": REGION, "credentials": credentials}
        done = subprocess.run(
            ["node", "sdk_requests.mjs"],
            input=json.dumps(given | {"requests": asked}).encode(),
            capture_output=True,
            cwd=HERE,
            timeout=100,
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        answers = json.loads(done.stdout)
        self.assertEqual(len(answers), len(requests))
        for ours, theirs in zip(requests, answers):
            with self.subTest(f"{ours.case} {ours.operation}"):
                self.assertEqual((theirs["method"], theirs["path"]), (ours.method, ours.path))
                self.assertEqual(json.loads(theirs["body"]), json.loads(ours.body))
                # The SDK leaves `Accept` out where the call has no parameter for it.
                of_invoke = ("accept", "x-amzn-bedrock-accept") if ours.operation.startswith("invoke") else ()
                for name in ("content-type", *of_invoke):
                    self.assertEqual(theirs["headers"].get(name), ours.headers.get(name), name)
                self.assertEqual(theirs["authorization"], ours.headers["authorization"])


def with_bytes(value, shape):
    """`value` with the texts that stand for bytes as these."""
    if shape is None or getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "structure":
        return {name: with_bytes(member, shape.members.get(name)) for name, member in value.items()}
    if shape.type_name == "list":
        return [with_bytes(item, shape.member) for item in value]
    return value


if __name__ == "__main__":
    unittest.main()
