"""The real program, deployed by CDK into an emulated cloud, asked in all five shapes: REST, Function URL, WebSocket, Step Functions,
direct. The model behind it is the scripted provider of tests/blackbox."""

import json
import os
import sys
import time
import unittest
import urllib.parse

import tools
from cloud import Cloud, ask

sys.path.insert(0, str(tools.ROOT / "tests" / "blackbox"))

from answers import Answer, Usage  # noqa: E402
from fake_upstream import FakeUpstream, Held  # noqa: E402
from ws import WebSocket  # noqa: E402

FIRST, SECOND = "claude-haiku-4-5", "claude-sonnet-4-5"  # their prices are known
MODELS = (f"anthropic/{FIRST}", f"anthropic/{SECOND}")
SECRET = "sk-ant-of-the-secret"
OVERLOADED = Answer(status=529, body={"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def zip_file():
    return tools.ROOT / "build" / "lambda" / "x86_64" / "tertulia.zip"


def need_zip():
    if zip_file().is_file():
        return
    if os.environ.get("CI") == "true":
        raise AssertionError(f"no {zip_file()}: ./dev lambda makes it")
    raise unittest.SkipTest(f"no {zip_file()}: ./dev lambda makes it")


def tell(line):
    """What docs/deploy-aws.md shows; ./dev e2e-aws asks for it."""
    if os.environ.get("TERTULIA_CLOUD_TELL"):
        print(line, flush=True)


def events(body):
    """[(name, data)] of a stream of server-sent events."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


class CloudTest(unittest.TestCase):
    """A cloud with the stack for all tests of the class; `auth` as Cloud has it."""

    auth = False

    @classmethod
    def setUpClass(cls):
        tools.venv()
        need_zip()
        cls.upstream = FakeUpstream()
        cls.addClassCleanup(cls.upstream.close)
        began = time.monotonic()
        cls.cloud = Cloud(cls.auth)
        cls.addClassCleanup(cls.cloud.close)
        cls.prepare()
        cls.cloud.client("secretsmanager").create_secret(Name="tertulia/anthropic", SecretString=SECRET)
        cls.cloud.deploy(models=",".join(MODELS), anthropicSecret="tertulia/anthropic",
                         environment={"ANTHROPIC_BASE_URL": cls.upstream.url, **cls.environment()})
        tell(f"deployed {zip_file().name} ({zip_file().stat().st_size / 1e6:.1f} MB) with cdk{' as an IAM user, signatures and policies checked' if cls.auth else ''}: {time.monotonic() - began:.0f} s")

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def environment(cls):
        return {}

    def setUp(self):
        self.session = self.id().rsplit(".", 1)[-1].replace("_", "-")
        self.addCleanup(self.show_log)

    def show_log(self):
        if any(problem for _, problem in getattr(self._outcome, "result", self._outcome).failures + getattr(self._outcome, "result", self._outcome).errors):
            print(self.cloud.log_tail(), file=sys.stderr)

    def invoke(self, function, event):
        """(payload, whether the function failed)"""
        answer = self.cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read()), "FunctionError" in answer

    def messages(self, session):
        """A session as a program of the owner's reads it: a plain Query."""
        found = self.cloud.client("dynamodb").query(
            TableName="chat_sessions", KeyConditionExpression="session_id = :s", ExpressionAttributeValues={":s": {"S": session}}, ConsistentRead=True)
        return [(item["role"]["S"], item["content"]["S"]) for item in found["Items"]]

    def wait_for(self, what, condition, seconds=30):
        until = time.monotonic() + seconds
        while not (value := condition()):
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.05)
        return value


class ShapesTest(CloudTest):
    @classmethod
    def environment(cls):
        # A front that waits 8 s and not 29; and what fails here by the dozen is tried again by the workflows alone.
        return {"TERTULIA_LAMBDA_FRONT_LIMIT_MS": "8000", "TERTULIA_RETRY_ATTEMPTS": "1", "TERTULIA_BREAKER_FAILURES": "0"}

    # REST

    def rest(self, method, path, body=None, **headers):
        return ask(method, self.cloud.url + self.cloud.path_of(self.cloud.outputs["RestUrl"]) + path, body, {"x-api-key": self.cloud.api_key(), **headers})

    def test_rest(self):
        first = self.rest("POST", "/chat", {"session_id": self.session, "message": "My name is Ada."})
        self.assertEqual((first.status, first.headers["content-type"]), (200, "application/json"), first.body)
        self.assertEqual(first.json["message"], "[1] My name is Ada.")
        second = self.rest("POST", "/chat", {"session_id": self.session, "message": "Who am I?"})
        self.assertEqual(second.json["message"], "[3] Who am I?", "the model was shown the session")
        self.assertEqual(second.json["conversation_length"], 4)
        tell(f"REST           POST /chat                     {second.status} in {1000 * second.seconds:.0f} ms  {second.json['message']!r}")
        history = self.rest("GET", f"/sessions/{self.session}/messages?limit=3")
        self.assertEqual([m["role"] for m in history.json["messages"]], ["user", "assistant", "user"])
        self.assertEqual(self.messages(self.session)[0], ("user", "My name is Ada."))
        tell(f"REST           GET /sessions/.../messages     {history.status}, {len(history.json['messages'])} messages; DynamoDB has {len(self.messages(self.session))} items")
        self.assertEqual({r.headers["x-api-key"] for r in self.upstream.requests}, {SECRET}, "the key comes from Secrets Manager")

    def test_rest_errors(self):
        missing = self.rest("POST", "/chat", {"session_id": self.session})
        self.assertEqual((missing.status, missing.json["error"]), (400, "Missing required parameter: message"))
        unknown = self.rest("GET", "/sessions/never-seen/messages")
        self.assertEqual((unknown.status, unknown.json["code"]), (404, "not_found"))
        refused = ask("POST", self.cloud.url + self.cloud.path_of(self.cloud.outputs["RestUrl"]) + "/chat", {"message": "x"})
        self.assertEqual(refused.status, 403, "without an API key")
        tell(f"REST           errors: {missing.status} {missing.json['code']}, {unknown.status} {unknown.json['code']}, without an API key {refused.status}")

    def test_a_slow_rest_turn_goes_on_elsewhere(self):
        """The front's 29 s are 8 here; what is left of them is not waited out."""
        held = Held("Slow ", "but ", "sure.")
        self.upstream.script(FIRST, held.answer, Answer("and sure."))
        self.addCleanup(self.upstream.script, FIRST)
        self.addCleanup(held.rest)
        held.next()
        handed = self.rest("POST", "/chat", {"session_id": self.session, "message": "Take your time."})
        self.assertEqual(handed.status, 202, handed.body)
        self.assertEqual(handed.json["session_id"], self.session)
        self.assertIn(handed.json["turn_id"], handed.headers["location"])

        def ended():
            turn = self.rest("GET", f"/sessions/{self.session}/turns/{handed.json['turn_id']}")
            return turn if turn.status == 200 and turn.json.get("state") not in (None, "running", "queued") else None

        turn = self.wait_for("the turn ends in the worker", ended)
        self.assertEqual(turn.json["state"], "completed", turn.body)
        stored = self.messages(self.session)
        self.assertEqual([role for role, _ in stored], ["user", "assistant"])
        self.assertRegex(stored[1][1], "^Slow .*and sure.$")
        tell(f"REST           a turn near its limit: {handed.status} after {handed.seconds:.1f} s, location {handed.headers['location']}; completed by chat-long: {stored[1][1]!r}")

    # Function URL

    def url(self, method, path, body=None, **headers):
        url = self.cloud.url + self.cloud.path_of(self.cloud.outputs["FunctionUrl"]) + path
        data = b"" if body is None else json.dumps(body).encode()
        return ask(method, url, data or None, self.cloud.sign("lambda", method, url, data, **headers))

    def test_function_url(self):
        self.upstream.script(FIRST, Answer("Hel", "lo", usage=Usage(input=7, output=2)))
        self.addCleanup(self.upstream.script, FIRST)
        answer = self.url("POST", "/chat", {"session_id": self.session, "message": "Hi", "stream": True})
        self.assertEqual((answer.status, answer.headers["content-type"].split(";")[0]), (200, "text/event-stream"), answer.body)
        names = [name for name, _ in events(answer.body)]
        self.assertEqual([names[0], names[-1]], ["turn.started", "turn.completed"], names)
        self.assertEqual("".join(data["text"] for name, data in events(answer.body) if name == "text.delta"), "Hello")
        tell(f"Function URL   POST /chat, stream             {answer.status} {answer.headers['content-type']}: {' '.join(names)}")
        unsigned = ask("GET", self.cloud.url + self.cloud.path_of(self.cloud.outputs["FunctionUrl"]) + "/")
        self.assertEqual(unsigned.status, 403, "AWS_IAM")
        wrong = self.url("POST", "/chat", {"message": 1})
        self.assertEqual((wrong.status, wrong.json["code"]), (400, "invalid_request"))
        page = self.url("GET", "/")
        self.assertEqual((page.status, page.headers["content-type"].split(";")[0]), (200, "text/html"))
        tell(f"Function URL   GET /                          {page.status} {page.headers['content-type']}, {len(page.body)} bytes; errors have the prelude too: {wrong.status}")

    # WebSocket

    def socket(self):
        address = self.cloud.url + self.cloud.path_of(self.cloud.outputs["WebSocketUrl"])
        return WebSocket(self.cloud.url, path=self.cloud.presign("execute-api", address))

    def test_websocket(self):
        """Two clients, a turn each. One sees its answer as the model speaks; the other leaves, and its turn goes on."""
        answers = {"Count.": Held("One ", "two ", "three."), "Spell.": Held("A ", "b ", "c.")}
        self.upstream.script(FIRST, lambda request: answers[request.messages[-1][1]].answer)
        self.addCleanup(self.upstream.script, FIRST)
        with self.socket() as phone, self.socket() as laptop:
            for client, message in ((phone, "Count."), (laptop, "Spell.")):
                client.send({"type": "chat", "session_id": f"{self.session}-{message[:5]}", "message": message, "request_id": message})
                answers[message].next()
                self.assertEqual(client.until("turn.started")["request_id"], message)
                self.assertEqual(client.until("text.delta")["data"]["text"], answers[message].answer.items[1], "it comes while the model still speaks")
            tell("WebSocket      two clients: each had its first delta while the model held the second back")
            laptop.drop()
            for held in answers.values():
                held.rest()
            completed = phone.until("turn.completed")
            self.assertEqual(completed["data"]["message"], "One two three.")
        tell(f"WebSocket      turn.completed {completed['data']['message']!r}")
        left = self.session + "-Spell"
        self.wait_for("the turn whose client left is stored", lambda: len(self.messages(left)) == 2)
        self.assertEqual(self.messages(left)[1], ("assistant", "A b c."))
        self.wait_for("a post was answered 410", lambda: any("a client has left" in line for line in self.log_lines()), seconds=10)
        tell(f"WebSocket      the client that left: posts answered 410, its turn stored: {self.messages(left)[1][1]!r}")

    def test_websocket_of_another_device(self):
        """What one begins, the other follows live, since each turn looks who subscribes; what comes over REST, too."""
        held = Held("One ", "two ", "three.")
        self.upstream.script(FIRST, held.answer)
        self.addCleanup(self.upstream.script, FIRST)
        self.addCleanup(held.rest)
        with self.socket() as phone, self.socket() as laptop:
            laptop.send({"type": "subscribe", "session_id": self.session})
            self.wait_for("the subscription", lambda: self.items(f"W#local|{self.session}"))
            phone.send({"type": "chat", "session_id": self.session, "message": "Count.", "request_id": "q1"})
            held.next()
            for client in (phone, laptop):
                self.assertEqual(client.until("turn.started")["session_id"], self.session)
                self.assertEqual(client.until("text.delta")["data"]["text"], "One ", "it comes while the model still speaks")
            tell("WebSocket      a second device that subscribes has the deltas as they come, too")
            held.rest()
            for client in (phone, laptop):
                self.assertEqual(client.until("turn.completed")["data"]["message"], "One two three.")
            self.upstream.script(FIRST, Answer("Over REST."))
            self.assertEqual(self.rest("POST", "/chat", {"session_id": self.session, "message": "And here?"}).status, 200)
            self.assertEqual(laptop.until("turn.completed")["data"]["message"], "Over REST.")
            # The laptop leaves in mid-turn: posts to it are answered 410, and it is forgotten.
            held = Held("Four ", "five.")
            self.addCleanup(held.rest)
            self.upstream.script(FIRST, held.answer)
            phone.send({"type": "chat", "session_id": self.session, "message": "Go on.", "request_id": "q2"})
            held.next()
            laptop.until("text.delta")
            laptop.drop()
            held.rest()
            self.assertEqual(phone.until("turn.completed")["data"]["message"], "Four five.")
        self.wait_for("its subscription is forgotten", lambda: not self.items(f"W#local|{self.session}"))
        tell("WebSocket      a turn over REST reaches it as well; once it has left, its subscription is gone from chat_meta")

    def items(self, key):
        return self.cloud.client("dynamodb").query(TableName="chat_meta", KeyConditionExpression="pk = :p",
                                                   ExpressionAttributeValues={":p": {"S": key}}, ConsistentRead=True)["Items"]

    def test_websocket_ping_and_errors(self):
        with self.socket() as client:
            client.send({"type": "ping", "request_id": "p"})
            self.assertEqual(client.until("pong")["request_id"], "p")
            client.send({"type": "nonsense"})
            self.assertEqual(client.until("error")["code"], "invalid_request")

    # Step Functions

    def execute(self, output, **given):
        execution = self.cloud.client("stepfunctions").start_sync_execution(
            stateMachineArn=self.cloud.outputs[output], input=json.dumps({"session_id": self.session, **given}))
        self.assertEqual(execution["status"], "SUCCEEDED", execution)
        return json.loads(execution["output"])

    def test_ask_several(self):
        """One model is well, one recovers (Retry), one never answers (Catch)."""
        calls = []

        def recovers(request):
            calls.append(request)
            return Answer("Paris, on the Seine.") if len(calls) > 2 else OVERLOADED

        def well(request):
            return Answer("Paris, the city on the Seine.") if "Several models were asked" in request.messages[-1][1] else Answer("Paris.")

        asked_before = len(self.upstream.asked("away"))
        self.upstream.script(FIRST, well)
        self.addCleanup(self.upstream.script, FIRST)
        self.upstream.script("recovers", recovers)
        self.upstream.script("away", OVERLOADED)
        output = self.execute("AskSeveralArn", message="What is the capital of France?", models=[MODELS[0], "anthropic/recovers", "anthropic/away"])
        self.assertEqual(output["state"], "completed", output)
        self.assertEqual([c["state"] for c in output["candidates"]], ["completed", "completed", "failed"], output)
        self.assertEqual(output["candidates"][1]["text"], "Paris, on the Seine.")
        self.assertEqual(output["candidates"][2]["error"], "Provider.Overloaded")
        self.assertEqual((len(calls), len(self.upstream.asked("away")) - asked_before), (3, 4), "the workflow tried again: twice until it went well, and all its three times")
        stored = self.messages(self.session)
        self.assertEqual([role for role, _ in stored], ["user", "assistant"])
        self.assertIn("Paris, on the Seine.", stored[0][1])
        tell("Step Functions ask-several: " + ", ".join(f"{c['model']} {c['state']}{' (' + c['error'] + ')' if 'error' in c else ''}" for c in output["candidates"]) + f"; merged in turn {output['turn_id']}")
        if os.environ.get("TERTULIA_CLOUD_TELL") == "all":
            tell(json.dumps(output, indent=2))  # for docs/workflows.md

    def test_draft_critique_final(self):
        output = self.execute("DraftCritiqueFinalArn", message="Why is the sky blue?")
        self.assertEqual(output["state"], "completed", output)
        self.assertEqual([c["by"] for c in output["critiques"]], ["Accuracy", "Clarity"])
        self.assertEqual(len(self.messages(self.session)), 4)
        tell(f"Step Functions draft-critique-final: {output['state']}, two critics in parallel, final turn {output['turn_id']}")

    def test_a_workflow_that_cannot_answer_ends_with_a_marker(self):
        self.upstream.script(FIRST, OVERLOADED)
        self.addCleanup(self.upstream.script, FIRST)
        output = self.execute("DraftCritiqueFinalArn", message="Why?")
        self.assertEqual((output["state"], output["step"], output["error"]), ("failed", "draft", "Provider.Overloaded"))
        tell(f"Step Functions draft-critique-final, provider away: {json.dumps({k: output[k] for k in ('state', 'step', 'error')})}")

    # Direct

    def test_direct(self):
        answer, failed = self.invoke("chat", {"kind": "chat.turn", "session_id": self.session, "message": "Hi"})
        self.assertFalse(failed, answer)
        self.assertEqual((answer["message"], answer["conversation_length"], answer["model"]), ("[1] Hi", 2, MODELS[0]))
        call, failed = self.invoke("chat", {"kind": "model.call", "model": MODELS[1], "messages": [{"role": "user", "content": "Hm?"}], "system": "Be brief."})
        self.assertFalse(failed, call)
        self.assertEqual((call["text"], call["model"], call["stop_reason"]), ("[1] Hm?", MODELS[1], "end_turn"))
        self.assertLessEqual({"usage", "cost"}, set(call))
        tell(f"direct         chat.turn {answer['message']!r}, model.call {call['text']!r}")

    def test_direct_failures_have_types(self):
        self.upstream.script("broken", Answer(status=400, body={"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}))
        self.upstream.script("away", OVERLOADED)
        question = [{"role": "user", "content": "?"}]
        rows = (
            ("Request.Invalid", {"kind": "chat.turn", "session_id": self.session}),
            ("Request.Invalid", {"what": "is this"}),
            ("Provider.Rejected", {"kind": "model.call", "model": "anthropic/broken", "messages": question}),
            ("Provider.Overloaded", {"kind": "model.call", "model": "anthropic/away", "messages": question}),
        )
        for error, event in rows:
            with self.subTest(error, event=event):
                answer, failed = self.invoke("chat", event)
                self.assertTrue(failed)
                self.assertEqual(answer["errorType"], error, answer)
                self.assertTrue(answer["errorMessage"])
        tell("direct         failures: " + ", ".join(dict.fromkeys(error for error, _ in rows)))

    # What is watched

    def log_lines(self):
        logs = self.cloud.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                yield from event["message"].splitlines()

    def metrics(self):
        """{(metric, names of its dimensions)} of the EMF lines in the functions' logs."""
        found = set()
        for line in self.log_lines():
            if '"CloudWatchMetrics"' in line:
                for directive in json.loads(line)["_aws"]["CloudWatchMetrics"]:
                    self.assertEqual(directive["Namespace"], "Tertulia")
                    found |= {(m["Name"], tuple(sorted(d))) for m in directive["Metrics"] for d in directive["Dimensions"]}
        return found

    def test_the_dashboard_shows_what_the_program_writes(self):
        self.upstream.script("away", OVERLOADED)
        self.invoke("chat", {"kind": "chat.turn", "session_id": self.session, "message": "Hi"})
        self.invoke("chat", {"kind": "chat.turn", "session_id": self.session + "-2", "message": "Hi", "model": "anthropic/away"})
        shown = {(m, ()) for m in ("Turns", "Errors", "TurnLatency", "TimeToFirstToken", "InputTokens", "OutputTokens", "CacheReadTokens", "CacheWriteTokens", "ReasoningTokens", "CostUSD")}
        shown |= {("Errors", ("code",)), ("TurnLatency", ("model", "provider")), ("Turns", ("model", "provider"))}
        written = self.wait_for("metrics in the log", lambda: (m := self.metrics()) >= shown and m, seconds=10)
        tell(f"CloudWatch     metrics in the log, as the dashboard and the alarms read them: {', '.join(sorted({name for name, _ in written}))}")


class SignaturesTest(CloudTest):
    """Signatures are verified and the roles' policies evaluated: what a function may not do fails here."""

    auth = True

    @classmethod
    def prepare(cls):
        """The first call of an account is its root's; from then on an IAM user of ours does everything."""
        iam = cls.cloud.client("iam")
        iam.create_user(UserName="deployer")
        iam.put_user_policy(UserName="deployer", PolicyName="all", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        cls.cloud.keys = (key["AccessKeyId"], key["SecretAccessKey"])

    def test_a_turn_with_the_role_of_the_function(self):
        answer, failed = self.invoke("chat", {"kind": "chat.turn", "session_id": self.session, "message": "Hi"})
        self.assertFalse(failed, answer)
        self.assertEqual(self.messages(self.session), [("user", "Hi"), ("assistant", "[1] Hi")])
        tell(f"signatures     chat.turn {answer['message']!r}: DynamoDB and Secrets Manager took them, and the role's policy was enough")

    def test_a_wrong_signature_is_refused(self):
        use = self.cloud.client("dynamodb", keys=(self.cloud.keys[0], "not the secret"))
        with self.assertRaisesRegex(Exception, "SignatureDoesNotMatch|InvalidSignature|signature"):
            use.describe_table(TableName="chat_sessions")
        tell("signatures     a client with a wrong secret is refused: they are checked")

    def test_the_function_may_not_do_more(self):
        """The same role, asked for what the program never does."""
        role = next(r for r in self.cloud.client("iam").list_roles()["Roles"] if "FunctionsChatRole" in r["RoleName"])
        result = self.cloud.client("iam").simulate_principal_policy(
            PolicySourceArn=role["Arn"], ActionNames=["dynamodb:DeleteTable", "dynamodb:Scan", "secretsmanager:PutSecretValue", "bedrock:InvokeModel", "dynamodb:Query"],
            ResourceArns=["arn:aws:dynamodb:us-east-1:000000000000:table/chat_sessions"])
        self.assertEqual({r["EvalActionName"]: r["EvalDecision"] for r in result["EvaluationResults"]}, {
            "dynamodb:DeleteTable": "implicitDeny", "dynamodb:Scan": "implicitDeny", "secretsmanager:PutSecretValue": "implicitDeny",
            "bedrock:InvokeModel": "implicitDeny", "dynamodb:Query": "allowed"})


if __name__ == "__main__":
    unittest.main()
