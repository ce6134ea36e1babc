"""What the tests of repeated requests share."""

from harness import ServerCase

REPLAYED = "idempotency-replayed"


def key(name):
    return {"idempotency-key": name}


def attempt(number):
    """What an official SDK says of its automatic retries; 0 is the first attempt."""
    return {"x-stainless-retry-count": str(number)}


class OnceCase(ServerCase):
    def asked(self, model):
        return len(self.upstream.asked(model))

    def assert_same(self, response, first, replayed=True):
        """A JSON answer that is the first one again."""
        self.assertEqual(self.assert_answer(response), first)
        self.assertEqual(response.headers.get(REPLAYED), "true" if replayed else None)

    def whole(self, stream):
        self.assertTrue(hasattr(stream, "finish"), getattr(stream, "body", None))
        stream.finish()
        return stream
