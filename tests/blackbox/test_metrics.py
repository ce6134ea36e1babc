"""GET /metrics, /healthz, /readyz."""

import unittest

import prometheus_text
from answers import CUT, Answer, Usage
from harness import KEY, ServerCase


class MetricsTest(ServerCase):
    def scrape(self):
        response = self.server.get("/metrics")
        self.assertEqual(response.status, 200)
        self.assertTrue(response.headers["content-type"].startswith("text/plain"), response.headers)
        kinds, samples = prometheus_text.parse(response.body.decode())
        prometheus_text.check_histograms(kinds, samples)
        return kinds, samples

    def test_it_is_well_formed_and_every_name_is_ours(self):
        self.server.chat("x")
        kinds, samples = self.scrape()
        self.assertTrue(samples)
        for name, kind in kinds.items():
            self.assertTrue(name.startswith(("tertulia_", "process_")), name)
            if kind == "counter":
                self.assertTrue(name.endswith("_total"), name)

    def test_the_counts_move_with_what_happens(self):
        self.upstream.script("counted", Answer("x", usage=Usage(input=100, output=7)))
        self.upstream.script("cut", Answer("x", CUT))
        self.server.chat("x", model="openai/counted")
        before = self.scrape()[1]
        for _ in range(3):
            self.server.chat("x", model="openai/counted")
        self.server.chat("x", model="openai/cut")
        self.server.request("GET", "/nowhere")
        after = self.scrape()[1]

        def moved(*args, **labels):
            return prometheus_text.total(after, *args, **labels) - prometheus_text.total(before, *args, **labels)

        self.assertEqual(moved("tertulia_turns_total", end="completed"), 3)
        self.assertEqual(moved("tertulia_turns_total", end="failed"), 1)
        requests = [n for n, _ in after if "request" in n and n.endswith("_total")]
        self.assertTrue(requests, "no counter of requests")
        self.assertGreaterEqual(moved(requests[0]), 5)
        tokens = [n for n, _ in after if "tokens" in n and n.endswith("_total")]
        self.assertTrue(tokens, "no counter of tokens")
        self.assertGreaterEqual(moved(tokens[0]), 3 * 107)

    def test_what_operators_need_is_there(self):
        self.server.chat("x")
        self.server.stream("x").finish()
        kinds, _ = self.scrape()
        for part in ("request", "turn", "first_token", "tokens", "store"):
            self.assertTrue([n for n in kinds if part in n], part)
        self.assertTrue([n for n, kind in kinds.items() if kind == "histogram" and "second" in n], "no latencies")

    def test_labels_do_not_grow_with_what_clients_send(self):
        for i in range(30):
            self.server.request("GET", f"/made-up-path-{i}")
            self.server.chat("x", f"made-up-session-{i}")
        text = self.server.get("/metrics").body.decode()
        self.assertNotIn("made-up", text)
        self.assertNotIn(KEY, text)

    def test_health_and_readiness(self):
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertEqual(self.server.get("/readyz").status, 200)


if __name__ == "__main__":
    unittest.main()
