"""Clients of a WebSocket API who subscribe to a session: told of every turn as it runs, whichever sandbox has it."""

import json
import uuid

from answers import STALL, Answer
from client import request
from dynamodb_faults import Faults
from fake_upstream import Held
from function_case import FUNCTION, socket_event
from harness import wait_for
from lambda_events import rest
from sandboxes_case import SandboxesCase
from server import Server

ENDS = {"turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted"}


class SubscriptionsTest(SandboxesCase):
    def setUp(self):
        super().setUp()
        self.session = uuid.uuid4().hex

    def held(self, *items):
        held = Held(*items)
        self.upstream.script("held", held.answer)
        self.addCleanup(held.rest)
        return held

    def chat(self, client, message="Hi", **more):
        self.send(client, {"type": "chat", "session_id": self.session, "message": message, **more})

    def subscribe(self, client, **more):
        self.send(client, {"type": "subscribe", "session_id": self.session, **more})

    def ended(self, client, count=1):
        return client.wait(lambda events: sum(e["type"] in ENDS for e in events) >= count)

    def assert_whole(self, client, *turns):
        """Each turn from its start to its end, one after the other, no event twice and none left out."""
        events = client.events()
        self.assertEqual([e["data"].get("message") for e in events if e["type"] in ENDS], list(turns))
        self.assertEqual([e["type"] for e in events if e["type"] == "turn.started"], ["turn.started"] * len(turns))
        self.assertEqual(client.text, "".join(turns))
        ids = [tuple(e["id"].rpartition(":")[::2]) for e in events]
        self.assertEqual(len(set(ids)), len(ids), ids)
        for turn in {turn for turn, _ in ids}:
            numbers = [int(number) for t, number in ids if t == turn]
            self.assertEqual(numbers, sorted(numbers))

    def test_both_clients_are_told_live_and_the_subscription_takes_no_invocation(self):
        held = self.held("One ", "two ", "three.")
        self.begin_both()
        phone, laptop = self.connect("P1="), self.connect("L1=")
        self.subscribe(laptop, request_id="sub")
        self.assertEqual(self.work, [], "it is written down, and that is all")
        self.assertEqual(self.subscribers(self.session), ["L1="])
        self.chat(phone, model="openai/held", request_id="mine")
        held.next()
        for client, name in ((phone, "mine"), (laptop, "sub")):
            client.wait(lambda events: any(e["type"] == "text.delta" for e in events))
            self.assertEqual(client.text, "One ", "while the model still speaks")
            self.assertEqual({e["request_id"] for e in client.events()}, {name})
        held.rest()
        for client in (phone, laptop):
            self.ended(client)
            self.assert_whole(client, "One two three.")

    def test_who_comes_in_the_midst_gets_what_it_missed(self):
        held = self.held("One ", "two ", "three.")
        self.begin_both()
        phone, laptop, late = self.connect("P2="), self.connect("L2="), self.connect("T2=")
        self.chat(phone, model="openai/held")
        held.next()
        phone.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        self.subscribe(laptop)
        laptop.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        held.next()
        laptop.wait(lambda events: "two" in laptop.text)
        self.subscribe(late, last_event_id=phone.events()[0]["id"])
        late.wait(lambda events: "two" in late.text)
        held.rest()
        for client in (phone, laptop, late):
            self.ended(client)
        self.assert_whole(phone, "One two three.")
        self.assert_whole(laptop, "One two three.")
        self.assertEqual(late.text, "One two three.")
        self.assertNotIn("turn.started", {e["type"] for e in late.events()}, "it had that one")

    def test_turns_that_have_ended_come_first_and_in_order(self):
        self.begin_both()
        phone, laptop = self.connect("P3="), self.connect("L3=")
        for number, text in enumerate(("first", "second", "third"), 1):
            self.upstream.script(text, Answer(f"{text}."))
            self.chat(phone, model=f"openai/{text}")
            self.ended(phone, number)
        held = self.held("fourth", ".")
        self.chat(phone, model="openai/held")
        held.next()
        phone.wait(lambda events: "fourth" in phone.text)
        self.subscribe(laptop, last_event_id=next(e for e in phone.events() if e["type"] in ENDS)["id"])
        laptop.wait(lambda events: "fourth" in laptop.text)
        self.assertEqual(laptop.text, "second.third.fourth")
        held.rest()
        self.ended(laptop, 3)
        self.assert_whole(laptop, "second.", "third.", "fourth.")
        wait_for(lambda: all(work.done.is_set() for work in self.work), "all invocations are over")

    def test_its_own_turns_come_once_and_those_of_others_too(self):
        self.upstream.script("one", Answer("One."))
        self.upstream.script("two", Answer("Two."))
        self.upstream.script("three", Answer("Three."))
        self.begin_both()
        phone, laptop = self.connect("P4="), self.connect("L4=")
        self.chat(phone, model="openai/one")
        self.ended(phone)
        self.subscribe(phone, last_event_id=phone.events()[-1]["id"])
        self.subscribe(laptop, last_event_id=phone.events()[-1]["id"])
        self.chat(phone, model="openai/two")
        self.ended(phone, 2)
        self.ended(laptop)
        self.chat(laptop, model="openai/three")
        self.ended(phone, 3)
        self.ended(laptop, 2)
        wait_for(lambda: all(work.done.is_set() for work in self.work), "all invocations are over")
        self.assert_whole(phone, "One.", "Two.", "Three.")
        self.assert_whole(laptop, "Two.", "Three.")

    def test_what_it_missed_comes_without_its_own_turn(self):
        for text in ("one", "two", "three"):
            self.upstream.script(text, Answer(f"{text}."))
        self.begin_both()
        pass_on, late = self.aws.on_invoke, []
        self.aws.on_invoke = lambda name, work: late.append(work) if "subscribe" in json.dumps(work) else pass_on(name, work)
        phone, laptop = self.connect("PB="), self.connect("LC=")
        self.chat(phone, model="openai/one")
        self.ended(phone)
        self.subscribe(phone, last_event_id=phone.events()[-1]["id"])
        self.chat(laptop, model="openai/two")
        self.ended(laptop)
        self.chat(phone, model="openai/three")
        self.ended(phone, 2)
        wait_for(lambda: all(work.done.is_set() for work in self.work), "the turns are over")
        self.assertEqual(len(late), 1)
        pass_on(FUNCTION, late[0])
        self.ended(phone, 3)
        wait_for(lambda: all(work.done.is_set() for work in self.work), "all invocations are over")
        self.assertEqual(phone.text, "one.three.two.")

    def test_who_unsubscribes_hears_no_more_and_may_subscribe_again(self):
        held = self.held("One ", "two ", "three.")
        self.begin_both()
        phone, laptop, other = self.connect("P5="), self.connect("L5="), self.connect("O5=")
        self.subscribe(laptop)
        self.chat(phone, model="openai/held")
        held.next()
        laptop.wait(lambda events: "One" in laptop.text)
        self.send(laptop, {"type": "unsubscribe", "session_id": self.session})
        self.assertEqual(self.subscribers(self.session), [])
        self.assertNotIn(f"s#{self.session}", self.connections()["L5="])
        self.subscribe(other)
        other.wait(lambda events: "One" in other.text)  # so there was another look
        held.rest()
        self.ended(phone)
        wait_for(lambda: all(work.done.is_set() for work in self.work), "all invocations are over")
        self.assertEqual(laptop.text, "One ")
        laptop.frames.clear()
        self.subscribe(laptop, last_event_id=phone.events()[0]["id"])
        self.ended(laptop)
        self.assertEqual(laptop.text, "One two three.")

    def test_who_has_left_is_forgotten(self):
        held = self.held("One ", "two ", "three.")
        self.begin_both()
        phone, laptop, gone = self.connect("P6="), self.connect("L6="), self.connect("G6=")
        self.subscribe(laptop)
        self.subscribe(gone)
        self.chat(phone, model="openai/held")
        held.next()
        for client in (laptop, gone):
            client.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        gone.open = False
        held.rest()
        self.ended(laptop)
        self.assert_whole(laptop, "One two three.")
        wait_for(lambda: "G6=" not in self.connections(), "its connection is forgotten")
        self.assertEqual(self.subscribers(self.session), ["L6="])
        self.assertEqual(gone.text, "One ")
        self.invoke(socket_event("DISCONNECT", "L6=", headers={}))
        self.assertEqual(self.subscribers(self.session), [])

    def test_who_has_left_in_a_turn_of_its_own_is_forgotten(self):
        held = self.held("One ", "two ", "three.")
        self.begin_both()
        phone, other = self.connect("PD="), self.connect("OD=")
        self.chat(phone, model="openai/held")
        held.next()
        phone.wait(lambda events: any(e["type"] == "text.delta" for e in events))
        self.assertLessEqual({"PD=", "OD="}, self.connections().keys())
        phone.open = False
        held.rest()
        self.work[0].wait()
        self.assertNotIn("PD=", self.connections())
        self.assertIn("OD=", self.connections(), "who is still there stays")
        answer = self.invoke(rest("GET", f"/sessions/{self.session}/messages")).json["messages"][-1]
        self.assertEqual((answer["content"], answer["state"]), ("One two three.", "completed"))

    def test_a_last_event_that_is_not_there(self):
        self.begin_both()
        laptop = self.connect("L7=")
        self.subscribe(laptop, request_id="sub", last_event_id="t_none:3")
        error = laptop.wait_end()[-1]
        self.assertEqual((error["code"], error["request_id"]), ("not_found", "sub"))
        self.assertEqual(self.subscribers(self.session), [])

    def test_turns_of_other_fronts_are_told_where_they_know_of_the_websocket_api(self):
        for text in ("rest", "direct"):
            self.upstream.script(text, Answer(f"Over {text}."))
        self.begin_both(TERTULIA_LAMBDA_WEBSOCKET="true")
        laptop = self.connect("L8=")
        self.subscribe(laptop)
        asked = self.ask(self.other, rest("POST", "/chat", {"message": "Hi", "session_id": self.session, "model": "openai/rest"}))
        self.assertEqual(asked.json["message"], "Over rest.")
        self.ended(laptop)
        turn = {"kind": "chat.turn", "message": "Hi", "session_id": self.session, "model": "openai/direct"}
        self.assertEqual(self.ask(self.other, turn).payload["message"], "Over direct.")
        self.ended(laptop, 2)
        self.assert_whole(laptop, "Over rest.", "Over direct.")

    def test_where_they_do_not_they_ask_for_nobody(self):
        proxy = self.enterContext(Faults(self.local.port, share=0))
        self.begin_both(AWS_ENDPOINT_URL_DYNAMODB=proxy.url)
        laptop, phone = self.connect("L9="), self.connect("P9=")
        self.subscribe(laptop)
        proxy.keep_requests = True
        self.ask(self.other, rest("POST", "/chat", {"message": "Hi", "session_id": self.session}))
        self.other.wait_polls(8)
        self.assertGreater(len(proxy.requests), 2)
        self.assertEqual([body for _, body in proxy.requests if "W#" in json.dumps(body)], [], "and pay nothing")
        self.chat(phone)
        self.ended(laptop)
        self.assertEqual([e["type"] for e in laptop.events()].count("turn.started"), 1, "that of the phone")

    def test_a_turn_that_is_handed_over_comes_once_and_whole(self):
        self.upstream.script("slow", Answer("Half ", STALL), Answer("and the rest."))
        self.begin_both(TERTULIA_LAMBDA_WEBSOCKET="true", TERTULIA_LAMBDA_FRONT_LIMIT_MS="4000", TERTULIA_LAMBDA_MARGIN_MS="2000")
        laptop = self.connect("LA=")
        self.subscribe(laptop)
        asked = self.invoke(rest("POST", "/chat", {"message": "Hi", "session_id": self.session, "model": "openai/slow"}))
        self.assertEqual(asked.status, 202, asked.content)
        events = self.ended(laptop)
        self.assertEqual({e["data"]["turn_id"] for e in events if e["type"] == "turn.started"}, {asked.json["turn_id"]})
        self.assert_whole(laptop, "Half and the rest.")


class ServerTest(SandboxesCase):
    """A server over the same tables."""

    def test_a_servers_turns_are_told_too(self):
        self.upstream.script("server", Answer("From a server."))
        ours = self.begin_both()
        laptop = self.connect("LB=")
        self.send(laptop, {"type": "subscribe", "session_id": "from-a-server"})
        env = self.environment() | self.aws.env | ours | {"TERTULIA_LAMBDA_WEBSOCKET": "true"}
        server = Server("--store", "dynamodb:", "--listen", "127.0.0.1:0", env=env)
        self.addCleanup(server.kill)
        answer = request(server.url, "POST", "/chat", {"message": "Hi", "session_id": "from-a-server", "model": "openai/server"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(laptop.wait_end()[-1]["data"]["message"], "From a server.")
        server.terminate()
        self.assertEqual(server.wait(), 0)
