"""POST .../cancel: the provider's connection closes at once, what was said is kept and marked, everybody is told."""

import concurrent.futures
import statistics
import threading
import time
import unittest

from answers import STALL, Answer, Pause, Thinking, Usage
from fake_upstream import Gate
from harness import ServerCase, wait_for


class CancelTest(ServerCase):
    def running(self, model, *items, session=None, provider="openai", deltas=1, **options):
        """A turn that has said so much and stalls: its stream, session, turn."""
        self.upstream.script(model, Answer(*items, STALL, **options))
        stream = self.server.stream("x", session, model=f"{provider}/{model}")
        started = stream.until("turn.started").json
        for _ in range(deltas):
            stream.until("text.delta")
        return stream, started["session_id"], started["turn_id"]

    def in_background(self, function, *args, **fields):
        results = []
        thread = threading.Thread(target=lambda: results.append(function(*args, **fields)), daemon=True)
        thread.start()
        return thread, results

    def test_the_upstream_is_closed_within_100_ms(self):
        for provider in ("openai", "anthropic"):
            times = []
            for i in range(7):
                model = f"closing-{provider}-{i}"
                stream, session, turn = self.running(model, "a", provider=provider)
                sent = time.monotonic()
                self.assertEqual(self.server.cancel(session, turn).status, 200)
                request = self.upstream.asked(model)[0]
                wait_for(lambda: request.peer_gone, "the call to be closed")
                times.append(request.gone_at - sent)
                stream.close()
            self.assertLess(statistics.median(times), 0.1, times)
            self.assertLess(max(times), 1, times)  # the machine may be busy with other tests

    def test_what_everybody_is_told(self):
        stream, session, turn = self.running("told", "some ", "text", deltas=2)
        other, feed = self.server.events(session, turn), self.server.feed(session)
        response = self.server.cancel(session, turn)
        body = self.assert_cancelled(response, turn, "some text")
        self.assertEqual(body["session_id"], session)
        self.assertEqual(self.told(self.server.turn(session, turn)), self.told(response))
        end = stream.finish()
        self.assertEqual(end.name, "turn.cancelled")
        self.assert_error_body(end.json, "conflict")
        self.assertEqual(
            (end.json["session_id"], end.json["turn_id"], end.json["partial"]), (session, turn, "some text")
        )
        other.finish(), feed.until("turn.cancelled")
        self.assertEqual(other.seen, stream.seen)
        self.assertEqual(feed.seen, stream.seen)

    def told(self, response):
        """What is said of the turn, whichever request asked."""
        body = response.json
        del body["error_details"]["request_id"]
        return body

    def assert_cancelled(self, response, turn, partial):
        self.assertEqual(response.status, 200, response.body)
        body = response.json
        self.assertEqual((body["turn_id"], body["state"], body["message"]), (turn, "cancelled", partial))
        self.assert_error_body(body["error_details"], "conflict")
        return body

    def test_it_is_stored_with_its_usage(self):
        for provider, known in (("openai", False), ("anthropic", True)):
            with self.subTest(provider):
                model = "usage-" + provider
                items = ("four words of answer ",)
                stream, session, turn = self.running(model, *items, provider=provider, usage=Usage(100, 3, 2, 40))
                self.server.cancel(session, turn)
                stream.finish()
                user, answer = self.server.history(session)
                self.assertEqual((user["content"], user["state"]), ("x", "completed"))
                self.assertEqual((answer["content"], answer["state"]), ("four words of answer ", "cancelled"))
                self.assertEqual(answer["turn_id"], turn)
                used = answer["usage"]
                self.assertIs(used.get("estimated"), True, "the output, at least, was not reported")
                self.assertGreater(used["output_tokens"], 0)
                self.assertGreater(used["input_tokens"] + used["cache_read_tokens"] + used["cache_write_tokens"], 0)
                if known:  # Anthropic tells the input at the beginning
                    self.assertEqual(
                        (used["input_tokens"], used["cache_read_tokens"], used["cache_write_tokens"]), (100, 3, 2)
                    )

    def test_one_who_waits_for_json(self):
        gate = Gate()
        self.upstream.script("waiting", Answer("some ", "text", gate, STALL))
        thread, results = self.in_background(self.server.chat, "x", "waiting", model="openai/waiting")
        gate.wait_reached()
        turn = wait_for(lambda: self.server.page("waiting").json.get("running"), "the turn")
        wait_for(lambda: self.server.turn("waiting", turn).json["message"] == "some text", "its text")
        self.assert_cancelled(self.server.cancel("waiting", turn), turn, "some text")
        thread.join(20)
        body = self.assert_error(results[0], 409, "conflict")
        self.assertEqual(body["partial"], "some text")
        self.assertEqual(results[0].headers["x-should-retry"], "false")
        gate.open()

    def test_before_the_first_word(self):
        for name, answer in (
            ("no-head", Answer(before=[STALL])),
            ("no-text", Answer(STALL)),
            ("thinking", Answer(Thinking("hm"), STALL)),
        ):
            with self.subTest(name):
                self.upstream.script(name, answer)
                stream = self.server.stream("x", name, model="anthropic/" + name)
                turn = stream.next().json["turn_id"]
                wait_for(lambda: self.upstream.asked(name), "the model to be asked")
                self.assert_cancelled(self.server.cancel(name, turn), turn, "")
                self.assertEqual(stream.finish().name, "turn.cancelled")
                request = self.upstream.asked(name)[0]
                wait_for(lambda: request.peer_gone, "the call to be closed")
                self.assertEqual([(m["content"], m["state"]) for m in self.server.history(name)][1], ("", "cancelled"))

    def test_it_can_be_said_again(self):
        stream, session, turn = self.running("again", "a")
        first = self.server.cancel(session, turn)
        for _ in range(2):
            response = self.server.cancel(session, turn)
            self.assertEqual((response.status, self.told(response)), (200, self.told(first)))
        stream.finish()

    def test_by_many_at_once(self):
        stream, session, turn = self.running("at-once", "a")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            responses = [f.result() for f in [pool.submit(self.server.cancel, session, turn) for _ in range(8)]]
        self.assertEqual([r.status for r in responses], [200] * 8)
        self.assertEqual(stream.finish().name, "turn.cancelled")
        self.assertEqual(len(self.server.history(session)), 2)

    def test_what_has_ended_is_not_cancelled(self):
        done = self.server.chat("x", "done").json
        self.assert_error(self.server.cancel("done", done["turn_id"]), 409, "conflict")
        self.upstream.script("fails", Answer(status=500, body={}))
        self.server.chat("x", "failed", model="openai/fails")
        failed = self.server.history("failed")[1]["turn_id"]
        self.assert_error(self.server.cancel("failed", failed), 409, "conflict")
        self.assertEqual(self.server.history("done")[1]["state"], "completed")

    def test_what_is_not_there(self):
        done = self.server.chat("x", "there").json["turn_id"]
        self.server.chat("x", "elsewhere")
        for session, turn in (("there", "nothing"), ("nowhere", done), ("elsewhere", done)):
            self.assert_error(self.server.cancel(session, turn), 404, "not_found")
        self.assertEqual(self.server.get(f"/sessions/there/turns/{done}/cancel").status, 405)

    def test_the_next_message_is_answered_and_goes_on_from_what_was_said(self):
        stream, session, turn = self.running("goes-on", "half an answer")
        self.server.cancel(session, turn)
        stream.finish()
        self.assertEqual(
            self.assert_answer(self.server.chat("next", session, model="openai/echo"))["conversation_length"], 4
        )
        shown = self.upstream.asked("echo")[-1].messages
        self.assertEqual((shown[0], shown[-1]), (("user", "x"), ("user", "next")))

    def test_a_cancel_that_races_the_end(self):
        """Whoever wins: everybody says the same of it."""
        outcomes = set()
        for i in range(30):
            self.upstream.script("racing", Answer("a", Pause(0.001 * (i % 6)), "b"))
            stream = self.server.stream("x", model="openai/racing")
            started = stream.next().json
            session, turn = started["session_id"], started["turn_id"]
            stream.until("text.delta")
            response = self.server.cancel(session, turn)
            end = stream.finish()
            stream.close()
            state = self.server.turn(session, turn).json["state"]
            self.assertEqual(end.name, "turn." + state)
            self.assertEqual(response.status, 200 if state == "cancelled" else 409, response.body)
            stored = self.server.history(session)[1]
            self.assertEqual(stored["state"], state)
            self.assertEqual(stored["content"], stream.text)
            if state == "completed":
                self.assertEqual(stream.text, "ab")
            outcomes.add(state)
        self.assertLessEqual(outcomes, {"cancelled", "completed"})

    def test_the_connection_to_the_provider_is_not_used_again(self):
        stream, session, turn = self.running("dirty", "a")
        self.server.cancel(session, turn)
        stream.finish()
        connection = self.upstream.asked("dirty")[0].connection
        for _ in range(5):
            self.assert_answer(self.server.chat("x", model="openai/clean"))
        self.assertNotIn(connection, {r.connection for r in self.upstream.asked("clean")})


if __name__ == "__main__":
    unittest.main()
