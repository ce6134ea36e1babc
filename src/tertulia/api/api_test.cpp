#include "tertulia/api/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tertulia/api/openapi.h"
#include "tests/support/test_service.h"

namespace tertulia::api {
namespace {

using test::FakeProvider;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// Keeps what a client would get. After `leaves_after` writes the client is gone.
class KeptAnswer final : public http::ResponseWriter {
  public:
    async::Task<bool> respond(http::Response response) override {
        head = std::move(response);
        co_return is_there();
    }
    async::Task<bool> start_stream(http::Response response) override {
        head = std::move(response);
        writes.push_back(head.body);
        co_return is_there();
    }
    async::Task<bool> write(std::string_view bytes) override {
        writes.emplace_back(bytes);
        co_return is_there();
    }
    async::Task<bool> finish() override {
        finished = true;
        co_return is_there();
    }
    bool started() const override { return head.status != 0; }

    std::string stream() const {
        std::string all;
        for (const std::string& bytes : writes) all += bytes;
        return all;
    }

    http::Response head{.status = 0, .content_type = {}, .headers = {}, .body = {}};
    std::vector<std::string> writes;
    std::size_t leaves_after = 1000;
    bool finished = false;

  private:
    bool is_there() const { return writes.size() < leaves_after; }
};

// The API on one worker, over the memory store and a scripted provider.
class ApiTest : public testing::Test, protected test::TestService {
  protected:
    static http::Request request(std::string method, std::string target, std::string body = {}) {
        http::Request request;
        request.method = std::move(method);
        request.target = std::move(target);
        request.path = request.target.substr(0, request.target.find('?'));
        request.body = std::move(body);
        request.id = "r_test";
        if (!request.body.empty()) request.headers.add("Content-Type", "application/json; charset=utf-8");
        return request;
    }

    // What becomes of a request that has a route.
    KeptAnswer answer(http::Request request, std::size_t leaves_after = 1000) {
        KeptAnswer kept;
        kept.leaves_after = leaves_after;
        worker.run_until_done([](Api& api, http::Request& request, KeptAnswer& kept) -> async::Task<void> {
            const http::Router::Match match = api.router().find(request);
            if (match.route) co_await match.route->handler(request, kept);
        }(api_, request, kept));
        return kept;
    }
    KeptAnswer chat(std::string body) { return answer(request("POST", "/chat", std::move(body))); }

    static boost::json::object json(const http::Response& response) {
        return boost::json::parse(response.body).as_object();
    }

