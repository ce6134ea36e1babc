"""Failover in mid-stream: one answer from two targets, whatever the first one's end and the two wires."""

import unittest

from answers import CUT, Answer, Thinking, Tool
from crash_case import wait_saved
from failures_case import ALL_WIRES, ANSWER, FailuresCase, Turn, wait_for
from faulty_provider import TOKENS, whole_text

CUTS = ("f08", "end", "reset", "inband-c40", "f10-c40", "stall")


class FailoverTest(FailuresCase):
    config = FailuresCase.config | {"retry": {"attempts": 2, "base_ms": 10, "max_ms": 20, "budget": 1.0}}

    @classmethod
    def setUpRoutes(cls):
        cls.targets = {}

        def add(name, *targets):
            cls.targets[name] = cls.route(name, *targets)

        for wire in ALL_WIRES:
            for other in ALL_WIRES:
                add(f"{wire}-to-{other}", (wire, "f08"), (other, "good"))
            for cut in CUTS:
                add(f"{cut}-{wire}", (wire, cut), (wire, "good"))
            add(f"blank-{wire}", ("openai", "f08-c51-ws"), (wire, "good"))
            add(f"early-{wire}", (wire, "f08-c1"), (wire, "good"))
            add(f"restart-{wire}", (wire, "f08"), (wire, "good-nocontinue"))
            add(f"twice-{wire}", (wire, "f08-c20"), (wire, "f08-c45"), (wire, "good"))
            add(f"down-{wire}", (wire, "f08"), (wire, "s503"), (wire, "good"))
            add(f"nobody-{wire}", (wire, "f08"), (wire, "s503"))
            add(f"alone-{wire}", (wire, "f08"))

    def ask(self, route, streamed=True, session=None):
        return Turn.asked(self.server, "Tell me.", streamed, session, model=route)

    def assert_one_answer(self, turn, kept):
        """The client read one answer; `kept`: tokens that were kept, for each change of target."""
        self.assertEqual((turn.status, turn.body.get("message"), turn.text), (200, ANSWER, ANSWER), turn.body)
        self.assertEqual(turn.named("text.replaced"), [])
        counts = [e["kept_chars"] for e in turn.named("turn.rerouted")]
        self.assertEqual(counts, [len(whole_text(n)) for n in kept])
        self.assertEqual(self.server.history(turn.body["session_id"])[1]["content"], ANSWER)

    def test_from_every_wire_to_every_wire(self):
        for wire in ALL_WIRES:
            for other in ALL_WIRES:
                with self.subTest(wire, to=other):
                    self.assert_one_answer(self.ask(f"{wire}-to-{other}"), [40])

    def test_every_kind_of_cut(self):
        for cut in CUTS:
            for wire in ALL_WIRES:
                with self.subTest(cut, wire=wire):
                    turn = self.ask(f"{cut}-{wire}")
                    self.assert_one_answer(turn, [40])
                    late = "timed_out" if cut == "stall" else "upstream_unavailable"
                    targets = self.targets[f"{cut}-{wire}"]
                    self.assertEqual(turn.outcomes, [(targets[0], late), (targets[1], "ok")])

    def test_white_space_before_the_cut_is_there_once(self):
        for wire in ALL_WIRES:
            with self.subTest(wire):
                turn = self.ask(f"blank-{wire}")
                self.assertEqual((turn.status, turn.body.get("message"), turn.text), (200, ANSWER, ANSWER), turn.body)

    def test_one_token_is_enough_to_go_on_from(self):
        for wire in ALL_WIRES:
            with self.subTest(wire):
                self.assert_one_answer(self.ask(f"early-{wire}"), [1])

    def test_a_target_that_cannot_go_on_begins_anew(self):
        for wire in ALL_WIRES:
            for streamed in (True, False):
                with self.subTest(wire, streamed=streamed):
                    turn = self.ask(f"restart-{wire}", streamed)
                    self.assertEqual((turn.status, turn.body.get("message")), (200, ANSWER), turn.body)
                    if streamed:
                        self.assertEqual(turn.text, ANSWER)
                        self.assertEqual(turn.named("text.replaced"), [{"text": ""}])
                    self.assertEqual(self.server.history(turn.body["session_id"])[1]["content"], ANSWER)

    def test_two_cuts_in_one_answer(self):
        for wire in ALL_WIRES:
            with self.subTest(wire):
                turn = self.ask(f"twice-{wire}")
                self.assert_one_answer(turn, [20, 45])
                targets = self.targets[f"twice-{wire}"]
                self.assertEqual(
                    [(e["from"], e["to"]) for e in turn.named("turn.rerouted")],
                    [(targets[0], targets[1]), (targets[1], targets[2])],
                )

    def test_a_target_that_is_down_is_passed_over(self):
        for wire in ALL_WIRES:
            with self.subTest(wire):
                turn = self.ask(f"down-{wire}")
                self.assertEqual((turn.status, turn.body.get("message"), turn.text), (200, ANSWER, ANSWER), turn.body)
                self.assertEqual(turn.body["model"], self.targets[f"down-{wire}"][2])

    def test_with_nobody_left_the_turn_fails_and_keeps_what_came(self):
        for wire in ALL_WIRES:
            for route in ("nobody", "alone"):
                with self.subTest(wire, route=route):
                    turn = self.ask(f"{route}-{wire}")
                    self.assertEqual(turn.body["code"], "upstream_unavailable")
                    self.assertEqual((turn.body["partial"], turn.text), (whole_text(40),) * 2)
                    answer = self.server.history(turn.body["session_id"])[1]
                    self.assertEqual((answer["content"], answer["state"]), (whole_text(40), "failed"))

    def test_another_reader_sees_the_same_events(self):
        for route in ("openai-to-anthropic", "restart-bedrock"):
            with self.subTest(route):
                stream = self.server.stream("Tell me.", model=route)
                terminal = stream.finish().json
                again = self.server.events(terminal["session_id"], terminal["turn_id"])
                again.finish()
                again.close()
                stream.close()
                self.assertEqual([e[:2] for e in again.seen], [e[:2] for e in stream.seen])
                self.assertEqual(again.text, ANSWER)

    def test_the_next_turn_knows_the_whole_answer(self):
        turn = self.ask("openai-to-bedrock", session="after")
        self.assertEqual(turn.status, 200)
        turn = Turn.asked(self.server, "And then?", True, "after", model="anthropic-to-openai")
        shown = self.calls(self.targets["anthropic-to-openai"][0])[-1].messages
        self.assertEqual(shown, [("user", "Tell me."), ("assistant", ANSWER), ("user", "And then?")])


