"""Signature Version 4 of a request that came in, from AWS's specification alone. Pure."""

import hashlib
import hmac
import re
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"


class Wrong(Exception):
    """What is wrong with the signature."""


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def parts(authorization):
    """{"Credential", "SignedHeaders", "Signature"} of the field."""
    kind, _, rest = authorization.partition(" ")
    if kind != ALGORITHM:
        raise Wrong(f"{kind} in place of {ALGORITHM}")
    return dict(part.strip().split("=", 1) for part in rest.split(","))


def check(request, secret, region, service="bedrock"):
    """Raises Wrong unless `request` (an upstream_request.Request) is signed as it should be; the access key's id."""
    headers = request.headers
    given = parts(headers.get("authorization", ""))
    key_id, date, *scope = given["Credential"].split("/")
    if scope != [region, service, "aws4_request"] or not headers["x-amz-date"].startswith(date):
        raise Wrong(f"the scope {given['Credential']}")
    if headers["x-amz-content-sha256"] != hashlib.sha256(request.raw).hexdigest():
        raise Wrong("another body was signed")
    names = given["SignedHeaders"].split(";")
    missing = {"host", "content-type", *(n for n in headers if n.startswith("x-amz-"))} - set(names)
    if missing or names != sorted(names):
        raise Wrong(f"not signed: {missing}, or out of order: {names}")
    path, _, query = request.path.partition("?")
    canonical = [
        request.method,
        "/".join(urllib.parse.quote(segment, safe="-._~") for segment in path.split("/")),
        "&".join(sorted(query.split("&"))),
        *(f"{name}:{re.sub(' +', ' ', headers[name].strip())}" for name in names),
        "",
        ";".join(names),
        headers["x-amz-content-sha256"],
    ]
    to_sign = [
        ALGORITHM,
        headers["x-amz-date"],
        "/".join([date, *scope]),
        hashlib.sha256("\n".join(canonical).encode()).hexdigest(),
    ]
    signing_key = ("AWS4" + secret).encode()
    for part in (date, *scope):
        signing_key = digest(signing_key, part)
    if not hmac.compare_digest(digest(signing_key, "\n".join(to_sign)).hex(), given["Signature"]):
        raise Wrong("another signature than these:\n" + "\n".join(canonical))
    return key_id
