"""The documented table, as others read and write it: boto3, and the Python program that filled it first."""

import datetime
import os
import re
import sys
import unittest

from answers import Answer
from dynamodb_case import DynamoCase
from harness import run
from needs import needs

PACKAGES = os.environ.get("TERTULIA_TEST_PACKAGES")
PLACE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


class TablesTest(DynamoCase):
    def test_create_tables_may_be_repeated(self):
        code, output, _ = run("create-tables", env=self.env)
        self.assertEqual((code, output), (0, "chat_sessions: is there already\nchat_meta: is there already\n"))
        names = {"CHAT_SESSIONS_TABLE_NAME": "my-sessions", "CHAT_META_TABLE_NAME": "my-meta"}
        code, output, _ = run("create-tables", env=self.env | names)
        self.assertEqual((code, output), (0, "my-sessions: made\nmy-meta: made\n"))
        for table, keys in (("my-sessions", ["session_id", "timestamp"]), ("my-meta", ["pk", "sk"])):
            described = self.local.call("DescribeTable", TableName=table)["Table"]
            self.assertEqual([key["AttributeName"] for key in described["KeySchema"]], keys)
            self.assertEqual(described["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
            ttl = self.local.call("DescribeTimeToLive", TableName=table)["TimeToLiveDescription"]
            self.assertEqual((ttl["TimeToLiveStatus"], ttl["AttributeName"]), ("ENABLED", "ttl"))

    def test_create_tables_says_what_is_wrong(self):
        code, _, errors = run("create-tables", env=self.env | {"CHAT_META_TABLE_NAME": "no name"})
        self.assertEqual(code, 1)
        self.assertIn('CHAT_META_TABLE_NAME: "no name" is no name of a DynamoDB table', errors)
        code, _, errors = run("create-tables", env=self.env | {"CHAT_META_TABLE_NAME": "chat_sessions"})
        self.assertEqual(code, 1)
        self.assertIn('There is a table "chat_sessions" with other keys', errors)

    def test_a_missing_table_is_named_in_the_error(self):
        server = self.running(env={"CHAT_SESSIONS_TABLE_NAME": "nowhere"})
        self.assert_error(server.chat("x", "s"), 503, "unavailable", "create-tables")


class DocumentedTableTest(DynamoCase):
    def documented(self, session):
        return [(item["role"], item["content"]) for item in self.local.items(session)]

    def test_a_plain_query_gives_the_conversation_in_its_order(self):
        server = self.running()
        for i in range(3):
            self.upstream.script("documented", Answer(f"answer {i}"))
            self.assert_answer(server.chat(f"question {i}", "plain", model="openai/documented"), f"answer {i}")
        items = self.local.items("plain")
        self.assertEqual([(item["role"], item["content"]) for item in items],
                         [pair for i in range(3) for pair in (("user", f"question {i}"), ("assistant", f"answer {i}"))])
        places = [item["timestamp"] for item in items]
        self.assertEqual(places, sorted(set(places)))
        for item in items:
            self.assertRegex(item["timestamp"], PLACE)
            self.assertRegex(item["created_at"], PLACE)
            self.assertEqual(item["session_id"], "plain")

    @needs(PACKAGES, "no boto3: TERTULIA_TEST_PACKAGES is not set")
    def test_boto3_reads_it(self):
        sys.path.append(PACKAGES)
        import boto3
        from boto3.dynamodb.conditions import Key

        server = self.running()
        self.upstream.script("boto", Answer("Grüße, 😀"))
        self.assert_answer(server.chat("What is \"machine\nlearning\"?", "boto", model="openai/boto"))
        table = boto3.resource("dynamodb", endpoint_url=self.local.url, region_name="eu-west-1", aws_access_key_id="a",
                               aws_secret_access_key="b").Table("chat_sessions")
        response = table.query(KeyConditionExpression=Key("session_id").eq("boto"), ScanIndexForward=True)
        self.assertEqual([(item["role"], item["content"]) for item in response["Items"]],
                         [("user", "What is \"machine\nlearning\"?"), ("assistant", "Grüße, 😀")])
        for item in response["Items"]:
            self.assertLessEqual({"session_id", "timestamp", "role", "content", "created_at"}, set(item))
        newest = table.query(KeyConditionExpression=Key("session_id").eq("boto"), ScanIndexForward=False, Limit=1)
        self.assertEqual(newest["Items"][0]["role"], "assistant")

    def test_a_megabyte_is_there_whole(self):
        server = self.running()
        text = "Grüße 😀 " * 50_000
        self.upstream.script("large", Answer("fine"))
        self.assert_answer(server.chat(text, "large", model="openai/large"), "fine")
        items = self.local.items("large")
        self.assertGreater(len(items), 2)
        self.assertEqual("".join(item["content"] for item in items), text + "fine")
        self.assertEqual({item["role"] for item in items[:-1]}, {"user"})
        user, assistant = server.history("large")
        self.assertEqual((user["content"], assistant["content"]), (text, "fine"))
        self.assertEqual(self.upstream.asked("large")[-1].messages[-1][1], text)


class PythonOriginalTest(DynamoCase):
    """Items with the five documented attributes alone, their times as Python's isoformat writes them."""

    FORMS = {
        "naive": ["2025-11-22T10:30:00", "2025-11-22T10:30:01.250000"],
        "aware": ["2025-11-22T10:30:00.000001+00:00", "2025-11-22T10:30:00.900000+00:00"],
        "mixed": ["2025-11-22T10:30:00+00:00", "2025-11-22T10:30:00.5+00:00"],
        "west": ["2025-11-22T10:30:00-05:00", "2025-11-22T10:30:07.000700-05:00"],
        "tomorrow": ["2999-01-01T00:00:00+00:00", "2999-12-31T23:59:59.999999+00:00"],
    }

    def fill(self, session, places):
        for place, role, content in zip(places, ("user", "assistant"), ("old question", "old answer")):
            item = {"session_id": session, "timestamp": place, "role": role, "content": content, "created_at": place}
            self.local.call("PutItem", TableName="chat_sessions", Item={name: {"S": value} for name, value in item.items()})

    def test_it_is_read_and_continued(self):
        server = self.running()
        for session, places in self.FORMS.items():
            with self.subTest(session):
                self.fill(session, places)
                self.assertEqual([(m["role"], m["content"], m["timestamp"]) for m in server.history(session)],
                                 [("user", "old question", places[0]), ("assistant", "old answer", places[1])])
                for i in range(2):
                    self.upstream.script("original", Answer(f"new answer {i}"))
                    answer = self.assert_answer(server.chat(f"new question {i}", session, model="openai/original"))
                    self.assertEqual(answer["conversation_length"], 4 + 2 * i)
                asked = self.upstream.asked("original")[-1].messages
                self.assertEqual([text for _, text in asked],
                                 ["old question", "old answer", "new question 0", "new answer 0", "new question 1"])
                items = self.local.items(session)
                self.assertEqual([item["content"] for item in items],
                                 ["old question", "old answer", "new question 0", "new answer 0", "new question 1", "new answer 1"])
                listed = {s["session_id"]: s for s in server.get("/sessions").json["sessions"]}
                self.assertEqual(listed[session]["message_count"], 6)

    def test_another_server_goes_on(self):
        self.fill("two", [datetime.datetime.now(datetime.timezone.utc).isoformat(), "2998"])
        for name in ("first", "second"):
            server = self.running()
            self.upstream.script("two", Answer(name))
            self.assert_answer(server.chat(name, "two", model="openai/two"), name)
        self.assertEqual([item["content"] for item in self.local.items("two")][2:], ["first", "first", "second", "second"])


if __name__ == "__main__":
    unittest.main()
