"""POST /chat: the documented answer."""

import datetime
import re
import unittest

from answers import Answer
from harness import ServerCase

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TURN_ID = re.compile(r"[A-Za-z0-9_-]+")
ODD_TEXTS = {
    "emoji and combining marks": "👩‍👩‍👧 e\u0301 é 🏳️‍🌈",
    "right to left": "שלום \u202eرحبا",
    "control characters": "\u0001\u001f\u007f\t\r\n",
    "NUL": "a\0b",
    "event stream in disguise": "data: x\n\nevent: turn.completed\ndata: {}\n\n",
    "line separators": "a\u2028b\u2029c\u0085d",
    "byte order mark and noncharacters": "\ufeff \ufffd \uffff \U0010ffff",
    "SQL": "'; DROP TABLE messages; --",
    "JSON": '{"role":"system"} \\ " </script>',
    "blanks around": "  x\n ",
    "a blank that is not ASCII": "\u00a0",
    "long": "漢字" * 20000,
}


class ChatTest(ServerCase):
    env = {"TZ": "Asia/Tokyo"}

    def test_the_answer_has_the_documented_members(self):
        answer = self.assert_answer(self.server.chat("What is machine learning?"), "[1] What is machine learning?")
        self.assertRegex(answer["session_id"], UUID4)
        self.assertEqual(answer["conversation_length"], 2)
        self.assertTrue(TIMESTAMP.fullmatch(answer["timestamp"]), answer["timestamp"])
        self.assertTrue(TURN_ID.fullmatch(answer["turn_id"]), answer["turn_id"])
        self.assertEqual(answer["state"], "completed")
        self.assertEqual(answer["model"], "openai/default")
        self.assertEqual(answer["stop_reason"], "end_turn")
        self.assertEqual(
            set(answer["usage"]) - {"estimated"},
            {"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"},
        )
        self.assertEqual(answer["context"]["messages_sent"], 1)
        self.assertEqual(answer["context"]["messages_left_out"], 0)
        self.assertGreater(answer["context"]["estimated_tokens"], 0)

    def test_the_answer_is_json_and_the_timestamp_is_utc_now_whatever_the_time_zone(self):
        response = self.server.chat("Hello")
        self.assertTrue(response.headers["content-type"].startswith("application/json"))
        stamp = datetime.datetime.fromisoformat(response.json["timestamp"].replace("Z", "+00:00"))
        age = datetime.datetime.now(datetime.timezone.utc) - stamp
        self.assertLess(abs(age.total_seconds()), 20)

    def test_every_new_session_and_every_turn_has_an_id_of_its_own(self):
        answers = [self.server.chat("x").json for _ in range(10)]
        self.assertEqual(len({a["session_id"] for a in answers}), 10)
        self.assertEqual(len({a["turn_id"] for a in answers}), 10)

    def test_a_client_may_bring_its_own_session_id(self):
        for name in ("a", "x" * 128, "user:42._-Z", "...", "00000000-0000-4000-8000-000000000000"):
            with self.subTest(name[:20]):
                self.assertEqual(self.assert_answer(self.server.chat("x", name))["session_id"], name)

    def test_a_session_remembers(self):
        for model in ("openai/memory-o", "anthropic/memory-a"):
            for stream in (False, True):
                with self.subTest(model=model, stream=stream):
                    session = f"memory-{model[0]}-{stream}"
                    first = self.server.chat("My name is Ada.", session, model=model).json["message"]
                    if stream:
                        answer = self.server.stream("What is my name?", session, model=model).finish().json
                    else:
                        answer = self.server.chat("What is my name?", session, model=model).json
                    self.assertEqual((answer["message"], answer["conversation_length"]), ("[3] What is my name?", 4))
                    self.assertEqual(
                        self.upstream.asked(model.split("/")[1])[-1].messages,
                        [("user", "My name is Ada."), ("assistant", first), ("user", "What is my name?")],
                    )

    def test_sessions_do_not_mix(self):
        self.server.chat("secret of one", "mix-1", model="openai/mix")
        self.server.chat("secret of two", "mix-2", model="openai/mix")
        self.server.chat("more", "mix-1", model="openai/mix")
        self.assertNotIn("two", str(self.upstream.asked("mix")[-1].messages))

    def test_any_text_comes_through_and_is_stored_exactly(self):
        for number, (name, text) in enumerate(ODD_TEXTS.items()):
            for provider in ("openai", "anthropic"):
                with self.subTest(name, provider=provider):
                    model, session = f"{provider}/odd-{number}-{provider}", f"odd-{number}-{provider}"
                    answer = self.assert_answer(self.server.chat(text, session, model=model), "[1] " + text)
                    self.assertEqual(self.upstream.asked(model.split("/")[1])[-1].messages, [("user", text)])
                    self.assertEqual([m["content"] for m in self.server.history(session)], [text, answer["message"]])

    def test_escaped_pairs_in_the_body_are_one_character(self):
        response = self.server.request("POST", "/chat", b'{"message":"\\ud83d\\ude00 \\u0041"}')
        self.assert_answer(response, "[1] 😀 A")

    def test_a_content_type_may_have_a_charset_and_capitals(self):
        headers = {"content-type": "Application/JSON; charset=UTF-8"}
        self.assert_answer(self.server.chat("x", headers=headers))

    def test_an_answer_without_text_is_still_an_answer(self):
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                self.upstream.script("empty", Answer())
                answer = self.assert_answer(self.server.chat("x", model=provider + "/empty"), "")
                self.assertEqual(answer["state"], "completed")

    def test_metadata_is_kept_with_the_user_message(self):
        metadata = {"device": "phone", "trace": "abc"}
        self.assert_answer(self.server.chat("x", "with-metadata", metadata=metadata))
        user, assistant = self.server.history("with-metadata")
        self.assertEqual(user["metadata"], metadata)
        self.assertFalse(assistant.get("metadata"))

    def test_metadata_has_limits(self):
        self.assert_answer(self.server.chat("x", metadata={f"k{i}": "v" for i in range(16)}))
        self.assert_error(
            self.server.chat("x", metadata={f"k{i}": "v" for i in range(17)}), 400, "invalid_request", "16"
        )
        self.assert_error(self.server.chat("x", metadata={"k": "v" * 4096}), 400, "invalid_request")

    def test_null_optional_fields_count_as_absent_or_are_refused_by_name(self):
        for field in ("model", "system", "max_tokens", "temperature", "stop", "metadata", "stream"):
            with self.subTest(field):
                response = self.server.chat("x", **{field: None})
                if response.status != 200:
                    self.assert_error(response, 400, "invalid_request", field)


class MemoryStoreTest(ServerCase):
    """The same conversation with the store that keeps nothing."""

    store = "memory"

    def test_a_session_remembers_and_leaves_no_file(self):
        self.assert_answer(self.server.chat("one", "m"), "[1] one")
        self.assert_answer(self.server.chat("two", "m"), "[3] two")
        self.assertEqual([m["role"] for m in self.server.history("m")], ["user", "assistant"] * 2)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["tertulia.toml"])


if __name__ == "__main__":
    unittest.main()
