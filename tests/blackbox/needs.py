"""What a test needs beside the program. Where it is missing the test is left out, with one line; in CI it fails."""

import os
import unittest


def needs(thing, missing):
    """Decorates a test, or a class of tests, that needs `thing`; `missing` says so where it is none."""
    if thing or os.environ.get("CI") != "true":
        return unittest.skipUnless(thing, f"left out: {missing}")

    def fail(*_):
        raise AssertionError(missing)

    def failing(test):
        if not isinstance(test, type):
            return lambda self: fail()
        test.setUpClass = classmethod(fail)
        return test

    return failing
