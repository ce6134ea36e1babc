"""What the whole-server tests on DynamoDB share: servers whose sessions are in DynamoDB Local."""

import os
import unittest

import dynamodb_local
from harness import ServerCase, run

MISSING = dynamodb_local.missing()


def setUpModule():
    if MISSING and os.environ.get("CI") == "true":
        raise RuntimeError(MISSING)


@unittest.skipIf(MISSING, f"left out: {MISSING}")
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
