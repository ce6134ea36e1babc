"""Events as the fronts of a Lambda function send them."""

import base64
import json
import time
import urllib.parse


def as_text(body):
    return body if isinstance(body, str) or body is None else json.dumps(body)


def rest(method, path, body=None, headers=None, query="", stage="prod", **more):
    """API Gateway's REST API: `path` as the client sent it, without the stage."""
    fields = {"Content-Type": "application/json"} if body is not None else {}
    fields |= {"Host": "abc.execute-api.us-east-1.amazonaws.com"} | (headers or {})
    values = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {k: v if isinstance(v, str) else v[-1] for k, v in fields.items()},
        "multiValueHeaders": {k: [v] if isinstance(v, str) else v for k, v in fields.items()},
        "queryStringParameters": {k: v[-1] for k, v in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": {"proxy": path.strip("/")} if path.strip("/") else None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/{stage}{path}",
            "stage": stage,
            "requestId": "r",
            "requestTimeEpoch": int(time.time() * 1000),
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "test"},
            "apiId": "abc",
        },
        "body": as_text(body),
        "isBase64Encoded": False,
    } | more


def http(method, path, body=None, headers=None, query="", stage="$default", domain="abc.execute-api.us-east-1.amazonaws.com"):
    """An HTTP API (2.0); with url() of a function URL."""
    fields = {"content-type": "application/json"} if body is not None else {}
    fields |= {"host": domain} | (headers or {})
    prefix = "" if stage == "$default" else f"/{stage}"
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": prefix + path,
        "rawQueryString": query,
        "headers": fields,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": domain,
            "http": {"method": method, "path": prefix + path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "test"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": stage,
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": False,
    }
    if body is not None:
        event["body"] = as_text(body)
    return event


def url(method, path, body=None, **more):
    return http(method, path, body, domain="abc.lambda-url.us-east-1.on.aws", **more)


def encoded(event):
    """The same event with its body in base64."""
    return event | {"body": base64.b64encode((event["body"] or "").encode()).decode(), "isBase64Encoded": True}
