"""Prefer: respond-async, and GET on a turn: for those who cannot hold a connection."""

import unittest

from answers import CUT, STALL, Answer, Usage
from client import Connection
from fake_upstream import Gate, Held
from harness import ServerCase, turn_path

ASYNC = {"prefer": "respond-async"}
OF_A_TURN = {"state", "continues", "error_details"}  # what a turn has besides what an answer has


class PollingTest(ServerCase):
    def begin(self, message="x", session=None, headers=ASYNC, **fields):
        response = self.server.chat(message, session, headers=headers, **fields)
        self.assertEqual(response.status, 202, response.body)
        return response

    def test_the_ids_and_where_to_look_at_once(self):
        for session in ("given", None):
            with self.subTest(session):
                held = Held("one ", "two", usage=Usage(5, 0, 0, 2))
                self.upstream.script("held", held.answer)
                response = self.begin("x", session, model="openai/held")
                body = response.json
                self.assertEqual(set(body), {"session_id", "turn_id", "state"})
                self.assertEqual(body["state"], "running")
                if session:
                    self.assertEqual(body["session_id"], session)
                self.assertEqual(response.headers["location"], turn_path(body["session_id"], body["turn_id"]))
                self.assertEqual(response.headers["preference-applied"], "respond-async")
                self.assertTrue(response.headers["content-type"].startswith("application/json"))
                self.follow(response.headers["location"], body, held)

    def follow(self, location, ids, held):
        turn = self.server.get(location)
        self.assertEqual((turn.status, turn.json["state"], turn.json["message"]), (200, "running", ""))
        held.next()
        reader = self.server.events(ids["session_id"], ids["turn_id"])
        reader.until("text.delta")
        self.assertEqual(self.server.get(location).json["message"], "one ")
        held.rest()
        end = reader.finish().json
        turn = self.server.wait_turn(ids["session_id"], ids["turn_id"])
        self.assertEqual(
            {k: v for k, v in turn.items() if k not in OF_A_TURN}, {k: v for k, v in end.items() if k != "state"}
        )
        self.assertEqual((turn["state"], turn["message"], turn["usage"]["output_tokens"]), ("completed", "one two", 2))

    def test_a_finished_turn_is_its_answer(self):
        for stream in (False, True):
            if stream:
                answer = self.server.stream("x").finish().json
            else:
                answer = self.server.chat("x").json
            turn = self.server.turn(answer["session_id"], answer["turn_id"]).json
            self.assertEqual({k: turn[k] for k in answer}, answer)
            self.assertLessEqual(set(turn) - set(answer), OF_A_TURN)

    def test_the_preference_as_people_write_it(self):
        for value in (
            "respond-async",
            "Respond-Async",
            "respond-async, wait=10",
            "wait=10,respond-async",
            "foo; bar, respond-async",
        ):
            with self.subTest(value):
                self.begin(headers={"prefer": value})
        for value in ("wait=5", "respond-asynchronously", "return=minimal", "x-respond-async", ""):
            with self.subTest(value):
                self.assert_answer(self.server.chat("x", headers={"prefer": value}))

    def test_behind_a_running_turn_it_is_queued(self):
        gate = Gate()
        self.upstream.script("first", Answer("a", gate, "b"))
        first = self.server.stream("one", "queue", model="openai/first")
        first.until("text.delta")
        body = self.begin("two", "queue").json
        self.assertEqual(body["state"], "queued")
        turn = self.server.turn("queue", body["turn_id"]).json
        self.assertEqual((turn["state"], turn["message"]), ("queued", ""))
        gate.open()
        first.finish()
        self.assertEqual(self.server.wait_turn("queue", body["turn_id"])["state"], "completed")
        self.assertEqual(len(self.server.history("queue")), 4)

    def test_turns_that_end_badly(self):
        self.upstream.script("fails", Answer(status=500, body={}))
        self.upstream.script("breaks", Answer("some ", "text", CUT))
        for model, text in (("fails", ""), ("breaks", "some text")):
            with self.subTest(model):
                body = self.begin(model="openai/" + model).json
                turn = self.server.wait_turn(body["session_id"], body["turn_id"])
                self.assertEqual((turn["state"], turn["message"]), ("failed", text))
                self.assert_error_body(turn["error_details"], "upstream_unavailable")
                stored = self.server.history(body["session_id"])
                self.assertEqual([(m["content"], m["state"]) for m in stored], [("x", "completed"), (text, "failed")])

    def test_what_is_wrong_with_the_request_is_said_at_once(self):
        self.assert_error(self.server.chat("", headers=ASYNC), 400, "invalid_request")
        self.assert_error(self.server.chat("x", headers=ASYNC, model="nosuch/m"), 400, "invalid_request")
        self.assert_error(self.server.chat("x", headers=ASYNC, colour=1), 400, "invalid_request")

    def test_a_busy_session_is_refused_as_ever(self):
        self.upstream.script("stalls", Answer("a", STALL))
        body = self.begin("x", "busy", model="openai/stalls").json
        response = self.server.chat("y", "busy", headers=ASYNC, on_busy="reject")
        self.assert_error(response, 409, "conflict")
        self.assertEqual(self.server.cancel("busy", body["turn_id"]).json["state"], "cancelled")

    def test_nobody_waits_for_it_and_it_ends_all_the_same(self):
        """Also where a client that leaves would cancel: this one did not leave, it was answered."""
        gate = Gate()
        self.upstream.script("alone", Answer("a", gate, "b"))
        with Connection(self.server.url) as c:
            body = {"message": "x", "session_id": "alone", "model": "openai/alone", "on_disconnect": "cancel"}
            c.send_request("POST", "/chat", body, ASYNC)
            turn = c.read_response().json["turn_id"]
        gate.wait_reached()
        gate.open()
        self.assertEqual(self.server.wait_turn("alone", turn)["message"], "ab")

    def test_what_is_not_there(self):
        answer = self.server.chat("x", "here").json
        self.server.chat("x", "there")
        for session, turn in (("here", "nothing"), ("nowhere", answer["turn_id"]), ("there", answer["turn_id"])):
            self.assert_error(self.server.turn(session, turn), 404, "not_found")
        for method in ("POST", "PUT", "DELETE"):
            response = self.server.request(method, turn_path("here", answer["turn_id"]))
            self.assertEqual((response.status, "GET" in response.headers["allow"]), (405, True))

    def test_turns_that_everybody_has_forgotten_come_from_the_store(self):
        answers = [self.server.chat(f"x{i}", "stored").json for i in range(8)]
        for answer in answers:
            turn = self.server.turn("stored", answer["turn_id"]).json
            self.assertEqual({k: turn[k] for k in answer}, answer)


