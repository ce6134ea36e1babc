"""API Gateway's WebSocket APIs before the function: the frames of /ws, posted to connections that it holds."""

import json

from answers import Answer
from fake_upstream import Held
from function_case import FUNCTION, FunctionCase, socket_event
from harness import wait_for
from lambda_events import rest


class SocketsTest(FunctionCase):
    def history(self, session):
        return self.invoke(rest("GET", f"/sessions/{session}/messages")).json["messages"]

    def test_two_clients_are_told_their_own_turns_live(self):
        answers = {"a": Held("One ", "two ", "three."), "b": Held("Uno ", "dos.")}
        for name, held in answers.items():
            self.upstream.script(name, held.answer)
        self.begin()
        a, b = self.connect("A1="), self.connect("B2=")
        for client, name in ((a, "a"), (b, "b")):
            self.send(client, {"type": "chat", "message": "Hi", "session_id": name, "model": f"openai/{name}", "request_id": name})
        answers["a"].next()
        answers["b"].next()
        a.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        b.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        self.assertEqual((a.text, b.text), ("One ", "Uno "), "while the model still speaks")
        answers["a"].rest()
        answers["b"].rest()
        for client, name, text in ((a, "a", "One two three."), (b, "b", "Uno dos.")):
            events = client.wait_end()
            self.assertEqual(events[0]["type"], "turn.started")
            self.assertEqual(events[-1]["type"], "turn.completed")
            self.assertEqual(events[-1]["data"]["message"], text)
            self.assertEqual(client.text, text)
            self.assertEqual({e["request_id"] for e in events}, {name})
            self.assertEqual({e["session_id"] for e in events}, {name})
            numbers = [int(e["id"].rpartition(":")[2]) for e in events]
            self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual({self.aws.invocations.get()[0] for _ in range(2)}, {FUNCTION})
        for work in self.work:
            self.assertIsNone(work.wait().error)

    def test_deltas_are_joined(self):
        self.upstream.script("many", Answer(*(f"w{i} " for i in range(400))))
        self.begin()
        client = self.connect("A1=")
        self.send(client, {"type": "chat", "message": "Hi", "model": "openai/many"})
        client.wait_end()
        deltas = [e for e in client.events() if e["type"] == "text.delta"]
        self.assertEqual(client.text, "".join(f"w{i} " for i in range(400)))
        self.assertLess(len(deltas), 100)

    def test_a_long_answer_is_cut_into_messages_that_api_gateway_takes(self):
        text = "ñ\x01" * 30_000
        self.upstream.script("long", Answer(text))
        self.begin()
        client = self.connect("A1=")
        self.send(client, {"type": "chat", "message": "Hi", "session_id": "s", "model": "openai/long"})
        end = client.wait_end()[-1]
        self.assertEqual(end["type"], "turn.completed")
        self.assertTrue(end["data"]["shortened"])
        self.assertEqual(end["data"]["message"], "")
        self.assertEqual(client.text, text)
        self.assertLessEqual(max(len(f.encode()) for f in client.frames), 32 * 1024)
        self.assertEqual(self.history("s")[-1]["content"], text)

    def test_a_client_that_leaves_in_mid_turn_ends_the_sending_not_the_turn(self):
        held = Held("One ", "two ", "three.")
        self.upstream.script("held", held.answer)
        self.begin()
        client = self.connect("A1=")
        self.send(client, {"type": "chat", "message": "Hi", "session_id": "s", "model": "openai/held"})
        held.next()
        client.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        client.open = False
        held.rest()
        self.work[0].wait()
        self.assertEqual(client.text, "One ")
        answer = self.history("s")[-1]
        self.assertEqual((answer["content"], answer["state"]), ("One two three.", "completed"))

    def test_throttling_is_waited_out_and_the_order_kept(self):
        self.upstream.script("words", Answer("One ", "two ", "three."))
        self.begin()
        client = self.connect("A1=")
        client.limits = 2
        self.send(client, {"type": "chat", "message": "Hi", "model": "openai/words"})
        client.wait_end()
        self.assertEqual(client.text, "One two three.")
        self.assertEqual(client.events()[0]["type"], "turn.started")

    def test_the_same_message_twice_is_answered_once(self):
        self.begin()
        client = self.connect("A1=")
        self.send(client, {"type": "chat", "message": "Hi", "session_id": "s"}, messageId="same=")
        client.wait_end()
        count = len(client.frames)
        self.send(client, {"type": "chat", "message": "Hi", "session_id": "s"}, messageId="same=")
        self.work[1].wait()
        self.assertEqual(len(client.frames), count)
        self.assertEqual(len(self.history("s")), 2)

    def test_ping_cancel_and_what_is_wrong_need_no_other_invocation(self):
        held = Held("One ", "two.")
        self.upstream.script("held", held.answer)
        self.begin()
        client = self.connect("A1=")
        self.send(client, {"type": "ping", "request_id": "p"})
        self.assertEqual(client.events(), [{"type": "pong", "request_id": "p"}])
        for wrong in ("no json", {"type": "nothing"}, {"type": "chat", "request_id": "w"}):
            self.send(client, wrong)
            self.assertEqual((client.events()[-1]["type"], client.events()[-1]["code"]), ("error", "invalid_request"))
        self.assertEqual(client.events()[-1]["request_id"], "w")
        self.assertEqual(self.work, [])

        client.frames.clear()
        self.send(client, {"type": "chat", "message": "Hi", "session_id": "s", "model": "openai/held"})
        held.next()
        started = client.wait(lambda events: any(e["type"] == "text.delta" for e in events))[0]
        self.send(client, {"type": "cancel", "session_id": "s", "turn_id": started["data"]["turn_id"]})
        self.assertEqual(client.wait_end()[-1]["type"], "turn.cancelled")
        self.send(client, {"type": "cancel", "session_id": "s", "turn_id": "t_none", "request_id": "c"})
        self.assertEqual((client.events()[-1]["code"], client.events()[-1]["request_id"]), ("not_found", "c"))

    def test_a_turn_is_resumed_from_where_the_client_was(self):
        self.upstream.script("words", Answer("One ", "two ", "three."))
        self.begin()
        first = self.connect("A1=")
        self.send(first, {"type": "chat", "message": "Hi", "session_id": "s", "model": "openai/words"})
        started = first.wait_end()[0]
        second = self.connect("B2=")
        self.send(
            second,
            {"type": "resume", "session_id": "s", "turn_id": started["data"]["turn_id"], "last_event_id": started["id"]},
        )
        events = second.wait_end()
        self.assertEqual(second.text, "One two three.")
        self.assertNotIn("turn.started", {e["type"] for e in events})

    def test_a_subscriber_hears_of_others_turns(self):
        held = Held("One ", "two.")
        self.upstream.script("held", held.answer)
        self.begin()
        listener, speaker = self.connect("L1="), self.connect("S2=")
        self.send(speaker, {"type": "chat", "message": "Hi", "session_id": "s"})
        seen = speaker.wait_end()[-1]["id"]
        self.send(listener, {"type": "subscribe", "session_id": "s", "request_id": "sub", "last_event_id": seen})
        self.send(speaker, {"type": "chat", "message": "And?", "session_id": "s", "model": "openai/held"})
        held.rest()
        self.assertEqual(listener.wait_end()[-1]["data"]["message"], "One two.")
        self.assertEqual(listener.text, "One two.")
        listener.open = False
        self.send(speaker, {"type": "chat", "message": "Again", "session_id": "s"})
        for work in self.work:
            work.wait()

    def test_who_may_connect(self):
        self.begin(TERTULIA_API_TOKEN="t0ken", TERTULIA_CORS_ORIGINS="https://app.example")

        def status(**headers):
            event = socket_event("CONNECT", "A1=", headers=headers, multiValueHeaders={k: [v] for k, v in headers.items()})
            return self.invoke(event).payload

        self.assertEqual(status()["statusCode"], 401)
        self.assertEqual(json.loads(status()["body"])["code"], "unauthenticated")
        self.assertEqual(status(Authorization="Bearer wrong")["statusCode"], 401)
        self.assertEqual(status(Authorization="Bearer t0ken"), {"statusCode": 200})
        self.assertEqual(status(Authorization="Bearer t0ken", Origin="https://evil.example")["statusCode"], 403)
        self.assertEqual(status(Authorization="Bearer t0ken", Origin="https://app.example")["statusCode"], 200)
        offered = status(**{"Sec-WebSocket-Protocol": "tertulia, tertulia.token.t0ken", "Origin": "https://app.example"})
        self.assertEqual(offered, {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "tertulia"}})
        self.assertEqual(self.invoke(socket_event("DISCONNECT", "A1=", headers={})).payload, {"statusCode": 200})

    def test_an_invocation_that_is_refused_is_told(self):
        self.begin()
        client = self.connect("A1=")
        self.aws.refuse_invocations = 1
        self.send(client, {"type": "chat", "message": "Hi", "request_id": "x"})
        event = client.events()[-1]
        self.assertEqual((event["type"], event["code"], event["request_id"]), ("error", "unavailable", "x"))
        wait_for(lambda: "Function not found" in "\n".join(self.function.log), "the reason in the log")

    def test_near_its_end_an_invocation_interrupts_its_turn_and_says_so(self):
        held = Held("One ", "two.")
        self.upstream.script("held", held.answer)
        self.worker_seconds = 3
        self.begin(TERTULIA_LAMBDA_MARGIN_MS="2000")
        client = self.connect("A1=")
        self.send(client, {"type": "chat", "message": "Hi", "session_id": "s", "model": "openai/held"})
        held.next()
        end = client.wait_end()[-1]
        self.assertEqual(end["type"], "turn.interrupted")
        self.work[0].wait()
        self.assertEqual(self.history("s")[-1]["state"], "interrupted")
