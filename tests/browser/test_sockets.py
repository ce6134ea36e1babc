"""What a page's own JavaScript can do with the server: WebSocket, EventSource, and the example of docs/streaming.md."""

import http.server
import re
import threading
import unittest

from case import BrowserCase, wait_for

from answers import Answer
from cutting_proxy import CuttingProxy
from fake_upstream import Gate
from harness import ROOT

# A socket whose frames are kept in `frames`, and its close code in `close_code`.
SOCKET = """
    window.frames_kept = []; window.close_code = null;
    window.socket = new WebSocket(arguments[0], arguments[1] ?? []);
    socket.onmessage = (event) => frames_kept.push(JSON.parse(event.data));
    socket.onclose = (event) => { close_code = event.code; };
    return new Promise((go) => { socket.onopen = () => go(socket.protocol || true); socket.onerror = () => go(false); });"""


class EmptyPage(http.server.BaseHTTPRequestHandler):
    """Another origin's page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()

    def log_message(self, *_):
        pass


class SocketsTest(BrowserCase):
    def frames(self, of=None):
        frames = self.browser.run("return frames_kept")
        return [frame for frame in frames if of is None or frame["type"] == of]

    def wait_frame(self, kind):
        wait_for(lambda: self.frames(kind), f"a frame {kind}")
        return self.frames(kind)[-1]

    def open_socket(self, *protocols, url=None):
        return self.browser.run(SOCKET, (url or self.server.url).replace("http", "ws", 1) + "/ws", list(protocols))

    def send(self, frame):
        self.browser.run("socket.send(JSON.stringify(arguments[0]))", frame)

    def foreign_page(self):
        other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
        threading.Thread(target=other.serve_forever, daemon=True).start()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.browser.open("http://127.0.0.1:%d/" % other.server_port)

    def test_a_websocket_chats(self):
        gate = Gate()
        self.upstream.script("default", Answer("a ", gate, "b"))
        self.open("")
        self.assertEqual(self.open_socket("tertulia"), "tertulia")
        self.send({"type": "ping"})
        self.wait_frame("pong")
        self.send({"type": "chat", "message": "x", "session_id": self.session, "request_id": "mine"})
        delta = self.wait_frame("text.delta")
        self.assertEqual((delta["data"]["text"], delta["session_id"], delta["request_id"]), ("a ", self.session, "mine"))
        gate.open()
        completed = self.wait_frame("turn.completed")
        self.assertEqual(completed["data"]["message"], "a b")
        self.assertRegex(completed["id"], "^" + re.escape(completed["data"]["turn_id"]) + r":\d+$")
        self.assertEqual("".join(f["data"]["text"] for f in self.frames("text.delta")), "a b")
        self.send({"type": "dance"})
        self.assertEqual(self.wait_frame("error")["code"], "invalid_request")
        self.browser.run("socket.close(1000)")
        wait_for(lambda: self.browser.run("return close_code") == 1000, "the end of the socket")

    def test_a_websocket_of_a_foreign_page_is_refused(self):
        self.foreign_page()
        self.assertEqual(self.open_socket("tertulia"), False)
        wait_for(lambda: self.browser.run("return close_code") == 1006, "the refusal")

    def test_an_event_source_follows_a_session(self):
        self.upstream.script("default", Answer("Hello"))
        self.server.chat("first", self.session)
        self.open("")
        self.browser.run(
            """window.kept = []; window.source = new EventSource(`/sessions/${arguments[0]}/events`);
            for (const name of ["turn.started", "text.delta", "turn.completed"])
              source.addEventListener(name, (event) => kept.push([name, event.lastEventId, JSON.parse(event.data)]));
            return new Promise((go) => { source.onopen = () => go(true); });""",
            self.session,
        )
        turn = self.server.chat("second", self.session).json["turn_id"]
        kept = lambda: self.browser.run("return kept")  # noqa: E731
        wait_for(lambda: [k for k in kept() if k[0] == "turn.completed"], "the turn's events")
        self.assertEqual([name for name, _, _ in kept()], ["turn.started", "text.delta", "turn.completed"])
        self.assertTrue(all(at.startswith(turn + ":") for _, at, _ in kept()))
        self.browser.run("source.close()")

    def test_the_example_of_the_documentation_resumes_by_itself(self):
        text = (ROOT / "docs/streaming.md").read_text()
        example = re.search(r"```js\n(.*?)```", text, re.S)[1]
        self.assertLessEqual(len(example.strip().splitlines()), 24)
        proxy = CuttingProxy(self.server.url)
        self.addCleanup(proxy.close)
        gates = [Gate(), Gate()]
        self.upstream.script("default", Answer("one ", gates[0], "two ", gates[1], "three"))
        self.browser.open(proxy.url)
        self.browser.run(
            example + """
            window.shown = []; window.answer = null;
            ask("Count.", arguments[0], (text) => shown.push(text)).then((data) => { answer = data; }, (error) => { answer = String(error); });""",
            self.session,
        )
        shown = lambda: self.browser.run("return shown")  # noqa: E731
        wait_for(lambda: shown() == ["one "], "the first words")
        proxy.cut()
        gates[0].open()
        wait_for(lambda: shown() == ["one ", "one two "], "the next words, after the cut")
        gates[1].open()
        wait_for(lambda: self.browser.run("return answer"), "the end")
        self.assertEqual(self.browser.run("return answer.message"), "one two three")
        self.assertEqual(shown(), ["one ", "one two ", "one two three"])


class SocketTokenTest(BrowserCase):
    config = {"api_token": "for-the-socket"}

    def test_a_websocket_brings_its_token_as_a_subprotocol(self):
        self.open("")
        url = self.server.url.replace("http", "ws", 1) + "/ws"
        self.assertEqual(self.browser.run(SOCKET, url, ["tertulia"]), False)
        self.assertEqual(self.browser.run(SOCKET, url, ["tertulia", "tertulia.token.for-the-socket"]), "tertulia")


if __name__ == "__main__":
    unittest.main()
