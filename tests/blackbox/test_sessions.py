"""GET /sessions/{id}/messages, GET /sessions, DELETE /sessions/{id}."""

import re
import unittest

from answers import Answer
from fake_upstream import Gate
from harness import ServerCase, wait_for

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class MessagesTest(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(60):
            assert cls.server.chat(f"page {i:02}", "paged").status == 200
        cls.all = cls.server.history("paged")
        cls.stamps = [m["timestamp"] for m in cls.all]

    def got(self, **query):
        response = self.server.page("paged", **query)
        self.assertEqual(response.status, 200, response.body)
        return [m["timestamp"] for m in response.json["messages"]], response.json["next"]

    def test_messages_come_oldest_first_with_their_members(self):
        self.assertEqual([m["content"] for m in self.all[::2]], [f"page {i:02}" for i in range(60)])
        self.assertEqual([m["role"] for m in self.all], ["user", "assistant"] * 60)
        self.assertEqual(self.stamps, sorted(set(self.stamps)))
        for message in self.all:
            self.assertLessEqual({"role", "content", "timestamp", "created_at", "turn_id", "state"}, set(message))
            self.assertTrue(TIMESTAMP.fullmatch(message["timestamp"]), message)
            self.assertEqual(message["state"], "completed")
        self.assertEqual([a["turn_id"] for a in self.all[::2]], [a["turn_id"] for a in self.all[1::2]])

    def test_the_answers_timestamp_is_its_place_in_the_history(self):
        answer = self.server.chat("x", "place").json
        self.assertEqual(self.server.history("place")[1]["timestamp"], answer["timestamp"])

    def test_fifty_by_default_and_five_hundred_at_most(self):
        self.assertEqual(self.got()[0], self.stamps[:50])
        self.assertEqual(self.got(limit=500)[0], self.stamps)
        self.assert_error(self.server.page("paged", limit=501), 400, "invalid_request", "limit")

    def test_next_leads_through_all_of_it_once(self):
        for limit in (1, 7, 50, 119, 120):
            with self.subTest(limit=limit):
                seen, cursor = [], None
                while True:
                    page, cursor = self.got(limit=limit, **({"after": cursor} if cursor else {}))
                    self.assertTrue(len(page) == limit or cursor is None)
                    seen += page
                    if cursor is None:
                        break
                self.assertEqual(seen, self.stamps)

    def test_a_timestamp_serves_as_after_and_before_exclusive(self):
        self.assertEqual(self.got(after=self.stamps[99], limit=10)[0], self.stamps[100:110])
        self.assertEqual(self.got(before=self.stamps[100], limit=10)[0], self.stamps[90:100])
        self.assertEqual(self.got(before=self.stamps[5], limit=10)[0], self.stamps[:5])
        self.assertEqual(self.got(after=self.stamps[10], before=self.stamps[15], limit=50)[0], self.stamps[11:15])
        self.assertEqual(self.got(after=self.stamps[-1]), ([], None))
        self.assertEqual(self.got(before=self.stamps[0])[0], [])

    def test_wrong_queries_are_refused_by_name(self):
        for query in (
            {"limit": "0"},
            {"limit": "-1"},
            {"limit": "abc"},
            {"limit": "1e3"},
            {"limit": ""},
            {"limit": "9" * 30},
        ):
            with self.subTest(query):
                self.assert_error(self.server.page("paged", **query), 400, "invalid_request", "limit")

    def test_an_unknown_session_is_404_and_an_impossible_id_400_or_404(self):
        self.assert_error(self.server.page("unknown"), 404, "not_found")
        for path in (
            "/sessions/a%00b/messages",
            "/sessions/a%2Fb/messages",
            "/sessions/%zz/messages",
            "/sessions//messages",
        ):
            with self.subTest(path):
                self.assertIn(self.server.get(path).status, (400, 404))

    def test_an_id_may_be_percent_encoded_in_the_path(self):
        self.server.chat("x", "a:b")
        self.assertEqual(len(self.server.get("/sessions/a%3Ab/messages").json["messages"]), 2)
        self.assertEqual(len(self.server.get("/sessions/a:b/messages").json["messages"]), 2)

    def test_running_names_the_turn_that_runs(self):
        gate = Gate()
        self.upstream.script("running", Answer("a", gate, "b"))
        stream = self.server.stream("x", "running", model="openai/running")
        turn = stream.until("text.delta").id.rpartition(":")[0]
        self.assertEqual(self.server.page("running").json["running"], turn)
        gate.open()
        stream.finish()
        self.assertIsNone(self.server.page("running").json["running"])


class SessionListTest(ServerCase):
    def listed(self, **query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        response = self.server.get("/sessions" + ("?" + text if text else ""))
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def test_newest_first_with_count_last_activity_and_first_words(self):
        self.assertEqual((self.listed()["sessions"], self.listed()["next"]), ([], None))
        for i in range(7):
            self.server.chat(f"words of {i}", f"list-{i}")
        self.server.chat("again", "list-3")
        sessions = self.listed()["sessions"]
        ids = [s["session_id"] for s in sessions]
        self.assertEqual(ids, ["list-3", "list-6", "list-5", "list-4", "list-2", "list-1", "list-0"])
        self.assertEqual((sessions[0]["first_words"], sessions[0]["message_count"]), ("words of 3", 4))
        self.assertEqual(sessions[0]["last_activity"], self.server.history("list-3")[-1]["timestamp"])
        seen, cursor = [], None
        while True:
            page = self.listed(limit=2, **({"after": cursor} if cursor else {}))
            seen += [s["session_id"] for s in page["sessions"]]
            if (cursor := page["next"]) is None:
                break
        self.assertEqual(seen, ids)


class DeleteTest(ServerCase):
    def test_a_session_is_deleted_once_and_begins_anew(self):
        self.server.chat("one", "gone")
        response = self.server.request("DELETE", "/sessions/gone")
        self.assertEqual((response.status, response.body), (204, b""))
        self.assert_error(self.server.request("DELETE", "/sessions/gone"), 404, "not_found")
        self.assert_error(self.server.page("gone"), 404, "not_found")
        answer = self.assert_answer(self.server.chat("two", "gone"), "[1] two")
        self.assertEqual(answer["conversation_length"], 2)

    def test_a_deleted_sessions_words_are_not_in_the_list(self):
        self.server.chat("very private words", "private")
        self.server.request("DELETE", "/sessions/private")
        self.assertNotIn(b"very private words", self.server.get("/sessions").body)

    def test_a_running_turn_is_ended_first_and_never_writes_afterwards(self):
        gate = Gate()
        self.upstream.script("ended", Answer("a", gate, "b"))
        stream = self.server.stream("x", "ended", model="openai/ended")
        stream.until("text.delta")
        self.assertEqual(self.server.request("DELETE", "/sessions/ended").status, 204)
        terminal = stream.finish()
        self.assertNotEqual(terminal and terminal.name, "turn.completed")
        gate.open()
        wait_for(
            lambda: self.upstream.asked("ended")[0].peer_gone or self.upstream.asked("ended")[0].answered,
            "the upstream's end",
        )
        self.server.chat("y", "another")  # a whole turn later
        self.assert_error(self.server.page("ended"), 404, "not_found")
        self.assertNotIn(b"ended", self.server.get("/sessions").body)

    def test_turns_that_wait_in_a_deleted_session_do_not_bring_it_back_in_secret(self):
        gate = Gate()
        self.upstream.script("waiting", Answer("a", gate, "b"), Answer("c"))
        first = self.server.stream("x", "waiting", model="openai/waiting")
        first.until("text.delta")
        self.assertEqual(self.server.request("DELETE", "/sessions/waiting").status, 204)
        gate.open()
        first.finish()
        answer = self.assert_answer(self.server.chat("y", "waiting", model="openai/waiting"), "c")
        self.assertEqual(answer["conversation_length"], 2)
        self.assertEqual(self.upstream.asked("waiting")[-1].messages, [("user", "y")])


if __name__ == "__main__":
    unittest.main()