class BlocksTest(FailuresCase):
    """Partial answers that hold more than text."""

    tools = [{"name": "look", "description": "Looks it up.", "input_schema": {"type": "object", "properties": {}}}]

    @classmethod
    def setUpRoutes(cls):
        cls.targets = {wire: cls.route(wire + "-blocks", (wire, "one"), (wire, "two")) for wire in ALL_WIRES}

    def ask(self, wire, first, second):
        for target, answer in zip(self.targets[wire], (first, second)):
            self.upstream.script(target.partition("/")[2], answer)
        turn = Turn.asked(self.server, "x", True, model=wire + "-blocks", tools=self.tools)
        self.assertEqual(turn.status, 200, turn.body)
        self.assertEqual(len(turn.named("turn.rerouted")), 1)
        return turn

    def test_a_call_that_was_cut_is_void(self):
        for wire in ALL_WIRES:
            for said in ((), ("Let me look.",)):
                with self.subTest(wire, said=said):
                    cut = Answer(*said, Tool("look", ('{"n":', "1")), CUT)
                    turn = self.ask(wire, cut, Answer("Once more.", Tool("look", ('{"n": 2}',), id="call_2")))
                    self.assertEqual(turn.named("text.replaced"), [{"text": ""}])
                    self.assertEqual((turn.text, turn.body["message"]), ("Once more.",) * 2)
                    calls = [b for b in turn.body["content"] if b["type"] == "tool_use"]
                    self.assertEqual([(c["id"], c["name"], c["input"]) for c in calls], [("call_2", "look", {"n": 2})])
                    self.assertEqual(turn.body["stop_reason"], "tool_use")

    def test_text_after_thoughts_is_gone_on_from(self):
        for wire in ALL_WIRES:
            with self.subTest(wire):
                turn = self.ask(wire, Answer(Thinking("Hm."), "It is", CUT), Answer(" a tertulia."))
                self.assertEqual((turn.text, turn.body["message"]), ("It is a tertulia.",) * 2)
                self.assertEqual(turn.named("text.replaced"), [])
                shown = self.calls(self.targets[wire][1])[-1].messages
                self.assertEqual(shown[:2], [("user", "x"), ("assistant", "It is")])

    def test_thoughts_alone_are_no_beginning_of_an_answer(self):
        for wire in ALL_WIRES:
            with self.subTest(wire):
                turn = self.ask(wire, Answer(Thinking("Hm."), CUT), Answer("It is."))
                self.assertEqual((turn.text, turn.body["message"]), ("It is.",) * 2)
                self.assertEqual(self.calls(self.targets[wire][1])[-1].messages, [("user", "x")])


class CrashTest(FailuresCase):
    config = FailoverTest.config | {"checkpoints": {"interval_ms": 20}}

    @classmethod
    def setUpRoutes(cls):
        cls.first, cls.second = cls.route("crashes", ("openai", "f08"), ("anthropic", "stall-c50-once"))

    def test_what_two_targets_said_outlives_a_crash_and_is_gone_on_from(self):
        stream = self.server.stream("Tell me.", "crash", model="crashes")
        while stream.text != whole_text(50):
            stream.next()
        turn = stream.events[0].json["turn_id"]
        wait_for(lambda: self.server.turn("crash", turn).json["message"] == whole_text(50), "all of it to be shown")
        wait_saved(self.database, TOKENS[49])
        self.server.kill()
        stream.close()
        server = self.running(config=self.whole_config)
        after = server.turn("crash", turn).json
        self.assertEqual((after["state"], after["message"]), ("interrupted", whole_text(50)))
        again = server.go_on("crash", turn)
        self.assertEqual((again.status, again.json.get("message")), (200, ANSWER), again.body)
        self.assertEqual(server.history("crash")[1]["content"], ANSWER)


if __name__ == "__main__":
    unittest.main()
