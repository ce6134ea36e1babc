"""Turns that outlive their front: handed over to an invocation of their own in another sandbox, under the same id."""

from answers import STALL, Answer
from fake_upstream import Held
from harness import ENDED, wait_for
from lambda_events import rest
from sandboxes_case import SandboxesCase


class HandOverTest(SandboxesCase):
    """The limit of the front is 1.5 seconds; nothing waits for 29."""

    def begin_both(self, **env):
        super().begin_both(**({"TERTULIA_LAMBDA_FRONT_LIMIT_MS": "1500"} | env))

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

    def test_a_turn_that_nobody_waits_for_goes_on_elsewhere_at_once(self):
        """Prefer: respond-async: the sandbox that took it is free for the next event while the model still speaks."""
        held = Held("Half ", "never")
        self.upstream.script("slow", held.answer, Answer("and the rest."))
        self.addCleanup(held.rest)
        self.begin_both(TERTULIA_LAMBDA_FRONT_LIMIT_MS="25000")
        held.next()
        body = {"message": "Hi", "session_id": "s", "model": "openai/slow"}
        trace = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1"
        asked = self.runtime.invoke(rest("POST", "/chat", body, headers={"Prefer": "respond-async"}), trace=trace).wait()
        self.assertEqual((asked.status, asked.field("preference-applied")), (202, "respond-async"))
        turn_id = asked.json["turn_id"]
        self.runtime.wait_polls(8)  # long before the front's limit
        self.assertEqual(asked.field("location"), f"/sessions/s/turns/{turn_id}")
        wait_for(lambda: self.turn(turn_id).get("state") in ENDED, "the end of the turn elsewhere")
        self.assertEqual((self.turn(turn_id)["state"], self.turn(turn_id)["message"]), ("completed", "Half and the rest."))
        self.work[0].wait()
        self.assertEqual([p["kind"] for _, p in list(self.aws.invocations.queue)], ["tertulia.turn"])
        traced = [r.headers.get("x-amzn-trace-id") for service, r in self.aws.asked if service == "lambda"]
        self.assertEqual(traced, [trace], "X-Ray shows both as one")

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
