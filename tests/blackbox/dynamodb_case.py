"""What the whole-server tests on DynamoDB share: servers whose sessions are in DynamoDB Local."""

import dynamodb_local
from harness import ServerCase, run
from needs import needs

MISSING = dynamodb_local.missing()


@needs(not MISSING, MISSING)
class DynamoCase(ServerCase):
    server_per_test = True
    arguments = ("--store", "dynamodb:")

    @classmethod
    def setUpClass(cls):
        cls.local = dynamodb_local.DynamoDbLocal().__enter__()
        cls.addClassCleanup(cls.local.__exit__)
        cls.env = cls.local.environment()
        code, output, errors = run("create-tables", env=cls.env)
        if code:
            raise AssertionError(f"create-tables ended with {code}: {output}{errors}")
        super().setUpClass()
