"""What a first user writes: a conversation as a Lambda function in Python, with boto3 and the provider's own SDK (PROVIDER: openai
or anthropic). The history is read, the model asked as a stream, both messages written."""

import datetime
import json
import os

import boto3

TABLE = boto3.resource("dynamodb").Table(os.environ.get("CHAT_SESSIONS_TABLE_NAME", "chat_sessions"))

if os.environ["PROVIDER"] == "anthropic":
    import anthropic

    client = anthropic.Anthropic()

    def ask(messages):
        with client.messages.stream(model="default", max_tokens=1024, messages=messages) as stream:
            return "".join(stream.text_stream)
else:
    import openai

    client = openai.OpenAI()

    def ask(messages):
        stream = client.chat.completions.create(model="default", messages=messages, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def handler(event):
    body = json.loads(event["body"])
    session = body["session_id"]
    key = boto3.dynamodb.conditions.Key("session_id").eq(session)
    items = TABLE.query(KeyConditionExpression=key, ConsistentRead=True)["Items"]
    messages = [{"role": item["role"], "content": item["content"]} for item in items]
    messages.append({"role": "user", "content": body["message"]})
    answer = ask(messages)
    for role, content in (("user", body["message"]), ("assistant", answer)):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        TABLE.put_item(Item={"session_id": session, "timestamp": now, "created_at": now, "role": role, "content": content})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "isBase64Encoded": False,
            "body": json.dumps({"session_id": session, "message": answer, "conversation_length": len(messages) + 1})}