    models::Readiness readiness_;
    Api::Parts parts_{
        .sessions = service, .readiness = readiness_, .random = base::system_random(), .log = log, .metrics = metrics};
    Api api_{parts_, {}};
};

TEST_F(ApiTest, a_message_is_answered_with_the_documented_members) {
    const KeptAnswer first = chat(R"({"message":"Hello","session_id":"s"})");
    EXPECT_EQ(first.head.status, 200);
    EXPECT_EQ(first.head.content_type, "application/json");
    const auto body = json(first.head);
    EXPECT_EQ(body.at("session_id"), "s");
    EXPECT_EQ(body.at("message"), "1 messages, the last: Hello");
    EXPECT_EQ(body.at("conversation_length"), 2);
    EXPECT_EQ(body.at("state"), "completed");
    EXPECT_EQ(json(chat(R"({"message":"again","session_id":"s"})").head).at("conversation_length"), 4);
}

TEST_F(ApiTest, what_is_wrong_with_a_request_is_answered_before_a_turn_begins) {
    http::Request untyped = request("POST", "/chat");
    untyped.body = R"({"message":"x"})";
    EXPECT_EQ(answer(untyped).head.status, 415);
    untyped.headers.add("Content-Type", "application/jsonp");
    EXPECT_EQ(answer(untyped).head.status, 415);
    for (const std::string body :
         {"{", "{}", R"({"message":"x","colour":"red"})", R"({"message":"x","model":"no/such"})"}) {
        const KeptAnswer kept = chat(body);
        EXPECT_EQ(kept.head.status, 400) << body;
        EXPECT_EQ(json(kept.head).at("code"), "invalid_request");
        EXPECT_EQ(json(kept.head).at("request_id"), "r_test");
        EXPECT_FALSE(json(kept.head).contains("turn_id"));
    }
    EXPECT_TRUE(provider->requests.empty());
}

TEST_F(ApiTest, a_turn_that_fails_is_named_so_that_it_can_be_found) {
    provider->script.push_back({.reads = {FakeProvider::text("Half")},
                                .failure = models::Failure{models::FailureKind::overloaded,
                                                           {.code = base::Errc::upstream_unavailable,
                                                            .message = "cut off",
                                                            .retry_after = std::chrono::milliseconds(1500)}}});
    const KeptAnswer failed = chat(R"({"message":"x","session_id":"s"})");
    EXPECT_EQ(failed.head.status, 503);
    EXPECT_EQ(failed.head.headers.get("retry-after"), "2");
    EXPECT_EQ(json(failed.head).at("session_id"), "s");
    const auto history = json(answer(request("GET", "/sessions/s/messages")).head);
    const auto& stored = history.at("messages").as_array();
    ASSERT_EQ(stored.size(), 2u);
    EXPECT_EQ(stored[1].at("turn_id"), json(failed.head).at("turn_id"));
    EXPECT_EQ(stored[1].at("content"), "Half");
    EXPECT_EQ(stored[1].at("state"), "failed");
}

TEST_F(ApiTest, a_stream_begins_with_its_head_and_ends_with_the_answer) {
    http::Request accepting = request("POST", "/chat", R"({"message":"x","session_id":"s"})");
    accepting.headers.add("Accept", "application/json, text/event-stream;q=0.5");
    for (const http::Request& asked : {accepting, request("POST", "/chat", R"({"message":"x","stream":true})")}) {
        const KeptAnswer kept = answer(asked);
        EXPECT_EQ(kept.head.status, 200);
        EXPECT_EQ(kept.head.content_type, "text/event-stream");
        EXPECT_EQ(kept.head.headers.get("cache-control"), "no-store");
        EXPECT_EQ(kept.head.headers.get("x-accel-buffering"), "no");
        EXPECT_TRUE(kept.finished);
        EXPECT_THAT(kept.stream(), AllOf(StartsWith("id: t_"), HasSubstr(":1\nevent: turn.started\n"),
                                         HasSubstr(":2\nevent: text.delta\n"), HasSubstr(":3\nevent: usage\n"),
                                         HasSubstr(":4\nevent: turn.completed\n")));
    }
}

TEST_F(ApiTest, a_failure_after_the_head_is_an_event) {
    provider->script.push_back(
        {.refusal = models::Failure{models::FailureKind::rejected,
                                    {.code = base::Errc::upstream_rejected, .message = "no such model"}}});
    const KeptAnswer kept = chat(R"({"message":"x","stream":true,"session_id":"s"})");
    EXPECT_EQ(kept.head.status, 200);
    EXPECT_THAT(kept.stream(),
                AllOf(HasSubstr("event: turn.failed\ndata: {\"error\":"),
                      HasSubstr("\"code\":\"upstream_rejected\",\"request_id\":\"r_test\",\"session_id\":\"s\"")));
    EXPECT_TRUE(kept.finished);
}

TEST_F(ApiTest, a_turn_that_cannot_begin_is_answered_without_a_stream) {
    const std::string large(4 * 40'000, 'x');
    models.add("small", {.provider = std::make_unique<FakeProvider>()});
    limits.set_window("small/m", 8192);
    const KeptAnswer kept = chat(R"({"stream":true,"model":"small/m","message":")" + large + "\"}");
    EXPECT_EQ(kept.head.status, 413);
    EXPECT_EQ(json(kept.head).at("code"), "too_large");
    EXPECT_FALSE(json(kept.head).contains("turn_id"));
    EXPECT_TRUE(kept.writes.empty());
}

TEST_F(ApiTest, a_client_that_leaves_does_not_stop_its_turn) {
    const KeptAnswer gone = answer(request("POST", "/chat", R"({"message":"x","stream":true,"session_id":"s"})"), 1);
    EXPECT_EQ(gone.writes.size(), 1u);
    EXPECT_FALSE(gone.finished);
    worker.run_until_done(drain());
    EXPECT_THAT(answer(request("GET", "/sessions/s/messages")).head.body, HasSubstr("1 messages, the last: x"));
}

TEST_F(ApiTest, sessions_are_listed_paged_and_deleted_once) {
    for (const char* session : {"a", "b", "c"}) chat(std::string(R"({"message":"x","session_id":")") + session + "\"}");
    const auto page = json(answer(request("GET", "/sessions?limit=2")).head);
    EXPECT_EQ(page.at("sessions").as_array().size(), 2u);
    EXPECT_EQ(page.at("sessions").at(0).at("session_id"), "c");
    const auto last =
        json(answer(request("GET", "/sessions?limit=2&after=" + std::string(page.at("next").as_string()))).head);
    EXPECT_EQ(last.at("sessions").at(0).at("session_id"), "a");
    EXPECT_TRUE(last.at("next").is_null());

    const auto messages = json(answer(request("GET", "/sessions/a/messages?limit=1")).head);
    EXPECT_EQ(messages.at("next"), messages.at("messages").at(0).at("timestamp"));
    EXPECT_EQ(answer(request("GET", "/sessions/a/messages?limit=0")).head.status, 400);
    EXPECT_EQ(answer(request("GET", "/sessions/a/messages?after=soon")).head.status, 400);
    EXPECT_EQ(answer(request("GET", "/sessions/no/messages")).head.status, 404);
    EXPECT_EQ(answer(request("GET", "/sessions/a%20b/messages")).head.status, 404);

    const KeptAnswer deleted = answer(request("DELETE", "/sessions/a"));
    EXPECT_EQ(deleted.head.status, 204);
    EXPECT_EQ(deleted.head.body + deleted.head.content_type, "");
    EXPECT_EQ(answer(request("DELETE", "/sessions/a")).head.status, 404);
}

TEST_F(ApiTest, readiness_says_what_is_waited_for) {
    EXPECT_EQ(answer(request("GET", "/readyz")).head.status, 200);
    readiness_.set_waiting("the local model loads");
    const KeptAnswer waiting = answer(request("GET", "/readyz"));
    EXPECT_EQ(waiting.head.status, 503);
    EXPECT_EQ(json(waiting.head).at("waiting_for"), "the local model loads");
    EXPECT_EQ(json(waiting.head).at("code"), "unavailable");
    EXPECT_EQ(answer(request("GET", "/healthz")).head.status, 200);
    readiness_.set_ready();
}

TEST_F(ApiTest, every_route_is_in_the_description_and_every_description_has_a_route) {
    std::set<std::string> described;
    for (const auto& path : boost::json::parse(openapi_json).at("paths").as_object())
        for (const auto& operation : path.value().as_object()) {
            std::string method(operation.key());
            std::ranges::transform(method, method.begin(), [](char c) { return char(c - 'a' + 'A'); });
            described.insert(method + " " + std::string(path.key()));
        }
    std::set<std::string> routed;
    for (const http::Router::Route& route : api_.router().routes()) routed.insert(route.method + " " + route.pattern);
    EXPECT_EQ(described, routed);
}

TEST_F(ApiTest, a_host_that_is_not_loopback_is_refused_where_that_is_checked) {
    http::Request asked = request("GET", "/healthz");
    asked.headers.add("Host", "evil.example");
    EXPECT_TRUE(api_.admit(asked).has_value());
    const Api checking(parts_, {.api_token = {}, .check_host = true, .cors_origins = {}});
    ASSERT_FALSE(checking.admit(asked).has_value());
    EXPECT_EQ(checking.admit(asked).error().code, base::Errc::forbidden);
    EXPECT_TRUE(checking.admit(request("GET", "/healthz")).has_value()) << "HTTP/1.0 without Host";
}

TEST_F(ApiTest, the_token_is_asked_for_everywhere_but_at_the_page_the_probes_and_preflights) {
    const Api guarded(
        parts_, {.api_token = base::Secret("s3cret"), .check_host = false, .cors_origins = {"https://app.example"}});
    for (const char* open : {"/", "/healthz", "/readyz"}) EXPECT_TRUE(guarded.admit(request("GET", open)).has_value());
    for (const char* closed : {"/chat", "/sessions", "/metrics", "/openapi.json", "/nowhere"}) {
        http::Request asked = request("GET", closed);
        EXPECT_FALSE(guarded.admit(asked).has_value()) << closed;
        asked.headers.add("Authorization", "Bearer s3cret");
        EXPECT_TRUE(guarded.admit(asked).has_value()) << closed;
    }
    http::Request preflight = request("OPTIONS", "/chat");
    preflight.headers.add("Origin", "https://app.example");
    preflight.headers.add("Access-Control-Request-Method", "POST");
    EXPECT_TRUE(guarded.admit(preflight).has_value());
    EXPECT_FALSE(api_.router().find(preflight).route) << "CORS is off";
    EXPECT_TRUE(guarded.router().find(preflight).route);
}

TEST_F(ApiTest, every_answer_names_its_request) {
    http::Response response;
    api_.decorate(request("GET", "/healthz"), response);
    EXPECT_EQ(response.headers.get("x-request-id"), "r_test");
    const http::Response unread = api_.refuse({.code = base::Errc::invalid_request, .message = "Bare LF."}, nullptr);
    EXPECT_THAT(std::string(unread.headers.get("x-request-id")), StartsWith("r_"));
    EXPECT_EQ(json(unread).at("request_id").as_string(), std::string(unread.headers.get("x-request-id")));
    response.status = 401;
    api_.decorate(request("GET", "/chat"), response);
    EXPECT_EQ(response.headers.get("www-authenticate"), "Bearer");
}

}  // namespace
}  // namespace tertulia::api
