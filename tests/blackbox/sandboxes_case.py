"""What tests of several sandboxes share: two of them over the same tables, as Lambda would have them."""

import dynamodb_local
from function_case import FUNCTION, FunctionCase
from harness import run
from needs import needs

MISSING = dynamodb_local.missing()


@needs(not MISSING, MISSING)
class SandboxesCase(FunctionCase):
    """What the function asks of itself goes to the second sandbox, `other`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.local = dynamodb_local.DynamoDbLocal().__enter__()
        cls.addClassCleanup(cls.local.__exit__)
        code, output, errors = run("create-tables", env=cls.local.environment())
        if code:
            raise AssertionError(f"create-tables ended with {code}: {output}{errors}")

    def begin_both(self, **env):
        ours = {
            "TERTULIA_STORE": "dynamodb:",
            "AWS_ENDPOINT_URL_DYNAMODB": self.local.url,
            "TERTULIA_LAMBDA_MARGIN_MS": "500",
            "TERTULIA_LAMBDA_SELF_INVOKE": FUNCTION,
        } | env
        self.begin(**ours)
        self.other, _ = self.start(**({"AWS_LAMBDA_MAX_CONCURRENCY": "8"} | self.aws.env | ours))
        self.aws.on_invoke = lambda _, payload: self.work.append(self.other.invoke(payload, self.worker_seconds))
        return ours

    def connections(self):
        """The connections in chat_meta, with their attributes."""
        items = self.local.call("Scan", TableName="chat_meta", ConsistentRead=True)["Items"]
        return {item["pk"]["S"].removeprefix("W#"): item for item in items if item["pk"]["S"].startswith("W#") and item["sk"]["S"] == "c"}

    def subscribers(self, session):
        """The connections that subscribe to a session."""
        key = {":p": {"S": f"W#local|{session}"}}
        found = self.local.call("Query", TableName="chat_meta", KeyConditionExpression="pk = :p", ExpressionAttributeValues=key,
                                ConsistentRead=True)
        return sorted(item["sk"]["S"] for item in found["Items"])
