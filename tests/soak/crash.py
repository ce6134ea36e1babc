#!/usr/bin/env python3
"""kill -9 at random moments under many streams, again and again, on one database; and whether every promise held.

    TERTULIA_BINARY=... ./crash.py [--rounds 100] [--streams 50] [--seed N]

A round: start the server, look at everything that the last kill cut off, send until all streams are under way, kill.
What must hold: no acknowledged message lost, none twice; every turn ended; every resumed text goes on exactly from what
its reader had; no event number with two meanings; continued answers whole. Exit status 0 when all of it did.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import pathlib
import random
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))
from answers import Answer, Pause  # noqa: E402
from client import TERMINAL, Closed, Response  # noqa: E402
from harness import ENDED, ServerCase  # noqa: E402

OPTIONS = argparse.Namespace(rounds=100, streams=50, seed=None)
CHECKPOINTS = {"interval_ms": 40, "bytes": 400}
PROVIDERS = ("openai", "anthropic")
MESSAGE = re.compile(r"round \d+, client \d+, message \d+")


def pieces(message):
    """What the model says to a message: always the same. No piece ends with a blank."""
    chance = random.Random(hashlib.sha256(message.encode()).digest())
    return [f" {chance.choice(('wort', 'été', '日本語', '😀', 'x' * 90))}{i}" for i in range(chance.randrange(3, 60))]


def whole(message):
    return "".join(pieces(message))


def model(request):
    """The upstream's answer, or the rest of one that it had begun."""
    said = request.messages
    place = max(i for i, (role, text) in enumerate(said) if role == "user" and MESSAGE.search(text))
    message = MESSAGE.findall(said[place][1])[-1]
    begun = said[place + 1][1] if len(said) > place + 1 else ""
    assert whole(message).startswith(begun), (message, begun)
    items = []
    for piece in pieces(message):
        rest, begun = piece[len(begun) :], begun[len(piece) :]
        items += [rest, Pause(0.02)] if rest else []
    return Answer(*items)


class Send:
    """One message that one client sent, and what it was told of it."""

    def __init__(self, session, message, key):
        self.session, self.message, self.key = session, message, key
        self.turn, self.events, self.answer = None, [], None

    @property
    def text(self):
        text = ""
        for _, name, data in self.events:
            if name in ("text.delta", "text.replaced"):
                text = data["text"] if name == "text.replaced" else text + data["text"]
        return text


class Client(threading.Thread):
    """Sends to sessions that it shares with one other until the server is gone; every third message waits for JSON."""

    def __init__(self, ledger, server, round_number, number):
        super().__init__(daemon=True)
        self.ledger, self.server, self.round, self.number = ledger, server, round_number, number
        self.under_way, self.problem = threading.Event(), None

    def run(self):
        try:
            for i in range(10_000):
                session = f"s{self.number // 2}-{i % 2}" if i else f"s{self.number}-new{self.round}"
                message = f"round {self.round}, client {self.number}, message {i}"
                send = Send(session, message, f"{self.round}-{self.number}-{i}")
                self.ledger.sends.append(send)
                self.send(send, stream=i % 3 < 2)
        except (Closed, OSError, StopIteration):
            pass  # the server is gone
        except Exception as problem:  # noqa: BLE001: shown by the round
            self.problem = repr(problem)
        self.under_way.set()

    def send(self, send, stream):
        fields = {"model": f"{PROVIDERS[self.number % 2]}/soak", "headers": {"idempotency-key": send.key}}
        if not stream:
            response = self.server.chat(send.message, send.session, timeout=60, **fields)
            assert response.status == 200, response.body
            send.turn, send.answer = response.json["turn_id"], response.json["message"]
            return
        reader = self.server.stream(send.message, send.session, timeout=60, **fields)
        assert not isinstance(reader, Response), reader.body
        try:
            while not reader.events or reader.events[-1].name not in TERMINAL:
                event = reader.next()
                if event.name != ":":
                    send.events.append((event.id, event.name, event.json))
                    send.turn = event.json.get("turn_id", send.turn)
                    self.under_way.set()
            assert event.name == "turn.completed", event
            send.answer = event.json["message"]
        finally:
            reader.close()


class Ledger:
    """Everything that was ever sent and seen."""

    def __init__(self):
        self.sends, self.known = [], {}
        self.counts = collections.Counter()

    def note(self, case, events):
        for id_, name, data in events:
            case.assertEqual(self.known.setdefault(id_, (name, data)), (name, data), f"{id_} means two things")


