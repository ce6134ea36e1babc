#include "tertulia/sessions/stored_answer.h"

#include <gtest/gtest.h>

#include <random>

#include "support/reader_outcome.h"
#include "support/recordings.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/sessions/turn_log.h"

namespace tertulia::sessions {
namespace {

using Kind = chat::AnswerEvents::Kind;

const TurnName name{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t"};

struct Step {
    Kind kind;
    std::uint32_t block;
    std::string text;
    std::string extra;
};
using Steps = std::vector<Step>;

struct Seen {
    EventKind kind;
    std::uint32_t number;
    std::uint32_t block;
    std::string text;
    std::string extra;
    bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& event, std::ostream* out) {
    *out << event.number << ":" << static_cast<int>(event.kind) << "/" << event.block << "'" << event.text << "'"
         << event.extra;
}

std::vector<Seen> read(const TurnLog& log, std::uint32_t after = 0) {
    std::vector<Seen> events;
    TurnLog::Place place{.after = after};
    EventBatch batch;
    while (true) {
        log.read(place, batch);
        if (batch.events.empty()) return events;
        for (const auto& event : batch.events)
            events.push_back({event.kind, event.number, event.block, std::string(batch.text(event.text)),
                              std::string(batch.text(event.extra))});
    }
}

std::string text_of(const std::vector<Seen>& events) {
    std::string text;
    for (const Seen& event : events) {
        if (event.kind == EventKind::text_replaced) text.clear();
        if (event.kind == EventKind::text || event.kind == EventKind::refusal || event.kind == EventKind::text_replaced)
            text += event.text;
    }
    return text;
}

// A turn's log as the turn writes it, and the answer that it stores.
class Told {
  public:
    explicit Told(const StoredMessage* before = nullptr, std::string maker = "maker")
        : maker_(std::move(maker)), before_(before) {
        log_.start({.model = "p/m"}, maker_);
        if (before) log_.replace_text(before->content);
    }
    void add(const Steps& steps) {
        for (const Step& step : steps) {
            chat::AnswerEvents events;
            events.add(step.kind, step.block, step.text, step.extra);
            log_.append(events);
        }
    }
    void add(const chat::AnswerEvents& steps) { log_.append(steps); }
    // Another model goes on, or begins anew, as a turn tells it.
    void reroute(std::string_view maker, bool anew = false) {
        const chat::Answer so_far = fold_answer(log_.record().bytes(), log_.bytes(), maker_, before_);
        const std::string kept = anew ? "" : chat::text_of(so_far.blocks);
        log_.change_maker(maker);
        if (kept.empty()) log_.restart();
        log_.reroute({.from = "p/m", .to = "q/n", .reason = "timed_out", .kept_chars = std::ssize(kept)});
        if (anew) log_.replace_text("");
    }
    // What a crash now would leave.
    StoredMessage interrupt() {
        std::uint32_t reserved = 0;
        TurnRemains remains;
        EXPECT_TRUE(remains.add(log_.take_checkpoint(5, true, reserved).data));
        StoredMessage stored{.role = chat::Role::assistant, .turn_id = "t"};
        fill_interrupted(stored, &remains, 1, before_);
        return stored;
    }

    StoredMessage finish() {
        chat::Answer answer = fold_answer(log_.record().bytes(), log_.bytes(), maker_, before_);
        EventRecord events = shown_events(log_.record().bytes());
        events.add({.kind = EventKind::usage, .number = log_.next_number()});
        events.add({.kind = EventKind::ended, .number = log_.next_number() + 1});
        StoredMessage stored{.role = chat::Role::assistant, .turn_id = "t"};
        stored.content = chat::text_of(answer.blocks);
        if (!answer.blocks.empty() && !chat::is_plain_text(answer.blocks)) stored.blocks = std::move(answer.blocks);
        stored.events = std::move(events).take();
        stored.outcome = TurnOutcome{.reroutes = reroutes_of(log_.record().bytes(), log_.bytes())};
        TurnResult result;
        result.message = stored.content;
        log_.finish(std::move(result), true);
        return stored;
    }
    const TurnLog& log() const { return log_; }

  private:
    TurnLog log_{std::make_shared<const TurnName>(name)};
    std::string maker_;
    const StoredMessage* before_;
};

// Where the turn runs in another process, and a reader has followed it up to any of its events, the stored answer goes
// on from there.
void expect_followed_whole(const Told& told, const StoredMessage& stored) {
    const TurnLog& live = told.log();
    const std::string texts(live.bytes().empty() && live.result() ? live.result()->message : live.bytes());
    EventRecord kept;
    std::size_t at = 0;
    EventEntry entry;
    for (EventCursor cursor; cursor.next(live.record().bytes(), entry);) {
        if (entry.kind == EventKind::usage || entry.kind == EventKind::ended) break;
        kept.add(entry);
        at += std::size_t(entry.text_size) + entry.extra_size;
        TurnLog followed(std::make_shared<const TurnName>(name));
        followed.follow();
        ASSERT_TRUE(followed.grow({.model = "p/m", .record = kept.bytes(), .bytes = texts.substr(0, at)}, true));
        EXPECT_EQ(followed.started()->model, "p/m");
        TurnLog::Place place;
        EventBatch batch;
        std::vector<Seen> seen;
        const auto read_on = [&] {
            for (followed.read(place, batch); !batch.events.empty(); followed.read(place, batch))
                for (const auto& event : batch.events)
                    seen.push_back({event.kind, event.number, event.block, std::string(batch.text(event.text)),
                                    std::string(batch.text(event.extra))});
        };
        read_on();
        auto shown = read(live);
        shown.resize(seen.size());
        ASSERT_EQ(seen, shown) << "as they were there";
        followed.fill(stored);
        read_on();
        ASSERT_EQ(text_of(seen), stored.content) << "followed up to " << kept.last_number();
        ASSERT_EQ(seen.back().kind, EventKind::ended);
        for (std::size_t i = 1; i < seen.size(); ++i) ASSERT_GT(seen[i].number, seen[i - 1].number);
        ASSERT_EQ(followed.result()->message, stored.content);
    }
}

// Wherever a reader of the live turn is cut off, the replay of what is stored makes its text whole.
void expect_whole_text(const Told& told, const StoredMessage& stored) {
    expect_followed_whole(told, stored);
    const auto live = read(told.log());
    const auto restored = TurnLog::restore(name, stored);
    EXPECT_EQ(restored->result()->message, stored.content);
    for (std::uint32_t seen = 0; seen <= live.back().number; ++seen) {
        auto joined = live;
        std::erase_if(joined, [=](const Seen& event) { return event.number > seen; });
        for (const Seen& event : read(*restored, seen)) joined.push_back(event);
        EXPECT_EQ(text_of(joined), stored.content) << "cut after " << seen;
        EXPECT_EQ(joined.back().kind, EventKind::ended);
        if (told.log().result()) EXPECT_EQ(joined.back(), live.back());
    }
}

// The replay of what is stored is what live readers saw, wherever it begins.
void expect_same_replay(const Told& told, const StoredMessage& stored) {
    const auto restored = TurnLog::restore(name, stored);
    const auto live = read(told.log());
    ASSERT_EQ(read(*restored), live);
    for (std::uint32_t after = 0; after <= live.back().number; ++after)
        ASSERT_EQ(read(*restored, after), read(told.log(), after)) << "after " << after;
    EXPECT_EQ(restored->result()->message, stored.content);
}

const std::vector<std::pair<std::string, Steps>>& answers() {
    static const std::vector<std::pair<std::string, Steps>> answers = {
        {"nothing", {}},
        {"one text", {{Kind::text, 0, "Hello", ""}, {Kind::text, 0, " world", ""}}},
        {"a refusal", {{Kind::refusal, 0, "No", ""}, {Kind::refusal, 0, ".", ""}}},
        {"thinking with its signature",
         {{Kind::thinking, 0, "hm", ""},
          {Kind::thinking, 0, " so", ""},
          {Kind::signature, 0, "c2ln", ""},
          {Kind::text, 1, "Yes", ""}}},
        {"a signature without thinking", {{Kind::signature, 0, "c2ln", ""}, {Kind::text, 1, "Yes", ""}}},
        {"thinking alone", {{Kind::thinking, 0, "hm", ""}}},
        {"several texts with a tool call between",
         {{Kind::text, 0, "Let me see. ", ""},
          {Kind::tool_call, 1, "search", "call_1"},
          {Kind::tool_arguments, 1, "{\"q\":", ""},
          {Kind::tool_arguments, 1, "1}", ""},
          {Kind::text, 2, "There.", ""}}},
        {"a tool call without arguments", {{Kind::tool_call, 0, "now", "call_1"}}},
        {"tool calls whose arguments come mixed",
         {{Kind::tool_call, 0, "a", "1"},
          {Kind::tool_call, 1, "b", "2"},
          {Kind::tool_arguments, 0, "{}", ""},
          {Kind::tool_arguments, 1, "{\"x\":1}", ""}}},
        {"two tool calls of one number",
         {{Kind::tool_call, 0, "a", "1"},
          {Kind::tool_arguments, 0, "{}", ""},
          {Kind::tool_call, 0, "b", "2"},
          {Kind::tool_arguments, 0, "{\"x\":1}", ""}}},
        {"tool calls without name and id", {{Kind::tool_call, 0, "", ""}, {Kind::tool_arguments, 0, "{}", ""}}},
        {"arguments without a call", {{Kind::tool_arguments, 3, "{}", ""}}},
        {"a native block", {{Kind::native, 0, "{\"type\":\"x\"}", ""}, {Kind::text, 1, "Done", ""}}},
        {"texts that take turns",
         {{Kind::text, 0, "a", ""}, {Kind::text, 1, "b", ""}, {Kind::text, 0, "c", ""}, {Kind::text, 1, "d", ""}}},
        {"thinking again after the text",
         {{Kind::thinking, 0, "hm", ""},
          {Kind::text, 1, "a", ""},
          {Kind::thinking, 2, "so", ""},
          {Kind::text, 3, "b", ""}}},
        {"thinking and text of one number", {{Kind::thinking, 0, "hm", ""}, {Kind::text, 0, "a", ""}}},
        {"empty steps", {{Kind::text, 0, "", ""}, {Kind::thinking, 1, "", ""}, {Kind::text, 0, "a", ""}}},
        {"characters of several bytes, cut anywhere",
         {{Kind::text, 0, "\xf0\x9f", ""}, {Kind::text, 0, "\x98\x80", ""}}},
    };
    return answers;
}

TEST(StoredAnswer, IsReplayedAsItWasTold) {
    for (const auto& [what, steps] : answers()) {
        SCOPED_TRACE(what);
        Told told;
        told.add(steps);
        expect_same_replay(told, told.finish());
    }
}

TEST(StoredAnswer, AContinuationIsReplayedAsItWasTold) {
    const std::vector<std::pair<std::string, StoredMessage>> beginnings = {
        {"text", {.content = "Once upon"}},
        {"text and more",
         {.content = "Let me see.",
          .blocks = {chat::Thinking{.text = "hm", .signature = "s", .maker = "maker"}, chat::Text{"Let me see."}}}},
        {"ends with a tool call",
         {.content = "See:",
          .blocks = {chat::Text{"See:"}, chat::ToolCall{.id = "1", .name = "f", .arguments = "{\"a"}}}},
    };
    for (const auto& [beginning, before] : beginnings)
        for (const auto& [what, steps] : answers()) {
            SCOPED_TRACE(testing::Message() << beginning << ", then " << what);
            Told told(&before);
            told.add(steps);
            const StoredMessage stored = told.finish();
            EXPECT_TRUE(stored.content.starts_with(before.content));
            expect_same_replay(told, stored);
        }
}

TEST(StoredAnswer, TextThatGoesOnGoesOnInTheSameBlock) {
    const StoredMessage before{.content = "Once upon"};
    Told told(&before);
    told.add({{Kind::text, 0, " a time", ""}});
    const StoredMessage stored = told.finish();
    EXPECT_EQ(stored.content, "Once upon a time");
    EXPECT_TRUE(stored.blocks.empty());
}

TEST(StoredAnswer, WhatCameBeforeANewBeginningIsNotKept) {
    for (const bool continues : {false, true}) {
        const StoredMessage before{.content = "Once upon"};
        Told told(continues ? &before : nullptr);
        told.add({{Kind::thinking, 0, "wrong", ""},
                  {Kind::signature, 0, "old", ""},
                  {Kind::restart, 0, "", ""},
                  {Kind::thinking, 0, "right", ""},
                  {Kind::text, 1, " a time", ""}});
        EXPECT_EQ(told.log().text(), continues ? "Once upon a time" : " a time");
        const StoredMessage stored = told.finish();
        EXPECT_EQ(stored.content, told.log().text());
        SCOPED_TRACE(continues);
        expect_whole_text(told, stored);
        for (const Seen& event : read(*TurnLog::restore(name, stored))) EXPECT_NE(event.text, "wrong");
    }
}

TEST(StoredAnswer, OfTwoModelsIsReplayedAsItWasTold) {
    const StoredMessage before{.content = "Once upon"};
    for (const StoredMessage* continued : {static_cast<const StoredMessage*>(nullptr), &before})
        for (const bool anew : {false, true})
            for (const auto& [what, steps] : answers())
                for (const auto& [then, more] : answers()) {
                    // Whose text has another order than its events.
                    if (what == "texts that take turns" || then == "texts that take turns") continue;
                    SCOPED_TRACE(what + (anew ? ", anew: " : ", goes on: ") + then + (continued ? ", continued" : ""));
                    Told told(continued);
                    told.add(steps);
                    const std::string kept = anew ? "" : told.log().text();
                    told.reroute("other", anew);
                    told.add(more);
                    const std::string text = told.log().text();
                    EXPECT_TRUE(text.starts_with(kept));
                    const StoredMessage interrupted = told.interrupt();
                    EXPECT_EQ(interrupted.content, text);
                    expect_whole_text(told, interrupted);
                    const StoredMessage stored = told.finish();
                    EXPECT_EQ(stored.content, text);
                    expect_whole_text(told, stored);
                    if (!kept.empty()) expect_same_replay(told, stored);
                    if (testing::Test::HasFailure()) return;
                }
}

TEST(StoredAnswer, EachModelsThoughtsAreItsOwn) {
    Told told(nullptr, "one");
    told.add({{Kind::thinking, 0, "hm", ""}, {Kind::signature, 0, "s1", ""}, {Kind::text, 1, "Hello ", ""}});
    told.reroute("two");
    told.add({{Kind::thinking, 0, "no", ""},
              {Kind::restart, 0, "", ""},
              {Kind::thinking, 0, "so", ""},
              {Kind::native, 2, "{}", ""},
              {Kind::text, 1, "world", ""}});
    const StoredMessage stored = told.finish();
    EXPECT_EQ(stored.content, "Hello world");
    EXPECT_EQ(stored.blocks, (std::vector<chat::ContentBlock>{
                                 chat::Thinking{.text = "hm", .signature = "s1", .maker = "one"}, chat::Text{"Hello "},
                                 chat::Thinking{.text = "so", .signature = "", .maker = "two"},
                                 chat::Native{.json = "{}", .maker = "two"}, chat::Text{"world"}}));
    expect_whole_text(told, stored);
}

TEST(StoredAnswer, OneThatSomebodyHasEditedIsGivenWhole) {
    for (const auto& [what, steps] : answers()) {
        if (steps.empty()) continue;  // no event's number is left for a text
        SCOPED_TRACE(what);
        for (const std::string edited : {"", "x", "something quite different that is longer than it was"}) {
            Told told;
            told.add(steps);
            StoredMessage stored = told.finish();
            stored.content = edited;
            stored.blocks.clear();
            const auto events = read(*TurnLog::restore(name, stored));
            EXPECT_EQ(text_of(events), edited);
            EXPECT_EQ(events.front().kind, EventKind::started);
            EXPECT_EQ(events.back().kind, EventKind::ended);
            EXPECT_EQ(events.back().number, read(told.log()).back().number);
            for (std::size_t i = 1; i < events.size(); ++i) EXPECT_GT(events[i].number, events[i - 1].number);
        }
    }
}

TEST(StoredAnswer, OneWithoutEventsIsReplayedAsOneText) {
    for (const std::string content : {"", "Hello"}) {
        const auto events = read(*TurnLog::restore(name, {.content = content}));
        EXPECT_EQ(text_of(events), content);
        EXPECT_EQ(events.size(), content.empty() ? 3u : 4u);
    }
}

// `in_order`: a block is whole before the next one begins.
Steps some_steps(unsigned seed, bool in_order = false) {
    std::mt19937 random(seed);
    Steps steps;
    std::uint32_t block = 0;
    for (std::size_t count = random() % 20; count-- > 0;) {
        static constexpr Kind kinds[] = {Kind::text,      Kind::text,           Kind::thinking, Kind::refusal,
                                         Kind::tool_call, Kind::tool_arguments, Kind::native,   Kind::signature};
        const Kind kind = kinds[random() % 8];
        if (random() % 3 == 0) block = in_order ? block + 1 : random() % 4;
        // Signatures follow their thinking.
        if (kind == Kind::signature && (steps.empty() || steps.back().kind != Kind::thinking)) continue;
        if (kind == Kind::signature) block = steps.back().block;
        steps.push_back({kind, block, std::string(random() % 4, static_cast<char>('a' + random() % 26)),
                         kind == Kind::tool_call ? std::string(random() % 3, 'i') : ""});
    }
    return steps;
}

TEST(StoredAnswer, AnySequenceOfModelsMakesEveryReadersTextWhole) {
    const StoredMessage before{.content = "Once"};
    for (unsigned seed = 0; seed < 1500; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        Told told(seed % 3 == 0 ? &before : nullptr);
        for (unsigned model = 0; model < 4; ++model) {
            if (model > 0) told.reroute(model % 2 ? "other" : "maker", random() % 3 == 0);
            if (random() % 3 == 0) told.add({{Kind::thinking, 0, "hm", ""}, {Kind::restart, 0, "", ""}});
            told.add(some_steps(random(), true));
        }
        const std::string text = told.log().text();
        const StoredMessage interrupted = told.interrupt();
        EXPECT_EQ(interrupted.content, text);
        expect_whole_text(told, interrupted);
        const StoredMessage stored = told.finish();
        EXPECT_EQ(stored.content, text);
        expect_whole_text(told, stored);
        if (testing::Test::HasFailure()) return;
    }
}

TEST(StoredAnswer, AnySequenceOfStepsIsReplayedAsItWasTold) {
    const StoredMessage before{.content = "Once"};
    for (unsigned seed = 0; seed < 1500; ++seed) {
        SCOPED_TRACE(seed);
        Told told(seed % 3 == 0 ? &before : nullptr);
        told.add(some_steps(seed));
        expect_same_replay(told, told.finish());
        if (testing::Test::HasFailure()) return;
    }
}

// Real answers, through the real readers, in pieces as a network may give them.
void replay_recordings(std::string_view kind, const std::vector<support::Recording>& recordings) {
    int streams = 0;
    for (const support::Recording& recording : recordings) {
        const std::string content_type(recording.headers.get("content-type"));
        if (recording.status != 200 || !content_type.starts_with("text/event-stream")) continue;
        SCOPED_TRACE(recording.name);
        Told told(nullptr, std::string(kind));
        const auto reader = support::make_reader(kind, content_type);
        chat::AnswerEvents step;
        bool began_anew = false;
        for (std::size_t at = 0; at < recording.body.size(); at += 61) {
            step.clear();
            const bool goes_on = reader->feed(recording.body.substr(at, 61), step).has_value();
            told.add(step);
            for (const auto& event : step.events()) began_anew |= event.kind == Kind::restart;
            if (!goes_on) break;
        }
        const StoredMessage stored = told.finish();
        EXPECT_EQ(stored.content, support::read_answer(kind, content_type, recording.body).text());
        expect_whole_text(told, stored);
        if (!began_anew) expect_same_replay(told, stored);
        ++streams;
    }
    EXPECT_GT(streams, 0);
}

TEST(StoredAnswer, RecordingsOfAnthropicAreReplayedAsTheyWereTold) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    replay_recordings(providers::anthropic_kind, support::load_recordings("anthropic", "messages"));
}

TEST(StoredAnswer, RecordingsOfOpenAiAreReplayedAsTheyWereTold) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    replay_recordings(providers::openai_chat_kind, support::load_recordings("openai", "chat"));
}

}  // namespace
}  // namespace tertulia::sessions
