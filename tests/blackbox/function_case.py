"""What tests of the function share that calls other services of AWS: the program as a Lambda function, with fakes of all
that is around it."""

import json

from fake_aws import FakeAws
from lambda_case import LambdaCase

FUNCTION = "chat-worker"


def socket_event(kind, connection, **more):
    """An event of a WebSocket API as API Gateway sends it."""
    context = {
        "routeKey": {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}.get(kind, "$default"),
        "eventType": kind,
        "extendedRequestId": "x=",
        "requestTime": "20/Jan/2024:11:55:00 +0000",
        "messageDirection": "IN",
        "stage": "prod",
        "connectedAt": 1705751697419,
        "requestTimeEpoch": 1705751700453,
        "identity": {"sourceIp": "203.0.113.7"},
        "requestId": "r=",
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        "connectionId": connection,
        "apiId": "abc",
    }
    return {"requestContext": context | more.pop("context", {}), "isBase64Encoded": False} | more


class FunctionCase(LambdaCase):
    """A sandbox with eight invocations at a time; what it asks of itself comes back to it."""

    def setUp(self):
        super().setUp()
        self.work, self.worker_seconds, self.messages = [], 900, 0  # its invocations by itself
        self.aws = FakeAws(lambda function, payload: self.work.append(self.runtime.invoke(payload, self.worker_seconds)))
        self.addCleanup(lambda: self.assertEqual(self.aws.problems, []))
        self.addCleanup(self.aws.close)

    def begin(self, **env):
        ours = {"AWS_LAMBDA_FUNCTION_NAME": FUNCTION, "AWS_LAMBDA_MAX_CONCURRENCY": "8"}
        self.runtime, self.function = self.start(**(ours | self.aws.env | env))

    def invoke(self, event, seconds=30):
        return self.ask(self.runtime, event, seconds=seconds)

    def configure(self, text):
        """A configuration file; the variable that names it."""
        file = self.folder / "tertulia.toml"
        file.write_text(text)
        return {"TERTULIA_CONFIG": str(file)}

    # -- WebSockets

    def connect(self, name, **event):
        """A client that was let in."""
        client = self.aws.client(name)
        answer = self.invoke(socket_event("CONNECT", name, headers={}, **event))
        self.assertEqual(answer.payload["statusCode"], 200, answer.payload)
        return client

    def send(self, client, message, **context):
        """The event of a client's message; its answer."""
        self.messages += 1
        text = message if isinstance(message, str) else json.dumps(message)
        context = {"messageId": f"m{self.messages}="} | context
        answer = self.invoke(socket_event("MESSAGE", client.id, body=text, context=context))
        self.assertEqual(answer.payload, {"statusCode": 200})
        return answer