class CrashSoak(ServerCase):
    server_per_test = True
    config = {"checkpoints": CHECKPOINTS, "limits": {"keep_log_ms": 500}}

    def test_nothing_is_lost(self):
        seed = OPTIONS.seed if OPTIONS.seed is not None else time.time_ns() % 1_000_000
        print(f"seed {seed}, {OPTIONS.rounds} rounds, {OPTIONS.streams} streams", flush=True)
        chance, self.ledger, checked = random.Random(seed), Ledger(), 0
        self.upstream.script("soak", model)
        for round_number in range(OPTIONS.rounds):
            server = self.start(database=self.folder / "soak.db")
            self.addCleanup(server.kill)
            counts = self.check(server, self.ledger.sends[checked:])
            checked = len(self.ledger.sends)
            clients = [Client(self.ledger, server, round_number, i) for i in range(OPTIONS.streams)]
            for client in clients:
                client.start()
            for client in clients:
                self.assertTrue(client.under_way.wait(60))
            time.sleep(chance.random() * 0.8)  # the moment of the kill
            server.process.kill()
            server.wait()
            for client in clients:
                client.join(60)
            self.assertEqual([c.problem for c in clients if c.problem or c.is_alive()], [])
            print(
                f"round {round_number + 1}: {len(self.ledger.sends) - checked} sent; of the last: {dict(counts)}",
                flush=True,
            )
        server = self.running(database=self.folder / "soak.db")
        self.check(server, self.ledger.sends[checked:])
        self.check_histories(server)
        print(f"{len(self.ledger.sends)} messages, {dict(self.ledger.counts)}: all as promised", flush=True)

    def check(self, server, sends):
        """What the kill cut off: resumed, then made whole or sent again."""
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            places = range(len(sends))
            counts = collections.Counter(pool.map(self.check_send, [server] * len(sends), sends, places))
        self.ledger.counts.update(counts)
        return counts

    def check_send(self, server, send, place):
        if send.answer is not None:
            return "answered"
        state = self.check_resumed(server, send) if send.turn else "unheard"
        if place % 2 or state == "unheard":
            self.send_again(server, send)
        elif state == "interrupted":
            self.make_whole(server, send)
        return state

    def check_resumed(self, server, send):
        seen, text = list(send.events), send.text
        reader = server.events(send.session, send.turn, seen[-1][0])
        if isinstance(reader, Response):
            if seen[-1][1] == "turn.queued" and reader.status == 404:
                return "never begun"  # it was not part of the session yet
            self.fail(f"{send.turn} after {seen[-1]}: {reader.status} {reader.body}")
        end = reader.finish()
        self.ledger.note(self, seen + reader.seen)
        send.events += reader.seen
        stored = server.turn(send.session, send.turn).json
        self.assertIn(stored["state"], ENDED)
        self.assertEqual(end.name, "turn." + stored["state"])
        self.assertEqual(send.text, stored["message"])
        self.assertTrue(whole(send.message).startswith(send.text), (send.message, send.text))
        replaced = [e for e in reader.seen if e[1] == "text.replaced"]
        self.assertTrue(replaced or send.text.startswith(text), "what was shown is gone without a word")
        if stored["state"] == "completed":
            self.assertEqual(send.text, whole(send.message))
        first = server.events(send.session, send.turn)  # another device, from the beginning
        first.finish()
        self.ledger.note(self, first.seen)
        self.assertEqual(first.text, send.text)
        reader.close(), first.close()
        return stored["state"]

    def make_whole(self, server, send):
        count = len(server.history(send.session))
        response = server.go_on(send.session, send.turn)
        while response.status == 409 and "retry_after_ms" in response.json:  # the other one's is being answered
            server.wait_idle(send.session)
            response = server.go_on(send.session, send.turn)
        if response.status == 409 and count < len(server.history(send.session)):
            return  # the other one's message came first
        self.assertEqual((response.status, response.json.get("message")), (200, whole(send.message)), response.body)
        send.answer = response.json["message"]

    def send_again(self, server, send):
        """The same key: the turn that was, or a first one; never a second message."""
        fields = {
            "model": f"{PROVIDERS[int(send.key.split('-')[1]) % 2]}/soak",
            "headers": {"idempotency-key": send.key},
        }
        response = server.chat(send.message, send.session, timeout=60, **fields)
        if response.status == 200:
            self.assertEqual(response.json["message"], whole(send.message))
            send.answer = response.json["message"]
        else:
            self.assertIn(response.status, (409, 503), response.body)

    def check_histories(self, server):
        by_session = collections.defaultdict(list)
        for send in self.ledger.sends:
            by_session[send.session].append(send)
        for session, sends in by_session.items():
            messages = server.history(session)
            self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2), session)
            stored = {}
            for user, answer in zip(messages[::2], messages[1::2]):
                # Sent again after it had got no answer at all, and another message had come between.
                unanswered = {"content": "", "state": "interrupted"}
                before = stored.get(user["content"], unanswered)
                self.assertLessEqual(unanswered.items(), before.items(), f"{session}: twice")
                stored[user["content"]] = answer
            self.assertLessEqual(set(stored), {send.message for send in sends})
            for send in sends:
                if send.answer is not None:
                    self.assertEqual(
                        (stored[send.message]["content"], stored[send.message]["state"]), (send.answer, "completed")
                    )
                elif any(name == "turn.started" for _, name, _ in send.events):
                    self.assertIn(send.message, stored, "acknowledged and lost")
            for message, answer in stored.items():
                self.assertIn(answer["state"], ("completed", "interrupted"))
                self.assertTrue(whole(message).startswith(answer["content"]))
            if messages:
                self.assertIsNone(server.page(session).json["running"])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--streams", type=int, default=50)
    options.add_argument("--seed", type=int)
    OPTIONS = options.parse_args()
    unittest.main(argv=sys.argv[:1])
