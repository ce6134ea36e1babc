"""How each provider says that it fails: statuses with their bodies, errors inside a stream, chunks that are none."""

import eventstream
from answers import Answer, Raw
from dialects import event

KINDS = {  # status: Anthropic's type, OpenAI's type, Bedrock's exception
    400: ("invalid_request_error", "invalid_request_error", "ValidationException"),
    401: ("authentication_error", "invalid_request_error", "UnrecognizedClientException"),
    403: ("permission_error", "invalid_request_error", "AccessDeniedException"),
    404: ("not_found_error", "invalid_request_error", "ResourceNotFoundException"),
    408: ("timeout_error", "timeout", "ModelTimeoutException"),
    429: ("rate_limit_error", "requests", "ThrottlingException"),
    500: ("api_error", "server_error", "InternalServerException"),
    503: ("overloaded_error", "server_error", "ServiceUnavailableException"),
    529: ("overloaded_error", "server_error", "ServiceUnavailableException"),
}


FAMILIES = {"openai-responses": "openai", "bedrock-invoke": "bedrock"}  # whose errors they have


def refused(dialect, status, message, code=None, headers=None):
    """An answer with this status and the dialect's own error body."""
    dialect = FAMILIES.get(dialect, dialect)
    anthropic, openai, bedrock = KINDS.get(status, KINDS[500 if status >= 500 else 400])
    body = {
        "anthropic": {"type": "error", "error": {"type": anthropic, "message": message}},
        "openai": {"error": {"message": message, "type": openai, "param": None, "code": code}},
        "bedrock": {"message": message},
    }[dialect]
    named = {}
    if dialect == "bedrock" and status in KINDS:
        named = {"x-amzn-errortype": bedrock + ":http://internal.amazon.com/coral/"}
    return Answer(status=status, body=body, headers=named | (headers or {}))


def used_up(dialect):
    """No waiting heals this one."""
    family = FAMILIES.get(dialect, dialect)
    if family == "openai":
        return refused(family, 429, "You exceeded your current quota.", code="insufficient_quota")
    if family == "anthropic":
        return refused(family, 400, "Your credit balance is too low to access the Anthropic API.")
    answer = refused(family, 400, "You have exceeded the service quota.")
    answer.headers["x-amzn-errortype"] = "ServiceQuotaExceededException"
    return answer


def in_band(dialect):
    """An error after HTTP 200."""
    if dialect == "openai-responses":
        return Raw(event({"type": "error", "code": "server_error", "message": "Overloaded", "param": None}, "error"))
    if dialect == "openai":
        return Raw(event({"error": {"message": "The server is overloaded", "type": "server_error", "code": None}}))
    if dialect == "anthropic":
        return Raw(event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error"))
    return Raw(eventstream.message("exception", "serviceUnavailableException", {"message": "Try again."}))


def malformed(dialect):
    """A chunk that is not what the protocol says."""
    if dialect == "openai-responses":
        return Raw(b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del\n\n')
    if dialect == "openai":
        return Raw(b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":\n\n')
    if dialect == "anthropic":
        return Raw(b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type"\n\n')
    delta = {"contentBlockIndex": 0, "delta": {"text": " wrong"}}
    return Raw(eventstream.with_wrong_crc(eventstream.message("event", "contentBlockDelta", delta)))


TOO_LONG = {
    "openai": "This model's maximum context length is 128000 tokens. However, your messages resulted in 210000 tokens.",
    "openai-responses": "Your input exceeds the context window of this model.",
    "anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "bedrock": "Input is too long for requested model.",
    "bedrock-invoke": "Input is too long for requested model.",
}
FILTERED = {
    "openai": "content_filter",
    "openai-responses": "content_filter",
    "anthropic": "refusal",
    "bedrock": "content_filtered",
    "bedrock-invoke": "refusal",
}
LENGTH = {
    "openai": "length",
    "openai-responses": "max_output_tokens",
    "anthropic": "max_tokens",
    "bedrock": "max_tokens",
    "bedrock-invoke": "max_tokens",
}
