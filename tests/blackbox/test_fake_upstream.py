"""The fake upstream itself: what the other tests stand on must not be wrong in secret."""

import time
import unittest
import zlib

from answers import CUT, END, NEXT_BLOCK, Answer, Raw, Refusal, RESET, STALL, Thinking, Tool, Usage
from client import Closed, Connection, request
from fake_upstream import FakeUpstream, Gate, Held
from server import wait_for

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def ask(model, stream=False, text="one two"):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


class FakeUpstreamTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = FakeUpstream()
        cls.addClassCleanup(cls.upstream.close)

    def post(self, path, body):
        return request(self.upstream.url, "POST", path, body)

    def datas(self, path, model):
        events = list(self.events(path, model))
        return [e.data if e.data == "[DONE]" else e.json for e in events]

    def events(self, path, model):
        with Connection(self.upstream.url) as c:
            c.send_request("POST", path, ask(model, stream=True))
            yield from c.events(c.read_head())

    def test_without_a_script_it_echoes(self):
        answer = self.post(CHAT, ask("any", text="Hello")).json
        self.assertEqual(answer["choices"][0]["message"]["content"], "[1] Hello")
        answer = self.post(MESSAGES, ask("any", text="Hello")).json
        self.assertEqual(answer["content"], [{"type": "text", "text": "[1] Hello"}])
        self.assertEqual(self.upstream.asked("any")[-1].messages, [("user", "Hello")])

    def test_an_openai_stream_has_role_deltas_finish_usage_and_done(self):
        self.upstream.script("m", Answer("a", Thinking("t"), Refusal("r"), usage=Usage(5, 3, 2, 7, 1), finish="length"))
        chunks = self.datas(CHAT, "m")
        deltas = [c["choices"][0]["delta"] for c in chunks[:-2]]
        self.assertEqual(
            deltas,
            [{"role": "assistant", "content": ""}, {"content": "a"}, {"reasoning_content": "t"}, {"refusal": "r"}, {}],
        )
        self.assertEqual(chunks[-3]["choices"][0]["finish_reason"], "length")
        self.assertEqual(chunks[-2]["usage"]["prompt_tokens"], 10)
        self.assertEqual(chunks[-2]["usage"]["completion_tokens"], 8)
        self.assertEqual(chunks[-1], "[DONE]")

    def test_an_anthropic_stream_opens_and_closes_each_block(self):
        self.upstream.script("m", Answer(Thinking("t"), "a", "b", NEXT_BLOCK, "c", Tool("f", ('{"x"', ":1}"))))
        events = [(e.name, e.json.get("index")) for e in self.events(MESSAGES, "m")]
        expected = [("message_start", None)]
        for index, deltas in enumerate((1, 2, 1, 2)):
            expected += [("content_block_start", index), *[("content_block_delta", index)] * deltas]
            expected += [("content_block_stop", index)]
        self.assertEqual(events, expected + [("message_delta", None), ("message_stop", None)])

    def test_whole_answers_hold_the_same_parts(self):
        self.upstream.script("m", Answer("a", NEXT_BLOCK, "b", Tool("f", ('{"x":', "1}"))))
        content = self.post(MESSAGES, ask("m")).json["content"]
        self.assertEqual([b["type"] for b in content], ["text", "text", "tool_use"])
        choice = self.post(CHAT, ask("m")).json["choices"][0]
        self.assertEqual((choice["finish_reason"], choice["message"]["content"]), ("tool_calls", "ab"))
        self.assertEqual(choice["message"]["tool_calls"][0]["function"], {"name": "f", "arguments": '{"x":1}'})

    def test_answers_are_taken_in_order_and_the_last_one_stays(self):
        self.upstream.script("m", Answer(status=529, body={"n": 1}), Answer("x"))
        self.assertEqual([self.post(CHAT, ask("m")).status for _ in range(3)], [529, 200, 200])

    def test_faults_end_the_answer_as_named(self):
        for fault, error in ((CUT, Closed), (RESET, ConnectionResetError)):
            with self.subTest(fault=fault):
                self.upstream.script("m", Answer("a", fault, "b"))
                with self.assertRaises(error):
                    list(self.events(CHAT, "m"))
                with self.assertRaises(error):
                    self.post(CHAT, ask("m"))
                self.upstream.script("m", Answer("a", before=[fault]))
                with self.assertRaises(error):
                    self.post(CHAT, ask("m"))
        self.upstream.script("m", Answer("a", END, "b"))
        self.assertEqual(len(self.datas(CHAT, "m")), 2)
        self.upstream.script("m", Answer("a", done=False))
        self.assertNotIn("[DONE]", self.datas(CHAT, "m"))

    def test_a_gate_holds_the_answer_until_it_is_opened(self):
        gate = Gate()
        self.upstream.script("m", Answer("a", gate, "b"))
        with Connection(self.upstream.url) as c:
            c.send_request("POST", CHAT, ask("m", stream=True))
            events = c.events(c.read_head())
            self.assertIn('"a"', [next(events).data for _ in range(2)][1])
            gate.wait_reached()
            gate.open()
            self.assertIn('"b"', next(events).data)

    def test_a_held_answer_goes_on_as_the_test_lets_it(self):
        held = Held("a", "b", "c")
        self.upstream.script("m", held.answer)
        with Connection(self.upstream.url) as c:
            c.send_request("POST", CHAT, ask("m", stream=True))
            events = c.events(c.read_head())
            next(events)
            held.next()
            self.assertIn('"a"', next(events).data)
            self.assertTrue(held.gates[1].reached.wait(5))
            self.assertFalse(held.gates[2].reached.is_set())
            held.rest()
            self.assertEqual([e.data for e in events][-1], "[DONE]")

    def test_a_gate_holds_many_answers(self):
        gate = Gate()
        self.upstream.script("m", Answer(before=[gate]))
        connections = [Connection(self.upstream.url) for _ in range(20)]
        for c in connections:
            c.send_request("POST", CHAT, ask("m"))
        gate.wait_reached()
        gate.open()
        for c in connections:
            self.assertEqual(c.read_response().status, 200)
            c.close()

    def test_who_leaves_a_closed_gate_is_noticed_with_the_time(self):
        gate = Gate()
        self.upstream.script("left", Answer("a", gate, "b"))
        with Connection(self.upstream.url) as c:
            c.send_request("POST", CHAT, ask("left", stream=True))
            gate.wait_reached()
        left = time.monotonic()
        request = self.upstream.asked("left")[0]
        wait_for(lambda: request.peer_gone, "the peer's leaving to be noticed")
        self.assertLess(abs(request.gone_at - left), 1)
        self.assertFalse(request.answered)
        gate.open()

    def test_a_recording_is_played_as_it_is(self):
        self.upstream.script("m", Answer(Raw(b"data: one\n\n"), Raw(b"data: two\n\n"), bare=True))
        with Connection(self.upstream.url) as c:
            c.send_request("POST", CHAT, ask("m", stream=True))
            self.assertEqual([e.data for e in c.events(c.read_head())], ["one", "two"])

    def test_a_stalled_answer_notices_that_its_peer_left(self):
        self.upstream.script("stalled", Answer("a", STALL))
        with Connection(self.upstream.url) as c:
            c.send_request("POST", CHAT, ask("stalled", stream=True))
            next(c.events(c.read_head()))
        for _ in range(2000):
            if self.upstream.asked("stalled")[0].peer_gone:
                return
            self.post(CHAT, ask("any"))  # takes a moment
        self.fail("not noticed")

    def test_shape_raw_gzip_and_framing(self):
        self.upstream.script("m", Answer("a", Raw(b": ping\n\n"), shape="sse", gzip=True, framing="close"))
        response = self.post(MESSAGES, ask("m"))
        self.assertEqual(response.headers["content-type"], "text/event-stream")
        text = zlib.decompress(response.body, wbits=31)
        self.assertTrue(b": ping\n\n" in text and text.startswith(b"event: message_start") and b"message_stop" in text)
        self.upstream.script("m", Answer("a", shape="json"))
        self.assertIn("choices", self.post(CHAT, ask("m", stream=True)).json)
        self.upstream.script("m", Answer(status=500, body="<html>", content_type="text/html"))
        response = self.post(CHAT, ask("m"))
        self.assertEqual((response.status, response.body), (500, b"<html>"))
        self.assertEqual(response.headers["content-type"], "text/html")

    def test_reused_connections_can_be_closed_without_a_byte(self):
        with Connection(self.upstream.url) as c:
            self.assertEqual(c.request("POST", CHAT, ask("any")).status, 200)
            self.upstream.close_reused = True
            self.addCleanup(setattr, self.upstream, "close_reused", False)
            with self.assertRaises(Closed):
                c.request("POST", CHAT, ask("any"))
        self.assertEqual(self.post(CHAT, ask("any")).status, 200)


if __name__ == "__main__":
    unittest.main()
