"""What turns cost: the answer's `cost`, `GET /usage`, its CSV, `tertulia usage`, and budgets."""

import csv
import datetime
import io
import json
import threading
import unittest

from answers import CUT, Answer, Thinking, Usage
from client import request
from crash_case import SOON, CrashCase, wait_saved
from fake_upstream import Held
from harness import Refused, ServerCase, run, wait_for

PRICES = [
    {"model": "openai/dear", "input": "3.00", "cache_read": "0.30", "cache_write": "3.75", "output": "15.00"},
    {"model": "openai/plain", "input": "0.50", "output": "2"},
    {"model": "anthropic/own", "input": "3.00", "cache_read": "0.30", "cache_write": "3.75", "output": "15.00"},
]
FIGURES = ["turns", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"]


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()


def row(*figures, usd, hedge_usd="0.000000000", **groups):
    return groups | dict(zip(FIGURES, figures, strict=True)) | {"usd": usd, "hedge_usd": hedge_usd}


class UsageTest(ServerCase):
    config = {"prices": PRICES}
    server_per_test = True

    def setUp(self):
        self.database = self.folder / f"{self.id()}.db"
        self.server = self.running(database=self.database)

    def chat(self, model, answer, session=None):
        self.upstream.script(model.partition("/")[2], answer)
        response = self.server.chat("x", session, model=model)
        return response

    def usage(self, query=""):
        response = self.server.get("/usage" + query)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def test_an_answer_says_what_it_cost(self):
        answer = self.chat("openai/dear", Answer("hi", usage=Usage(input=10, cache_read=100, output=5, reasoning=7))).json
        # 10 x 3000 + 100 x 300 + 12 x 15000 nano-dollars
        self.assertEqual(
            answer["cost"], {"usd": "0.000240000", "estimated": False, "price_version": "configuration"}
        )

    def test_each_class_has_its_own_price(self):
        answer = self.chat(
            "anthropic/own", Answer("hi", usage=Usage(input=1, cache_read=10, cache_write=100, output=1000))
        ).json
        self.assertEqual(answer["cost"]["usd"], "0.015381000")

    def test_a_shipped_price_has_the_tables_date(self):
        answer = self.chat("openai/gpt-5-mini", Answer("hi", usage=Usage(input=1, output=1))).json
        self.assertEqual(answer["cost"]["usd"], "0.000002250")
        self.assertRegex(answer["cost"]["price_version"], r"^20\d\d-\d\d-\d\d$")

    def test_an_unknown_price_is_said_and_not_guessed(self):
        answer = self.chat("openai/nobody-knows", Answer("hi", usage=Usage(input=1, output=1))).json
        self.assertEqual(answer["cost"], {"usd": None, "estimated": False, "price_version": None})
        total = self.usage()["total"]
        self.assertEqual((total["usd"], total["unpriced_turns"], total["turns"]), ("0.000000000", 1, 1))

    def test_a_cost_that_we_counted_ourselves_is_called_estimated(self):
        answer = self.chat("openai/dear", Answer("four words of text", usage=None)).json
        self.assertTrue(answer["cost"]["estimated"])
        self.assertNotEqual(answer["cost"]["usd"], "0.000000000")

    def test_a_stored_answer_says_the_same(self):
        first = self.chat("openai/dear", Answer("hi", usage=Usage(input=10, output=5)), "s").json
        turn = self.server.get(f"/sessions/s/turns/{first['turn_id']}").json
        self.assertEqual(turn["cost"], first["cost"])
        self.end(self.server)
        self.server = self.running(database=self.database)
        turn = self.server.get(f"/sessions/s/turns/{first['turn_id']}").json
        self.assertEqual(turn["cost"], first["cost"])

    def test_reports_add_up_to_the_nano_dollar(self):
        day = str(today())
        for session in ("a", "b"):
            self.chat("openai/dear", Answer("x", usage=Usage(input=10, cache_read=100, output=5, reasoning=7)), session)
        self.chat("openai/plain", Answer(Thinking("h"), "x", usage=Usage(input=3, output=2, reasoning=1)), "b")
        self.assertEqual(
            self.usage("?group_by=model,day"),
            {
                "rows": [
                    row(2, 20, 200, 0, 10, 14, usd="0.000480000", model="openai/dear", day=day),
                    row(1, 3, 0, 0, 2, 1, usd="0.000007500", model="openai/plain", day=day),
                ],
                "total": row(3, 23, 200, 0, 12, 15, usd="0.000487500"),
            },
        )
        rows = self.usage("?group_by=session")["rows"]
        self.assertEqual(
            [(r["session"], r["turns"], r["usd"]) for r in rows], [("a", 1, "0.000240000"), ("b", 2, "0.000247500")]
        )
        self.assertEqual(self.usage("?group_by=owner")["rows"][0]["owner"], "local")
        whole = self.usage()
        self.assertEqual(whole["rows"], [whole["total"]])

    def test_dates_bound_a_report(self):
        self.chat("openai/plain", Answer("x", usage=Usage(input=3, output=2)))
        day, yesterday, tomorrow = today(), today() - datetime.timedelta(1), today() + datetime.timedelta(1)
        for query, turns in (
            (f"?from={day}", 1),
            (f"?from={yesterday}&to={tomorrow}T23:59:59Z", 1),
            (f"?to={yesterday}", 0),
            (f"?from={tomorrow}", 0),
            ("?from=2020-01-01&to=2020-02-01T00:00:00%2B02:00", 0),
        ):
            with self.subTest(query):
                self.assertEqual(self.usage(query)["total"]["turns"], turns)

    def test_what_is_wrong_is_refused_with_what_is_allowed(self):
        for query, part in (
            ("group_by=month", "session, owner, model and day"),
            ("from=yesterday", "2024-11-22"),
            ("to=1", "2024-11-22"),
            ("from=2024-11-23&to=2024-11-22", "from"),
            ("format=xml", "csv"),
        ):
            with self.subTest(query):
                self.assert_error(self.server.get("/usage?" + query), 400, "invalid_request", part)

    def test_csv_has_the_members_as_columns(self):
        self.chat("openai/plain", Answer("x", usage=Usage(input=3, output=2)))
        response = self.server.get("/usage?group_by=model,day&format=csv")
        self.assertTrue(response.headers.get("content-type").startswith("text/csv"))
        table = list(csv.DictReader(io.StringIO(response.body.decode(), newline="")))
        expected = self.usage("?group_by=model,day")["rows"]
        self.assertEqual(table, [{name: str(value) for name, value in r.items()} for r in expected])

    def test_the_ledger_outlives_the_session(self):
        self.chat("openai/plain", Answer("x", usage=Usage(input=3, output=2)), "gone")
        before = self.usage("?group_by=session,model")
        self.assertEqual(request(self.server.url, "DELETE", "/sessions/gone").status, 204)
        self.assertEqual(self.usage("?group_by=session,model"), before)

    def test_a_cut_answer_is_billed_by_what_came(self):
        self.chat("openai/plain", Answer("some words of an answer", CUT))
        total = self.usage()["total"]
        self.assertEqual(total["turns"], 1)
        self.assertGreater(total["output_tokens"], 0)
        self.assertGreater(total["input_tokens"], 0)

    def test_a_cancelled_answer_is_billed_by_what_came(self):
        held = Held("some words of an answer", "never")
        self.upstream.script("plain", held.answer)
        stream = self.server.stream("x", "s", model="openai/plain")
        turn = stream.next().json["turn_id"]
        held.next()
        stream.until("text.delta")
        self.assertEqual(self.server.cancel("s", turn).status, 200)
        total = self.usage()["total"]
        self.assertEqual((total["turns"], total["output_tokens"]), (1, 6))
        self.assertGreater(total["input_tokens"], 0)

    def test_an_attempt_without_content_is_not_billed(self):
        self.chat("openai/plain", Answer(status=400, body={"error": {"message": "no"}}))
        self.assertEqual(self.usage()["total"]["turns"], 0)

    def test_the_command_prints_a_table(self):
        self.chat("openai/plain", Answer("x", usage=Usage(input=3, output=2)))
        code, output, errors = run("usage", "--server", self.server.url)
        self.assertEqual(code, 0, errors)
        self.assertEqual(
            [line.split() for line in output.splitlines()],
            [
                ["model", "day", "turns", "input", "output", "usd"],
                ["openai/plain", str(today()), "1", "3", "2", "0.000005500"],
                ["total", "1", "3", "2", "0.000005500"],
            ],
        )
        output = run("usage", "--server", self.server.url + "/", "--group-by", "", "--from", str(today()))[1]
        self.assertEqual([line.split() for line in output.splitlines()][1], ["1", "3", "2", "0.000005500"])
        output = run("usage", "--server", self.server.url, "--to", "2020-01-01")[1]
        self.assertIn("0.000000000", output)
        self.assertNotIn("openai/plain", output)

    def test_the_command_says_what_is_wrong(self):
        code, _, errors = run("usage", "--server", self.server.url, "--from", "yesterday")
        self.assertEqual(code, 2)
        self.assertIn("2024-11-22", errors)
        code, _, errors = run("usage", "--server", "http://127.0.0.1:1")
        self.assertEqual(code, 1)
        self.assertIn("127.0.0.1:1", errors)
        self.assertEqual(run("usage", "--server", "nonsense")[0], 2)


class CrashedUsageTest(CrashCase):
    config = {"prices": [{"model": "openai/told", "input": "1", "output": "2"}]}

    def test_what_a_crash_cut_is_billed_by_our_estimate(self):
        pieces = ("Es war einmal ", "ein Koenig, der hatte ", "drei Toechter.")
        self.begin(SOON, pieces=pieces, shown=2)
        wait_saved(self.database, pieces[1])
        self.crash()
        report = self.server.get("/usage?group_by=model,session").json
        self.assertEqual([(r["model"], r["session"]) for r in report["rows"]], [("openai/told", self.session)])
        total = report["total"]
        self.assertEqual(total["turns"], 1)
        self.assertEqual(total["output_tokens"], (len(pieces[0] + pieces[1]) + 3) // 4)
        self.assertGreater(total["input_tokens"], 0)
        nano = total["input_tokens"] * 1000 + total["output_tokens"] * 2000
        self.assertEqual(total["usd"], f"0.{nano:09}")

    def test_what_a_crash_cut_before_its_first_word_is_not_billed(self):
        self.begin(SOON, pieces=("never",), shown=0)
        self.crash()
        self.assertEqual(self.server.get("/usage").json["total"]["turns"], 0)


class PricesFileTest(ServerCase):
    server_per_test = True

    def write(self, version, price):
        path = self.folder / "prices.json"
        fresh = self.folder / "prices.new"
        fresh.write_text(json.dumps({"version": version, "prices": {"openai/m": {"input": price, "output": "1"}}}))
        fresh.rename(path)
        return path

    def cost(self, server):
        self.upstream.script("m", Answer("x", usage=Usage(input=1)))
        return server.chat("x", model="openai/m").json["cost"]

    def test_a_changed_file_is_taken_in_while_the_server_runs(self):
        path = self.write("one", "1")
        server = self.running(config={"prices_file": str(path)})
        self.assertEqual(self.cost(server), {"usd": "0.000001000", "estimated": False, "price_version": "one"})
        path.write_text("{")
        wait_for(lambda: "prices not reloaded" in server.log_text, "the broken file")
        self.assertEqual(self.cost(server)["price_version"], "one")
        self.write("two", "22")
        wait_for(lambda: "prices reloaded" in server.log_text, "the new file")
        self.assertEqual(self.cost(server), {"usd": "0.000022000", "estimated": False, "price_version": "two"})

    def test_a_broken_file_at_start_is_refused_by_name(self):
        path = self.write("one", "cheap")
        with self.assertRaises(Refused) as refused:
            self.running(config={"prices_file": str(path)})
        self.assertIn("openai/m", refused.exception.output)


class BudgetTest(ServerCase):
    server_per_test = True
    # 2 nano-dollars for a token of output, nothing for input: an answer of at most 50 tokens is 100.
    price = {"model": "openai/m", "input": "0", "output": "0.002"}

    def budgeted(self, *budgets, name="b"):
        config = {"prices": [self.price], "budgets": list(budgets), "max_tokens": 50}
        return self.running(config=config, database=self.folder / f"{self.id()}.{name}.db")

    def test_over_budget_is_402_with_what_is_left_and_when_it_is_renewed(self):
        server = self.budgeted({"owner": "*", "per": "day", "usd": "0.000000150"})
        self.upstream.script("m", Answer("x", usage=Usage(input=9, output=30)), Answer("y", usage=Usage(input=9, output=40)))
        self.assertEqual(server.chat("x", model="openai/m").status, 200)
        body = self.assert_error(server.chat("x", model="openai/m"), 402, "budget_exceeded")
        tomorrow = today() + datetime.timedelta(1)
        self.assertEqual(
            body["budget"], {"left_usd": "0.000000090", "renews_at": f"{tomorrow}T00:00:00.000000Z"}
        )
        streamed = server.chat("x", model="openai/m", stream=True)
        self.assert_error(streamed, 402, "budget_exceeded")

    def test_a_sessions_budget_is_its_own_and_never_renewed(self):
        server = self.budgeted({"session": "*", "per": "session", "usd": "0.000000100"})
        self.upstream.script("m", *[Answer("x", usage=Usage(output=50))] * 2)
        self.assertEqual(server.chat("x", "a", model="openai/m").status, 200)
        body = self.assert_error(server.chat("x", "a", model="openai/m"), 402, "budget_exceeded")
        self.assertEqual(body["budget"], {"left_usd": "0.000000000", "renews_at": None})
        self.assertEqual(server.chat("x", "b", model="openai/m").status, 200)

    def test_what_was_spent_is_known_after_a_restart(self):
        budget = {"owner": "*", "per": "month", "usd": "0.000000100"}
        server = self.budgeted(budget)
        self.upstream.script("m", Answer("x", usage=Usage(output=50)))
        self.assertEqual(server.chat("x", model="openai/m").status, 200)
        self.end(server)
        self.assert_error(self.budgeted(budget).chat("x", model="openai/m"), 402, "budget_exceeded")

    def test_under_a_budget_a_model_without_a_price_is_refused(self):
        server = self.budgeted({"owner": "*", "per": "day", "usd": "1"})
        self.assert_error(server.chat("x", model="openai/nobody-knows"), 400, "invalid_request", "openai/nobody-knows")

    def test_many_at_once_overspend_by_nothing(self):
        server = self.budgeted({"owner": "*", "per": "day", "usd": "0.000001000"})
        self.upstream.script("m", *[Answer("x", usage=Usage(output=50))] * 200)
        statuses = []

        def ask(number):
            statuses.append(server.chat("x", f"s{number}", model="openai/m").status)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(set(statuses)), [200, 402])
        self.assertEqual(statuses.count(200), 10)
        self.assertEqual(server.get("/usage").json["total"]["usd"], "0.000001000")


if __name__ == "__main__":
    unittest.main()
