"""The function asked without HTTP: by Step Functions, or by whoever may invoke it."""

import json

import emf
from answers import CUT, STALL, Answer
from fake_upstream import Held
from function_case import FunctionCase
from harness import wait_for
from lambda_events import rest


class DirectTest(FunctionCase):
    def fails(self, event, error_type, seconds=30):
        invocation = self.invoke(event, seconds)
        self.assertIsNotNone(invocation.error, invocation.body)
        self.assertEqual(invocation.error["errorType"], error_type, invocation.error)
        self.assertTrue(invocation.error["errorMessage"])
        return invocation.error

    def test_a_turn_answers_what_post_chat_answers(self):
        self.upstream.script("m", Answer("Good day."))
        self.begin()
        answer = self.invoke({"kind": "chat.turn", "session_id": "s", "message": "Hello", "model": "openai/m"}).payload
        self.assertEqual((answer["session_id"], answer["message"], answer["state"]), ("s", "Good day.", "completed"))
        self.assertEqual((answer["conversation_length"], answer["model"]), (2, "openai/m"))
        answer = self.invoke({"kind": "chat.turn", "session_id": "s", "message": "And?"}).payload
        self.assertEqual(answer["conversation_length"], 4)
        self.assertEqual([m for _, m in self.upstream.asked("m")[-1].messages], ["Hello", "Good day.", "And?"])

    def test_the_same_key_is_answered_once(self):
        self.begin()
        event = {"kind": "chat.turn", "message": "Hello", "session_id": "s", "idempotency_key": "execution-1"}
        first, second = self.invoke(event).payload, self.invoke(event).payload
        self.assertEqual(first["turn_id"], second["turn_id"])
        self.assertEqual(len(self.upstream.asked("default")), 1)

    def test_a_call_of_a_model_stores_nothing(self):
        self.upstream.script("claude-haiku-4-5", Answer("Four."))
        self.begin(ANTHROPIC_API_KEY="sk-a", ANTHROPIC_BASE_URL=self.upstream.url)
        said = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "Hm."}, {"role": "user", "content": "So?"}]
        event = {"kind": "model.call", "model": "anthropic/claude-haiku-4-5", "system": "Be brief.", "messages": said}
        answer = self.invoke(event).payload
        self.assertEqual((answer["text"], answer["stop_reason"]), ("Four.", "end_turn"))
        self.assertEqual(answer["model"], "anthropic/claude-haiku-4-5")
        self.assertGreater(answer["usage"]["output_tokens"], 0)
        self.assertRegex(answer["cost"]["usd"], r"^0\.0000\d+$")
        asked = self.upstream.asked("claude-haiku-4-5")[-1]
        self.assertEqual((asked.system, asked.messages), ("Be brief.", [("user", "2 + 2?"), ("assistant", "Hm."), ("user", "So?")]))
        self.assertEqual(self.invoke(rest("GET", "/sessions")).json["sessions"], [])

    def test_a_call_of_a_model_is_counted_with_its_cost(self):
        self.upstream.script("claude-haiku-4-5", Answer("Four."))
        self.upstream.script("busy", Answer(status=400, body={"error": {"message": "no"}}))
        self.begin(ANTHROPIC_API_KEY="sk-a", ANTHROPIC_BASE_URL=self.upstream.url)
        said = [{"role": "user", "content": "2 + 2?"}]
        answer = self.invoke({"kind": "model.call", "model": "anthropic/claude-haiku-4-5", "messages": said}).payload
        self.fails({"kind": "model.call", "model": "openai/busy", "messages": said}, "Provider.Rejected")
        wait_for(lambda: len(self.function.output) == 2, "a line for each")
        good, bad = (emf.metrics_of(line)[()] for line in self.function.metrics)
        self.assertEqual((good["Calls"], good["Errors"], good["OutputTokens"]), (1, 0, answer["usage"]["output_tokens"]))
        self.assertEqual(f"{good['CostUSD']:.9f}", answer["cost"]["usd"])
        self.assertEqual((bad["Calls"], bad["Errors"]), (1, 1))

    def test_a_turn_of_another_invocation_is_only_left(self):
        held = Held("One ", "two.")
        self.addCleanup(held.rest)
        self.upstream.script("held", held.answer)
        self.begin(AWS_LAMBDA_MAX_CONCURRENCY="2", TERTULIA_LAMBDA_MARGIN_MS="500")
        event = {"kind": "chat.turn", "message": "Hi", "session_id": "s", "model": "openai/held", "idempotency_key": "k"}
        running = self.runtime.invoke(event, 20)
        held.gates[0].wait_reached()
        error = self.fails(event, "Provider.TimedOut", seconds=1)
        self.assertEqual(error["details"]["turn_id"][:2], "t_")
        held.rest()
        self.assertEqual(running.wait().payload["message"], "One two.")

    def test_routes_and_retries_hold_for_a_call_too(self):
        self.upstream.script("first", Answer(status=503, body={"error": {"message": "busy"}}))
        self.upstream.script("second", Answer("Here."))
        config = self.configure('[[routes]]\nname = "both"\ntargets = ["openai/first", "openai/second"]\n')
        self.begin(**config)
        answer = self.invoke({"kind": "model.call", "model": "both", "messages": [{"role": "user", "content": "Hi"}]}).payload
        self.assertEqual((answer["text"], answer["model"]), ("Here.", "openai/second"))
        self.assertEqual([a["outcome"] for a in answer["attempts"]], ["upstream_unavailable", "ok"])

    def test_failures_have_types_that_rules_can_match(self):
        self.upstream.script("busy", Answer(status=529, body={"error": {"message": "overloaded"}}))
        self.upstream.script("no", Answer(status=400, body={"error": {"message": "not so"}}))
        self.upstream.script("cut", Answer("Half ", CUT))
        self.begin()
        say = [{"role": "user", "content": "Hi"}]
        for kind in ({"kind": "chat.turn", "message": "Hi"}, {"kind": "model.call", "messages": say}):
            with self.subTest(kind["kind"]):
                self.fails(kind | {"model": "openai/busy"}, "Provider.Overloaded")
                self.fails(kind | {"model": "openai/no"}, "Provider.Rejected")
                self.fails(kind | {"model": "openai/cut"}, "Provider.Overloaded")
                self.fails(kind | {"model": "nobody/x"}, "Request.Invalid")
                self.fails(kind | {"colour": "red"}, "Request.Invalid")
        self.fails({"kind": "chat.turn"}, "Request.Invalid")
        self.fails({"kind": "model.call", "messages": []}, "Request.Invalid")
        self.fails({"kind": "model.sing"}, "Request.Invalid")
        self.fails({"colour": "red"}, "Request.Invalid")
        self.fails([1], "Request.Invalid")
        self.fails(b"{no json", "Request.Invalid")
        self.fails({"kind": "tertulia.turn", "turn_id": "x"}, "Request.Invalid")

    def test_details_are_the_body_of_an_http_error(self):
        self.upstream.script("cut", Answer("Half ", CUT))
        self.begin()
        error = self.fails({"kind": "chat.turn", "message": "Hi", "session_id": "s", "model": "openai/cut"}, "Provider.Overloaded")
        self.assertEqual(error["details"]["code"], "upstream_unavailable")
        self.assertEqual(error["details"]["session_id"], "s")
        self.assertEqual(error["details"]["partial"], "Half ")

    def test_a_busy_session(self):
        held = Held("One ", "two.")
        self.upstream.script("held", held.answer)
        self.begin()
        running = self.runtime.invoke({"kind": "chat.turn", "message": "Hi", "session_id": "s", "model": "openai/held"})
        held.gates[0].wait_reached()
        self.fails({"kind": "chat.turn", "message": "Ho", "session_id": "s", "on_busy": "reject"}, "Session.Busy")
        held.rest()
        self.assertEqual(running.wait().payload["message"], "One two.")

    def test_our_own_deadline_is_a_timeout_and_the_turn_can_be_continued(self):
        self.upstream.script("slow", Answer("Half ", STALL), Answer("and the rest."))
        self.begin(TERTULIA_LAMBDA_MARGIN_MS="1000")
        event = {"kind": "chat.turn", "message": "Hi", "session_id": "s", "model": "openai/slow"}
        error = self.fails(event, "Provider.TimedOut", seconds=2)
        self.assertEqual(error["details"]["partial"], "Half ")
        path = f"/sessions/s/turns/{error['details']['turn_id']}/continue"
        self.assertEqual(self.invoke(rest("POST", path, {})).json["message"], "Half and the rest.")
        self.upstream.script("still", Answer(STALL))
        call = {"kind": "model.call", "model": "openai/still", "messages": [{"role": "user", "content": "Hi"}]}
        self.fails(call, "Provider.TimedOut", seconds=2)

    def test_a_budget_that_is_used_up(self):
        config = self.configure('[[budgets]]\nowner = "*"\nper = "day"\nusd = "0.000001"\n')
        self.begin(**config, ANTHROPIC_API_KEY="sk-a", ANTHROPIC_BASE_URL=self.upstream.url)
        model = "anthropic/claude-haiku-4-5"
        self.fails({"kind": "chat.turn", "message": "Hi", "model": model}, "Budget.Exceeded")
        call = {"kind": "model.call", "model": model, "messages": [{"role": "user", "content": "Hi"}]}
        self.fails(call, "Budget.Exceeded")

    def test_a_key_that_cannot_be_read_is_the_servers_fault(self):
        self.begin(OPENAI_API_KEY=None, OPENAI_API_KEY_SECRET="prod/key")
        error = self.fails({"kind": "chat.turn", "message": "Hi"}, "Server.Unavailable")
        self.assertNotIn("prod/key", json.dumps(error))
        self.aws.secrets["prod/key"] = "sk-readable"
        self.assertEqual(self.invoke({"kind": "chat.turn", "message": "Hi"}).payload["state"], "completed")
        self.assertEqual(self.upstream.asked("default")[-1].headers["authorization"], "Bearer sk-readable")
