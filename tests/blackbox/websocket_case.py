"""What the tests of /ws share."""

from harness import ServerCase
from ws import Refused, WebSocket


class WebSocketCase(ServerCase):
    def socket(self, **options):
        ws = WebSocket(self.server.url, **options)
        self.addCleanup(ws.drop)
        return ws

    def assert_error_frame(self, frame, code, request_id=None):
        self.assertEqual((frame["type"], frame["code"]), ("error", code), frame)
        for member in ("error", "message"):
            self.assertTrue(isinstance(frame[member], str) and frame[member], frame)
        if request_id:
            self.assertEqual(frame["request_id"], request_id)
        return frame

    def assert_alive(self, ws):
        ws.send({"type": "ping"})
        self.assertEqual(ws.until("pong")["type"], "pong")

    def reader(self, session, turn):
        stream = self.server.events(session, turn)
        stream.finish()
        return stream.seen

    def refused(self, **options):
        with self.assertRaises(Refused) as caught:
            self.socket(**options)
        return caught.exception.response
