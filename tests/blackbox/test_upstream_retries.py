"""When the same target is asked again, when the next one, and when nobody: statuses, Retry-After, the retry budget."""

import datetime
import email.utils
import time
import unittest

from answers import Answer
from failures_case import ANSWER, WIRES, FailuresCase, Turn, wait_for

AGAIN = (408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529)  # providers.md 5.5
NEXT = (401, 403, 404, 501, 505, 507)  # one call, then the next target
ENDS = (400, 405, 415, 422, 451)
LIMITED = {"error": {"message": "slow down", "type": "requests"}}


class RetryCase(FailuresCase):
    def ask(self, model, **fields):
        began = time.monotonic()
        turn = Turn.asked(self.server, "x", False, model=model, **fields)
        self.took = time.monotonic() - began
        return turn

    def assert_whole(self, turn):
        self.assertEqual((turn.status, turn.body.get("message")), (200, ANSWER), turn.body)


class StatusTest(RetryCase):
    config = FailuresCase.config | {"breaker": {"failures": 0}}

    @classmethod
    def setUpRoutes(cls):
        cls.targets = {}
        for wire in WIRES:
            for status in (*AGAIN, *NEXT, *ENDS):
                once = "-once" if status in AGAIN else ""
                route = f"{wire}-{status}"
                cls.targets[wire, status] = cls.route(route, (wire, f"s{status}{once}"), (wire, "good"))
            for fault in ("quota", "html", "empty", "inband", "filter", "inband-once", "empty-once"):
                cls.targets[wire, fault] = cls.route(f"{wire}-{fault}", (wire, fault), (wire, "good"))

    def check(self, wire, fault, expected, status=200):
        first, second = self.targets[wire, fault]
        with self.subTest(wire, fault=fault):
            turn = self.ask(f"{wire}-{fault}")
            self.assertEqual(turn.status, status, turn.body)
            self.assertEqual((len(self.calls(first)), len(self.calls(second))), expected)

    def test_what_may_heal_is_tried_again_at_the_same_target(self):
        for wire in WIRES:
            for status in (*AGAIN, "inband-once", "empty-once"):
                self.check(wire, status, (2, 0))

    def test_what_stays_goes_to_the_next_target_after_three_calls(self):
        for wire in WIRES:
            for fault in ("html", "inband", "empty"):
                self.check(wire, fault, (3, 1))

    def test_what_will_not_heal_goes_to_the_next_target_after_one_call(self):
        for wire in WIRES:
            for fault in (*NEXT, "quota"):
                self.check(wire, fault, (1, 1))

    def test_what_is_wrong_with_the_request_ends_the_turn(self):
        for wire in WIRES:
            for status in ENDS:
                self.check(wire, status, (1, 0), 502)

    def test_a_content_filter_ends_the_turn(self):
        first, second = self.targets["openai", "filter"]
        turn = self.ask("openai-filter")
        self.assertIn(turn.status, (200, 502))
        self.assertEqual((len(self.calls(first)), len(self.calls(second))), (1, 0))

    def test_without_another_target_the_status_says_whose_fault_it_is(self):
        for fault, status, calls in (("s401", 502, 1), ("s404", 502, 1), ("s503", 503, 3), ("s501", 503, 1)):
            with self.subTest(fault):
                target = f"openai-503-0/{fault}.alone"
                self.assertEqual(self.ask(target).status, status)
                self.assertEqual(len(self.calls(target)), calls)


