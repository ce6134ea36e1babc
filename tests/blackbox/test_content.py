"""POST /chat with `content` and `tools`: results of tools, images and documents, at every provider."""

import base64
import json
import unittest

from answers import Answer, Tool
from harness import ServerCase
from websocket_case import WebSocketCase

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PROVIDERS = ("openai", "anthropic")
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not really").decode()
PDF = base64.b64encode(b"%PDF-1.4 not really").decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def text(words):
    return {"type": "text", "text": words}


def user(words):
    return {"role": "user", "content": [text(words)]}


def result(call, content="12 degrees", **members):
    return {"type": "tool_result", "tool_use_id": call, "content": content} | members


class ContentCase(ServerCase):
    def send(self, content, session, model, **members):
        return self.server.chat(None, session, content=content, model=model, **members)

    def blocks(self, session):
        return [m.get("blocks") for m in self.server.history(session)]


class ToolsTest(ContentCase):
    def call_a_tool(self, provider, session, **members):
        """A first turn whose answer calls the tool."""
        model = f"{provider}/tools-{session}"
        self.upstream.script(
            model.split("/")[1],
            Answer("Let me ", "see.", Tool("get_weather", ('{"city": ', '"Oslo"}'), id="call_A1")),
            Answer("It is 12 degrees."),
        )
        return model, self.server.chat("Is it warm in Oslo?", session, model=model, tools=[WEATHER], **members)

    def test_the_round_trip_of_a_tool(self):
        for provider in PROVIDERS:
            for stream in (False, True):
                with self.subTest(provider=provider, stream=stream):
                    session = f"trip-{provider}-{stream}"
                    model, response = self.call_a_tool(provider, session)
                    called = self.assert_answer(response, "Let me see.")
                    call = {"type": "tool_use", "id": "call_A1", "name": "get_weather", "input": {"city": "Oslo"}}
                    self.assertEqual(called["stop_reason"], "tool_use")
                    self.assertEqual(called["content"], [text("Let me see."), call])

                    if stream:
                        members = {"content": [result("call_A1")], "tools": [WEATHER], "model": model}
                        answer = self.server.stream(None, session, **members).finish().json
                    else:
                        answer = self.send([result("call_A1")], session, model, tools=[WEATHER]).json
                    self.assertEqual((answer["message"], answer["conversation_length"]), ("It is 12 degrees.", 4))
                    self.assertNotIn("content", answer)
                    self.assert_asked_with_result(provider, self.upstream.asked(model.split("/")[1])[-1].body)

                    self.assertEqual([m["content"] for m in self.server.history(session)][2], "")
                    stored = result("call_A1", [text("12 degrees")])
                    self.assertEqual(self.blocks(session)[1:3], [[text("Let me see."), call], [stored]])
                    turn = self.server.get(f"/sessions/{session}/turns/{called['turn_id']}").json
                    self.assertEqual(turn["content"], called["content"])

    def assert_asked_with_result(self, provider, body):
        if provider == "openai":
            self.assertEqual(body["tools"][0]["function"]["name"], "get_weather")
            self.assertEqual(body["tools"][0]["function"]["parameters"], WEATHER["input_schema"])
            assistant, tool = body["messages"][-2:]
            self.assertEqual(assistant["tool_calls"][0]["id"], "call_A1")
            self.assertEqual(json.loads(assistant["tool_calls"][0]["function"]["arguments"]), {"city": "Oslo"})
            self.assertEqual((tool["role"], tool["tool_call_id"], tool["content"]), ("tool", "call_A1", "12 degrees"))
        else:
            self.assertEqual(body["tools"][0]["input_schema"], WEATHER["input_schema"])
            assistant, user = body["messages"][-2:]
            self.assertEqual(assistant["content"][1]["input"], {"city": "Oslo"})
            block = user["content"][0]
            self.assertEqual((block["type"], block["tool_use_id"]), ("tool_result", "call_A1"))
            self.assertEqual(block["content"][0]["text"], "12 degrees")

    def test_a_stream_ends_with_the_call(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                session = f"streamed-{provider}"
                model = f"{provider}/tools-{session}"
                self.upstream.script(model.split("/")[1], Answer(Tool("get_weather", ('{"city":"Oslo"}',), id="c9")))
                answer = self.server.stream("?", session, model=model, tools=[WEATHER]).finish().json
                self.assertEqual(answer["message"], "")
                call = {"type": "tool_use", "id": "c9", "name": "get_weather", "input": {"city": "Oslo"}}
                self.assertEqual(answer["content"], [call])

    def test_the_choice_is_passed_on(self):
        wanted = {
            "openai": {"auto": "auto", "any": "required", "none": "none"},
            "anthropic": {"auto": {"type": "auto"}, "any": {"type": "any"}, "none": {"type": "none"}},
        }
        for provider in PROVIDERS:
            for choice, told in wanted[provider].items():
                with self.subTest(provider=provider, choice=choice):
                    model = f"{provider}/choice-{provider}-{choice}"
                    self.assert_answer(self.server.chat("x", model=model, tools=[WEATHER], tool_choice=choice))
                    self.assertEqual(self.upstream.asked(model.split("/")[1])[-1].body["tool_choice"], told)

    def test_a_session_with_tools_goes_on_at_the_other_provider(self):
        for first, second in (PROVIDERS, PROVIDERS[::-1]):
            with self.subTest(first=first):
                session = f"moves-{first}"
                self.call_a_tool(first, session)
                other = f"{second}/moves-{first}"
                self.assert_answer(self.send([result("call_A1")], session, other, tools=[WEATHER]))
                self.assert_asked_with_result(second, self.upstream.asked(f"moves-{first}")[-1].body)
                # and without tools, and to the first again
                self.assert_answer(self.server.chat("Thanks.", session, model=other))
                self.assert_answer(self.server.chat("Bye.", session, model=f"{first}/moves-back-{first}"))

    def test_a_call_without_a_result_does_not_break_the_session(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                session = f"orphan-{provider}"
                model, _ = self.call_a_tool(provider, session)
                self.assert_answer(self.server.chat("Never mind.", session, model=model), "It is 12 degrees.")
                messages = self.upstream.asked(model.split("/")[1])[-1].body["messages"]
                if provider == "openai":
                    self.assertEqual([m["role"] for m in messages[-3:]], ["assistant", "tool", "user"])
                else:
                    block = messages[-1]["content"][0]
                    self.assertEqual((block["type"], block["is_error"]), ("tool_result", True))

    def test_a_result_without_its_call_is_told_as_text(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                model = f"{provider}/late-{provider}"
                self.assert_answer(self.send([result("call_X", "forty-two")], f"late-{provider}", model))
                self.assertIn("forty-two", self.upstream.asked(f"late-{provider}")[-1].messages[-1][1])

    def test_arguments_that_are_no_json_are_a_string(self):
        self.upstream.script("broken", Answer(Tool("get_weather", ('{"city": "Os',), id="c1"), finish="tool_calls"))
        answer = self.server.chat("x", "broken", model="openai/broken", tools=[WEATHER]).json
        self.assertEqual(answer["content"][0]["input"], '{"city": "Os')
        self.assert_answer(self.send([result("c1", "?")], "broken", "anthropic/mends", tools=[WEATHER]))


class SocketTest(WebSocketCase):
    def test_the_round_trip_over_a_web_socket(self):
        self.upstream.script("ws", Answer(Tool("get_weather", ('{"city":"Oslo"}',), id="c1")), Answer("Warm."))
        ws, asked = self.socket(), {"type": "chat", "session_id": "ws", "model": "anthropic/ws", "tools": [WEATHER]}
        ws.send(asked | {"content": [text("Is it warm?"), IMAGE]})
        call = {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Oslo"}}
        self.assertEqual(ws.finish()["data"]["content"], [call])
        ws.send(asked | {"content": [result("c1")]})
        self.assertEqual(ws.finish()["data"]["message"], "Warm.")
        self.assertEqual(len(self.upstream.asked("ws")[-1].body["messages"]), 3)

    def test_what_is_wrong_is_said_with_its_place(self):
        ws = self.socket()
        ws.send({"type": "chat", "content": [text("")], "request_id": "r1"})
        frame = self.assert_error_frame(ws.until("error"), "invalid_request", "r1")
        self.assertIn("'content[0].text'", frame["message"])
        self.assert_alive(ws)


WIRES = ("openai", "anthropic", "openai-responses", "bedrock", "bedrock-invoke")


def gaps(wire, body):
    """What a strict provider would refuse in the calls and results of its request; none where they are in order."""
    if wire == "openai":
        open_calls, found = [], []
        for message in body["messages"]:
            if message["role"] == "tool":
                found += [] if message["tool_call_id"] in open_calls else ["a result without its call"]
                open_calls = [c for c in open_calls if c != message["tool_call_id"]]
            else:
                found += ["a call without its result"] * len(open_calls)
                open_calls = [c["id"] for c in message.get("tool_calls") or ()]
        return found + ["a call at the end"] * len(open_calls)
    if wire == "openai-responses":
        items = body["input"]
        calls = [i["call_id"] for i in items if i.get("type") == "function_call"]
        results = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
        return [] if calls == results else [f"calls {calls}, results {results}"]
    found, open_calls, role = [], [], "assistant"
    for message in body["messages"]:
        found += ["roles do not alternate"] if message["role"] == role else []
        role = message["role"]
        blocks = message["content"]
        if wire == "bedrock":
            calls = [b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b]
            results = [b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b]
        else:
            calls = [b["id"] for b in blocks if b["type"] == "tool_use"]
            results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        found += [] if results == open_calls else [f"calls {open_calls}, results {results}"]
        found += [] if blocks else ["an empty message"]
        open_calls = calls
    any_calls = "toolUse" in json.dumps(body["messages"]) or "tool_use" in json.dumps(body["messages"])
    declared = body.get("toolConfig") or body.get("tools")
    return found + (["calls, but no tools are declared"] if any_calls and not declared else [])


class GapsTest(unittest.TestCase):
    """The checker itself: it must be able to say no."""

    def test_it_finds_what_is_wrong(self):
        use, told = {"type": "tool_use", "id": "a"}, {"type": "tool_result", "tool_use_id": "a"}
        tools = {"tools": [WEATHER]}
        good = [user("x"), {"role": "assistant", "content": [use]}, {"role": "user", "content": [told]}]
        self.assertEqual(gaps("anthropic", {"messages": good} | tools), [])
        for wrong in ({"messages": good}, {"messages": good[1:]} | tools, {"messages": good[:2] + [user("x")]} | tools):
            self.assertTrue(gaps("anthropic", wrong))
        call, output = {"role": "assistant", "tool_calls": [{"id": "a"}]}, {"role": "tool", "tool_call_id": "a"}
        self.assertEqual(gaps("openai", {"messages": [user("x"), call, output]}), [])
        for wrong in ([user("x"), call], [user("x"), call, user("y"), output], [output]):
            self.assertTrue(gaps("openai", {"messages": wrong}))
        self.assertTrue(gaps("openai-responses", {"input": [{"type": "function_call", "call_id": "a"}]}))


class EveryWireTest(ContentCase):
    """A session whose every message goes to another provider, whoever began it."""

    @classmethod
    def start(cls, *arguments, env=None, **options):
        aws = {"AWS_BEARER_TOKEN_BEDROCK": "a-key", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": cls.upstream.url}
        return super().start(*arguments, env=aws | (env or {}), **options)

    def test_calls_results_and_images_go_everywhere(self):
        call = Answer("Let me see.", Tool("get_weather", ('{"city":"Oslo"}',), id="functions.get_weather:0"))
        for first in WIRES:
            session = f"wires-{first}"
            self.upstream.script(session, call)
            called = self.send([text("Is it warm?"), IMAGE], session, f"{first}/{session}", tools=[WEATHER]).json
            call_id = next(b["id"] for b in called["content"] if b["type"] == "tool_use")
            messages = [[result(call_id)], [text("And now?")], [text("Thanks.")], [text("Bye.")]]
            for wire, content in zip([w for w in WIRES if w != first], messages):
                with self.subTest(first=first, wire=wire):
                    model = f"{session}-{wire}"
                    tools = {"tools": [WEATHER]} if wire in ("anthropic", "bedrock") else {}
                    self.assert_answer(self.send(content, session, f"{wire}/{model}", **tools))
                    body = self.upstream.asked(model)[-1].body
                    self.assertEqual(gaps(wire, body), [], json.dumps(body)[:2000])
                    self.assertIn("12 degrees", json.dumps(body))
                    self.assertIn(PIXEL, json.dumps(body))


class MediaTest(ContentCase):
    def test_an_image_and_a_document_reach_the_provider_in_its_form(self):
        document = {
            "type": "document",
            "name": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        }
        for provider in PROVIDERS:
            with self.subTest(provider):
                session, model = f"media-{provider}", f"{provider}/media-{provider}"
                content = [text("What is this?"), IMAGE, document]
                self.assert_answer(self.send(content, session, model))
                self.assertEqual(self.server.history(session)[0]["content"], "What is this?")
                self.assertEqual(self.blocks(session)[0], content)
                self.assert_answer(self.server.chat("Sure?", session, model=model))  # and comes back in the history
                for request in self.upstream.asked(f"media-{provider}"):
                    parts = next(m["content"] for m in request.body["messages"] if m["role"] == "user")
                    if provider == "openai":
                        self.assertEqual(parts[1]["image_url"]["url"], "data:image/png;base64," + PIXEL)
                        self.assertEqual(parts[2]["file"]["file_data"], "data:application/pdf;base64," + PDF)
                    else:
                        self.assertEqual(parts[1]["source"], IMAGE["source"])
                        self.assertEqual((parts[2]["type"], parts[2]["source"]), ("document", document["source"]))

    def test_an_address_is_passed_on_and_never_fetched(self):
        image = {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}}
        for provider in PROVIDERS:
            with self.subTest(provider):
                self.assert_answer(self.send([text("?"), image], f"url-{provider}", f"{provider}/url-{provider}"))
                body = self.upstream.asked(f"url-{provider}")[-1].body
                self.assertIn("https://example.com/cat.png", json.dumps(body["messages"][-1]))

    def test_the_list_of_sessions_shows_the_text(self):
        self.assert_answer(self.send([IMAGE, text("A cat?")], "words", "openai/words"))
        found = [s for s in self.server.get("/sessions?limit=500").json["sessions"] if s["session_id"] == "words"]
        self.assertEqual(found[0]["first_words"], "A cat?")


class MalformedContentTest(ContentCase):
    def test_what_is_wrong_is_refused_with_its_place(self):
        url = {"type": "image", "source": {"type": "url", "url": "http://example.com/a.png"}}
        data = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "not base64!"}}
        cases = [
            ({"content": []}, "'content'"),
            ({"content": "text"}, "'content'"),
            ({"content": [text(" ")]}, "'content[0].text'"),
            ({"content": [text("x"), {"type": "video"}]}, "'content[1].type'"),
            ({"content": [text("x"), text("y"), data]}, "'content[2].source.data'"),
            ({"content": [url]}, "'content[0].source.url'"),
            ({"content": [text("x") | {"cache_control": {}}]}, "'content[0].cache_control'"),
            ({"content": [text("x")], "message": "x"}, "either"),
            ({"message": "x", "tools": {}}, "'tools'"),
            ({"message": "x", "tools": [{"name": "a b", "input_schema": {}}]}, "'tools[0].name'"),
            ({"message": "x", "tools": [{"name": "a", "input_schema": []}]}, "'tools[0].input_schema'"),
            ({"message": "x", "tool_choice": "any"}, "'tool_choice'"),
            ({"message": "x", "tools": [WEATHER], "tool_choice": {"name": "other"}}, "'tool_choice.name'"),
        ]
        for body, place in cases:
            with self.subTest(json.dumps(body)[:80]):
                response = self.server.request("POST", "/chat", body)
                self.assertIn(place, self.assert_error(response, 400, "invalid_request")["message"])

    def test_without_both_the_documented_error_comes(self):
        error = self.assert_error(self.server.request("POST", "/chat", b'{"content":null}'), 400, "invalid_request")
        self.assertEqual(error["error"], "Missing required parameter: message")

    def test_a_key_stands_for_its_content_and_tools(self):
        headers = {"idempotency-key": "content-1"}

        def send(**body):
            return self.server.request("POST", "/chat", body, headers=headers)

        first = send(content=[text("x"), IMAGE], tools=[WEATHER]).json
        self.assertEqual(send(content=[text("x"), IMAGE], tools=[WEATHER]).json["turn_id"], first["turn_id"])
        self.assertEqual(send(content=[text("x"), IMAGE]).status, 422)
        self.assertEqual(send(content=[text("y"), IMAGE], tools=[WEATHER]).status, 422)


if __name__ == "__main__":
    unittest.main()