class ForgottenTest(PollingTest):
    """The same where a finished turn's log leaves memory at once."""

    config = {"limits": {"keep_log_ms": 1}}


class AcknowledgedTest(ServerCase):
    server_per_test = True

    def test_what_was_answered_with_202_is_there_after_a_kill(self):
        """Ten at once, killed as soon as the last was acknowledged."""
        server = self.start(database=self.folder / "acknowledged.db")
        self.upstream.script("endless", Answer("a", STALL))
        bodies = [server.chat(f"m{i}", headers=ASYNC, model="openai/endless").json for i in range(10)]
        server.process.kill()
        server.wait()
        server = self.running(database=self.folder / "acknowledged.db")
        for i, body in enumerate(bodies):
            self.assertEqual(body["state"], "running")
            turn = server.turn(body["session_id"], body["turn_id"])
            self.assertEqual((turn.status, turn.json.get("state")), (200, "interrupted"), turn.body)
            self.assertEqual(server.history(body["session_id"])[0]["content"], f"m{i}")

    def test_finished_ones_too(self):
        server = self.start(database=self.folder / "finished.db")
        body = server.chat("x", headers=ASYNC).json
        before = server.wait_turn(body["session_id"], body["turn_id"])
        server.process.kill()
        server.wait()
        server = self.running(database=self.folder / "finished.db")
        self.assertEqual(server.turn(body["session_id"], body["turn_id"]).json, before)


if __name__ == "__main__":
    unittest.main()