class RetryAfterTest(RetryCase):
    config = FailuresCase.config | {"breaker": {"failures": 0}}

    @classmethod
    def setUpRoutes(cls):
        cls.single = {wire: cls.route(f"single-{wire}", (wire, "good"))[0].partition("/")[0] for wire in WIRES}
        cls.far = {wire: cls.route(f"far-{wire}", (wire, "s429-a31"), (wire, "good")) for wire in WIRES}
        cls.all_far = cls.route("all-far", ("openai", "s429-a31"), ("anthropic", "s503-a45"))

    def waited(self, wire, name, headers):
        """How long the server waited between its two calls, where the first one was refused with these headers."""
        model = f"after.{name}.{wire}"
        body = LIMITED if wire == "openai" else {"type": "error", "error": LIMITED["error"]}
        answers = [lambda _: Answer(status=429, headers=headers(), body=body), Answer("well")]
        self.upstream.script(model, *answers)
        turn = self.ask(f"{self.single[wire]}/{model}")
        self.assertEqual(turn.body.get("message"), "well", turn.body)
        first, second = self.upstream.asked(model)
        return second.at - first.at

    def test_its_forms(self):
        def date():
            return email.utils.formatdate(time.time() + 2, usegmt=True)

        def moment():
            return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1.5)).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            )

        forms = {
            "seconds": (lambda: {"retry-after": "1"}, 1.0),
            "fraction": (lambda: {"retry-after": "0.4"}, 0.4),
            "date": (lambda: {"retry-after": date()}, 0.9),
            "ms": (lambda: {"retry-after-ms": "400"}, 0.4),
            "x-ms": (lambda: {"x-ms-retry-after-ms": "400"}, 0.4),
            "both": (lambda: {"retry-after": "1", "retry-after-ms": "700"}, 0.7),
        }
        only_openai = {
            "reset-ms": (lambda: {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}, 0.4),
            "reset-s": (lambda: {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s"}, 1.0),
        }
        only_anthropic = {
            "reset": (
                lambda: {
                    "anthropic-ratelimit-requests-remaining": "0",
                    "anthropic-ratelimit-requests-reset": moment(),
                },
                0.4,
            )
        }
        for wire in WIRES:
            more = {"openai": only_openai, "anthropic": only_anthropic}.get(wire, {})
            for name, (headers, least) in (forms | more).items():
                with self.subTest(name, wire=wire):
                    waited = self.waited(wire, name, headers)
                    self.assertGreaterEqual(waited, least - 0.01)
                    self.assertLess(waited, least + 2.5)

    def test_without_one_it_waits_a_little(self):
        self.assertLess(self.waited("openai", "none", dict), 1.0)

    def test_over_thirty_seconds_goes_to_the_next_target_at_once(self):
        for wire in WIRES:
            with self.subTest(wire):
                self.assert_whole(self.ask(f"far-{wire}"))
                self.assertLess(self.took, 5)
                self.assertEqual([len(self.calls(t)) for t in self.far[wire]], [1, 1])

    def test_with_no_target_left_the_client_is_told_when(self):
        turn = self.ask("all-far")
        self.assertEqual((turn.status, turn.body["code"]), (503, "upstream_unavailable"))
        self.assertLess(self.took, 5)
        self.assertEqual([len(self.calls(t)) for t in self.all_far], [1, 1])
        self.assertTrue(30 <= int(turn.headers["retry-after"]) <= 45, turn.headers)


class WaitingTest(RetryCase):
    config = FailuresCase.config | {"breaker": {"failures": 0}, "limits": {"heartbeat_ms": 100}}

    @classmethod
    def setUpRoutes(cls):
        cls.target = cls.route("later", ("openai", "s503-a20"))[0]

    def test_a_client_that_waits_with_us_is_kept_alive_and_may_cancel_at_once(self):
        stream = self.server.stream("x", "waits", model="later")
        turn = stream.event().json["turn_id"]
        wait_for(lambda: self.calls(self.target), "the first call")
        for _ in range(3):
            self.assertEqual(stream.next().name, ":")
        began = time.monotonic()
        self.assertEqual(self.server.cancel("waits", turn).status, 200)
        self.assertEqual(stream.finish().name, "turn.cancelled")
        self.assertLess(time.monotonic() - began, 3)
        stream.close()
        self.assertEqual(len(self.calls(self.target)), 1)


class BudgetTest(RetryCase):
    config = FailuresCase.config | {
        "breaker": {"failures": 0},
        "retry": {"attempts": 3, "base_ms": 1, "max_ms": 2, "budget": 0.2},
    }

    @classmethod
    def setUpRoutes(cls):
        cls.target = cls.route("down", ("openai", "s503"))[0]

    def test_retries_are_a_share_of_requests_once_the_first_ten_are_used(self):
        turns = 30
        for _ in range(turns):
            self.assertEqual(self.ask("down").status, 503)
        retries = len(self.calls(self.target)) - turns
        self.assertGreaterEqual(retries, 10)
        self.assertLessEqual(retries, 10 + 0.2 * len(self.calls(self.target)))


class TurnDeadlineTest(RetryCase):
    config = FailuresCase.config | {
        "deadlines": {"first_token_ms": 800, "between_tokens_ms": 800, "turn_ms": 2000},
    }

    @classmethod
    def setUpRoutes(cls):
        cls.targets = cls.route("all-silent", *[("openai", "f06")] * 5)

    def test_one_deadline_for_all_attempts_together(self):
        turn = self.ask("all-silent")
        self.assertEqual((turn.status, turn.body["code"]), (504, "timed_out"))
        self.assertLess(self.took, 4)
        self.assertEqual([len(self.calls(t)) for t in self.targets], [1, 1, 1, 0, 0])
        self.assertTrue(all(r.peer_gone for t in self.targets[:3] for r in self.calls(t)))


if __name__ == "__main__":
    unittest.main()
