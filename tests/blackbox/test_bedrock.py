"""Amazon Bedrock: what we send is signed as AWS wants it, and what it sends is read, in both of its APIs."""

import http.server
import json
import os
import sys
import threading
import unittest
import urllib.parse

import eventstream
import signature
from answers import Answer, Raw, Thinking
from harness import KEY, ServerCase
from needs import needs

PACKAGES = os.environ.get("TERTULIA_TEST_PACKAGES")
if PACKAGES:
    sys.path.append(PACKAGES)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

REGION = "eu-central-1"
KEY_ID, SECRET, TOKEN = "AKIDBLACKBOX", "Secret/Of+The+Black+Box/0123456789abcdefgh", "Session/Token+Of+The+Black+Box=="
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"
BOTH = ("bedrock", "bedrock-invoke")
THROTTLED = Raw(eventstream.message("exception", "throttlingException", {"message": "Too many tokens, slow down"}))


class BedrockCase(ServerCase):
    """Its servers know Bedrock by AWS's own variables alone."""

    store = "memory"

    @classmethod
    def start(cls, *arguments, env=None, **options):
        aws = {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": cls.upstream.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return super().start(*arguments, env=aws | (env or {}), **options)

    def last(self, model=MODEL):
        return self.upstream.asked(model)[-1]

    def signed(self, *answers, key_id=KEY_ID, secret=SECRET):
        """Scripts answers of which each is given only to a call that is signed rightly."""

        def checked(answer):
            def answered(request):
                try:
                    self.assertEqual(signature.check(request, secret, REGION), key_id)
                except (signature.Wrong, AssertionError, KeyError) as problem:
                    return Answer(status=403, body={"message": str(problem)})
                return answer

            return answered

        self.upstream.script(MODEL, *map(checked, answers))


class BedrockTest(BedrockCase):
    def test_signed_calls_of_both_apis_streamed_and_whole(self):
        as_asked = [
            {"name": f"{name}-as-asked", "kind": kind, "region": REGION, "stream": "as_asked"}
            for name, kind in zip(BOTH, ("bedrock-converse", "bedrock-invoke"))
        ]
        server = self.running(config={"providers": as_asked})
        operations = {"bedrock": ("converse-stream", "converse")}
        for provider in BOTH:
            streamed, whole = operations.get(provider, ("invoke-with-response-stream", "invoke"))
            for name, operation in ((provider, streamed), (f"{provider}-as-asked", whole)):
                with self.subTest(name):
                    self.signed(Answer(Thinking("Hm."), "Good ", "day, ", "señor."))
                    body = self.assert_answer(server.chat("Hello", model=f"{name}/{MODEL}"), "Good day, señor.")
                    self.assertEqual(body["model"], f"{name}/{MODEL}")
                    self.assertEqual(self.last().path, f"/model/{urllib.parse.quote(MODEL, safe='')}/{operation}")
                    self.assertEqual(self.last().headers["x-amz-security-token"], TOKEN)
                    self.assertEqual(self.last().messages[-1], ("user", "Hello"))

    def test_a_stream_comes_as_it_is_sent(self):
        for provider in BOTH:
            self.signed(Answer("one ", "two ", "three"))
            stream = self.server.stream("Count", model=f"{provider}/{MODEL}")
            self.assertEqual(stream.finish().name, "turn.completed")
            self.assertEqual(stream.text, "one two three")

    def test_the_usage_is_the_one_that_bedrock_reports(self):
        self.signed(Answer("one two"))
        usage = self.server.chat("Three words here", model=f"bedrock/{MODEL}").json["usage"]
        self.assertFalse(usage.get("estimated", False), usage)

    def test_ids_of_profiles_and_arns_are_one_part_of_the_path(self):
        self.upstream.script(ARN, Answer("x"))
        self.assert_answer(self.server.chat("q", model=f"bedrock/{ARN}"), "x")
        request = self.last(ARN)
        self.assertEqual(request.path, f"/model/{urllib.parse.quote(ARN, safe='')}/converse-stream")
        signature.check(request, SECRET, REGION)

    def test_an_exception_in_mid_stream_fails_the_turn_and_keeps_what_came(self):
        for provider in BOTH:
            with self.subTest(provider):
                self.signed(Answer("Half an ", "answer", THROTTLED, done=False))
                stream = self.server.stream("q", model=f"{provider}/{MODEL}")
                terminal = stream.finish()
                self.assertEqual(terminal.name, "turn.failed", terminal.data)
                self.assert_error_body(terminal.json, "upstream_unavailable", "slow down")
                _, assistant = self.server.history(terminal.json["session_id"])
                self.assertEqual((assistant["content"], assistant["state"]), ("Half an answer", "failed"))

    def test_a_frame_with_a_wrong_checksum_is_a_broken_stream(self):
        event = {"contentBlockIndex": 0, "delta": {"text": "damaged"}}
        damaged = Raw(eventstream.with_wrong_crc(eventstream.message("event", "contentBlockDelta", event)))
        self.signed(Answer("Half", damaged))
        terminal = self.server.stream("q", model=f"bedrock/{MODEL}").finish()
        self.assertEqual(terminal.name, "turn.failed", terminal.data)
        self.assertNotIn("damaged", json.dumps(self.server.history(terminal.json["session_id"])))

    def test_no_secret_of_aws_is_ever_shown(self):
        told = f"The Canonical String should have been 'x-amz-security-token:{TOKEN}'"
        refused = {"x-amzn-errortype": "InvalidSignatureException"}
        self.upstream.script(MODEL, Answer(status=403, headers=refused, body={"message": told}))
        response = self.server.chat("q", model=f"bedrock/{MODEL}")
        self.assertEqual(response.status, 502)
        self.assertNotIn(TOKEN, response.body.decode() + self.server.log_text)


class KeysTest(BedrockCase):
    server_per_test = True

    def test_a_bedrock_key_goes_before_credentials(self):
        server = self.running(env={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key"})
        for provider in BOTH:
            self.upstream.script(MODEL, Answer("x"))
            self.assert_answer(server.chat("q", model=f"{provider}/{MODEL}"), "x")
            self.assertEqual(self.last().headers["authorization"], "Bearer bedrock-api-key")
            self.assertNotIn("x-amz-date", self.last().headers)

    def test_an_entry_has_its_own_region_address_and_key(self):
        providers = [
            {"name": "far", "kind": "bedrock-converse", "region": "ap-south-1", "base_url": self.upstream.url + "/vpc/"},
            {"name": "keyed", "kind": "bedrock-converse", "api_key": "env:KEY_OF_BEDROCK"},
        ]
        server = self.running(config={"providers": providers}, env={"KEY_OF_BEDROCK": KEY})
        self.upstream.script(MODEL, Answer("x"))
        self.assert_answer(server.chat("q", model=f"keyed/{MODEL}"), "x")
        self.assertEqual(self.last().headers["authorization"], f"Bearer {KEY}")
        server.chat("q", model=f"far/{MODEL}")
        request = self.upstream.requests[-1]
        self.assertTrue(request.path.startswith("/vpc/model/us.anthropic"), request.path)
        signature.check(request, SECRET, "ap-south-1")

    def test_without_credentials_there_is_no_such_provider(self):
        server = self.running(env={"AWS_ACCESS_KEY_ID": "", "AWS_SESSION_TOKEN": ""})
        self.assert_error(server.chat("q", model=f"bedrock/{MODEL}"), 400, "invalid_request", "openai")

    def test_an_expired_token_is_fetched_anew(self):
        count, script = self.folder / "count", self.folder / "credentials.sh"
        script.write_text(
            f"echo x >> {count}; n=$(wc -l < {count})\n"
            'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"AKID$n\\", \\"SecretAccessKey\\": \\"SECRET$n\\","\n'
            'echo "\\"SessionToken\\": \\"TOKEN$n\\", \\"Expiration\\": \\"2999-01-01T00:00:00Z\\"}"\n'
        )
        config = self.folder / "aws-config"
        config.write_text(f"[profile box]\ncredential_process = sh {script}\nregion = {REGION}\n")
        env = {"AWS_ACCESS_KEY_ID": None, "AWS_REGION": None, "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "box"}
        server = self.running("--workers", "3", env=env)
        expired = Answer(
            status=403,
            headers={"x-amzn-errortype": "ExpiredTokenException:http://internal.amazon.com/coral/"},
            body={"message": "The security token included in the request is expired"},
        )
        keys = []

        def answer(request):
            number = len(keys) + 1
            keys.append(signature.check(request, f"SECRET{min(number, 2)}", REGION))
            return expired if number == 1 else Answer("x")

        self.upstream.script(MODEL, answer)
        self.assert_answer(server.chat("q", model=f"bedrock/{MODEL}"), "x")
        self.assert_answer(server.chat("q", model=f"bedrock/{MODEL}"), "x")
        self.assertEqual(keys, ["AKID1", "AKID2", "AKID2"])
        self.assertEqual(count.read_text().count("x"), 2, "what was fetched is kept")

    def test_a_wrong_clock_is_mended_by_bedrocks(self):
        server = self.running("--workers", "1")
        refused = Answer(
            status=403,
            headers={"x-amzn-errortype": "InvalidSignatureException", "date": "Tue, 01 Jan 2999 00:00:00 GMT"},
            body={"message": "Signature expired: it is now earlier than 29981231T235500Z"},
        )
        self.upstream.script(MODEL, refused, Answer("x"))
        self.assert_answer(server.chat("q", model=f"bedrock/{MODEL}"), "x")
        signature.check(self.last(), SECRET, REGION)
        self.assertTrue(self.last().headers["x-amz-date"].startswith("29990101T0000"), self.last().headers)

    def test_a_containers_credentials_are_asked_for_once_however_many_wait(self):
        lent = {
            "AccessKeyId": "ASIACONTAINER",
            "SecretAccessKey": "SECRETOFCONTAINER",
            "Token": "TOKENOFCONTAINER",
            "Expiration": "2999-01-01T00:00:00Z",
        }
        asked, go = [], threading.Event()

        class Agent(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers["Authorization"]))
                go.wait(20)
                body = json.dumps(lent).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        agent = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent)
        threading.Thread(target=agent.serve_forever, daemon=True).start()
        self.addCleanup(agent.server_close)
        self.addCleanup(agent.shutdown)
        env = {
            "AWS_ACCESS_KEY_ID": None,
            "AWS_SESSION_TOKEN": None,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{agent.server_port}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "agent-token",
        }
        server = self.running("--workers", "3", env=env)
        self.signed(Answer("x"), key_id="ASIACONTAINER", secret="SECRETOFCONTAINER")
        answers, threads = [], []
        for _ in range(5):
            chat = threading.Thread(target=lambda: answers.append(server.chat("q", model=f"bedrock/{MODEL}")))
            chat.start()
            threads.append(chat)
        go.set()
        for thread in threads:
            thread.join()
        for answer in answers:
            self.assert_answer(answer, "x")
        self.assertEqual(asked, [("/v1/credentials", "agent-token")])


@needs(PACKAGES, "no botocore: TERTULIA_TEST_PACKAGES is not set")
class BotocoreTest(BedrockCase):
    """AWS's own library signs the same call in the same way."""

    def test_botocore_makes_the_same_signature(self):
        for provider, model in (("bedrock", MODEL), ("bedrock-invoke", MODEL), ("bedrock", ARN)):
            self.upstream.script(model, Answer("x"))
            self.assert_answer(self.server.chat("Grüße, 你好", model=f"{provider}/{model}"), "x")
            request = self.last(model)
            given = signature.parts(request.headers["authorization"])
            names = set(given["SignedHeaders"].split(";"))
            theirs = AWSRequest(
                method=request.method,
                url=self.upstream.url + request.path,
                data=request.raw,
                headers={name: value for name, value in request.headers.items() if name in names},
            )
            theirs.context["timestamp"] = request.headers["x-amz-date"]
            auth = SigV4Auth(Credentials(KEY_ID, SECRET, TOKEN), "bedrock", REGION)
            to_sign = auth.string_to_sign(theirs, auth.canonical_request(theirs))
            self.assertEqual(auth.signature(to_sign, theirs), given["Signature"])


if __name__ == "__main__":
    unittest.main()
