"""Turns that outlive their front: handed over to an invocation of their own in another sandbox, under the same id."""

import dynamodb_local
from answers import STALL, Answer
from dynamodb_case import MISSING
from fake_upstream import Held
from function_case import FUNCTION, FunctionCase, socket_event
from harness import ENDED, run, wait_for
from lambda_events import rest
from needs import needs


@needs(not MISSING, MISSING)
class HandOverTest(FunctionCase):
    """The limit of the front is 1.5 seconds; nothing waits for 29. What the function asks of itself goes to a second
    sandbox, over the same tables."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.local = dynamodb_local.DynamoDbLocal().__enter__()
        cls.addClassCleanup(cls.local.__exit__)
        code, output, errors = run("create-tables", env=cls.local.environment())
        if code:
            raise AssertionError(f"create-tables ended with {code}: {output}{errors}")

    def begin_both(self, **env):
        ours = {
            "TERTULIA_STORE": "dynamodb:",
            "AWS_ENDPOINT_URL_DYNAMODB": self.local.url,
            "TERTULIA_LAMBDA_FRONT_LIMIT_MS": "1500",
            "TERTULIA_LAMBDA_MARGIN_MS": "500",
            "TERTULIA_LAMBDA_SELF_INVOKE": FUNCTION,
        } | env
        self.begin(**ours)
        self.other, _ = self.start(**({"AWS_LAMBDA_MAX_CONCURRENCY": "8"} | self.aws.env | ours))
        self.aws.on_invoke = lambda _, payload: self.work.append(self.other.invoke(payload, self.worker_seconds))

    def turn(self, turn_id):
        return self.invoke(rest("GET", f"/sessions/s/turns/{turn_id}")).json

    def test_the_client_is_told_where_to_look_and_the_turn_goes_on_under_its_id(self):
        self.upstream.script("slow", Answer("Half ", STALL), Answer("and the rest."))
        self.begin_both()
        asked = self.invoke(rest("POST", "/chat", {"message": "Hi", "session_id": "s", "model": "openai/slow"}))
        self.assertEqual(asked.status, 202, asked.content)
        turn_id = asked.json["turn_id"]
        self.assertEqual((asked.json["session_id"], asked.json["state"]), ("s", "running"))
        self.assertEqual(asked.field("location"), f"/sessions/s/turns/{turn_id}")
        wait_for(lambda: self.turn(turn_id).get("state") in ENDED, "the end of the turn elsewhere")
        turn = self.turn(turn_id)
        self.assertEqual((turn["state"], turn["message"]), ("completed", "Half and the rest."))
        self.work[0].wait()
        messages = self.invoke(rest("GET", "/sessions/s/messages")).json["messages"]
        self.assertEqual([(m["role"], m["turn_id"]) for m in messages[-2:]], [("user", turn_id), ("assistant", turn_id)])

    def test_where_the_other_invocation_is_refused_the_deadline_rule_holds(self):
        self.upstream.script("slow", Answer("Half ", STALL), Answer("and the rest."))
        self.begin_both()
        self.aws.refuse_invocations = 1
        asked = self.invoke(rest("POST", "/chat", {"message": "Hi", "session_id": "s", "model": "openai/slow"}))
        self.assertEqual((asked.status, asked.json["code"]), (504, "timed_out"))
        path = f"/sessions/s/turns/{asked.json['turn_id']}/continue"
        self.assertEqual(self.invoke(rest("POST", path, {})).json["message"], "Half and the rest.")

    def test_a_clients_turn_over_a_websocket_goes_on_to_the_same_client(self):
        held = Held("Half ", "never")
        self.upstream.script("slow", held.answer, Answer("and the rest."))
        self.begin_both()
        self.worker_seconds = 3
        client = self.connect("A1=")
        message = {"type": "chat", "message": "Hi", "session_id": "s", "model": "openai/slow", "request_id": "mine"}
        self.send(client, message)
        held.next()
        events = client.wait_end()
        self.assertEqual((events[-1]["type"], client.text), ("turn.completed", "Half and the rest."))
        self.assertEqual({e["request_id"] for e in events}, {"mine"})
        self.assertEqual([p["kind"] for _, p in list(self.aws.invocations.queue)], ["tertulia.socket", "tertulia.turn"])

    def test_what_a_client_subscribes_to_is_known_to_all_invocations(self):
        self.begin_both()

        def completed(events):
            return sum(event["type"] == "turn.completed" for event in events)

        def rows():
            items = self.local.call("Scan", TableName="chat_meta")["Items"]
            return {item["pk"]["S"]: item for item in items if item["pk"]["S"].startswith("W#")}

        client, other = self.connect("R1="), self.connect("R2=")
        self.send(client, {"type": "chat", "message": "one", "session_id": "rows"})
        seen = client.wait_end()[-1]["id"]
        self.send(client, {"type": "subscribe", "session_id": "rows", "last_event_id": seen})
        wait_for(lambda: "s#rows" in rows()["W#R1="], "the subscription in the connection's row")
        self.send(client, {"type": "chat", "message": "two", "session_id": "rows"})
        client.wait(lambda events: completed(events) == 2)
        self.send(other, {"type": "chat", "message": "three", "session_id": "rows"})
        client.wait(lambda events: completed(events) == 3)
        ids = [event["id"] for event in client.events()]
        self.assertEqual(len(ids), len(set(ids)), "its own turns do not come twice")

        self.send(client, {"type": "unsubscribe", "session_id": "rows"})
        self.assertNotIn("s#rows", rows()["W#R1="])
        self.send(other, {"type": "chat", "message": "four", "session_id": "rows"})
        wait_for(lambda: all(work.done.is_set() for work in self.work), "the end of the subscription", 40)
        self.assertEqual(completed(client.events()), 3)
        self.invoke(socket_event("DISCONNECT", "R1=", headers={}))
        self.assertEqual([name for name in rows() if name in ("W#R1=", "W#R2=")], ["W#R2="])
