#include "tertulia/sessions/turn_checkpoint.h"

#include <gtest/gtest.h>

#include "tertulia/sessions/turn_log.h"

namespace tertulia::sessions {
namespace {

using Kind = chat::AnswerEvents::Kind;

const TurnName name{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t"};

std::shared_ptr<TurnLog> log() {
    auto log = std::make_shared<TurnLog>(std::make_shared<const TurnName>(name));
    log->start({.model = "p/m"}, "maker");
    return log;
}

void say(TurnLog& log, Kind kind, std::string_view text) {
    chat::AnswerEvents steps;
    steps.add(kind, 0, text);
    log.append(steps);
}

TurnRemains remains_of(TurnLog& log) {
    TurnRemains remains;
    std::uint32_t reserve = 0;
    EXPECT_TRUE(remains.add(log.take_checkpoint(100, true, reserve).data));
    return remains;
}

StoredMessage interrupted(const TurnRemains* remains, std::uint32_t first_number = 1,
                          const StoredMessage* before = nullptr) {
    StoredMessage answer{.role = chat::Role::assistant, .turn_id = "t", .model = "the session's"};
    fill_interrupted(answer, remains, first_number, before);
    return answer;
}

// `number kind 'text'` of what a reader after `number` is given.
std::vector<std::string> replay(const StoredMessage& answer, std::uint32_t after = 0) {
    static const std::map<EventKind, std::string> names{{EventKind::started, "started"},
                                                        {EventKind::text, "text"},
                                                        {EventKind::thinking, "thinking"},
                                                        {EventKind::text_replaced, "replaced"},
                                                        {EventKind::ended, "ended"}};
    const auto log = TurnLog::restore(name, answer);
    TurnLog::Place place{.after = after};
    EventBatch batch;
    log->read(place, batch);
    std::vector<std::string> lines;
    for (const auto& event : batch.events)
        lines.push_back(std::to_string(event.number) + " " + names.at(event.kind) + " '" +
                        std::string(batch.text(event.text)) + "'");
    return lines;
}
using Lines = std::vector<std::string>;

chat::Usage estimated(std::int64_t input, std::int64_t output, std::int64_t reasoning = 0) {
    return {
        .input = input, .output = output, .reasoning = reasoning, .input_estimated = true, .output_estimated = true};
}

TEST(TurnCheckpoint, WhatItUsedIsEstimatedOnceItsModelHasSpoken) {
    const auto turn = std::make_shared<TurnLog>(std::make_shared<const TurnName>(name));
    turn->start({.model = "p/m", .prompt_tokens = 70}, "maker");
    turn->replace_text("what an earlier turn had said");
    EXPECT_TRUE(bills_of_interrupted(remains_of(*turn), "p/m").empty());
    say(*turn, Kind::thinking, "1234");
    for (const char* piece : {"12", "34", "5678"}) say(*turn, Kind::text, piece);
    say(*turn, Kind::tool_arguments, "{}");
    const std::vector<billing::Bill> bills{{.model = "p/m", .usage = estimated(70, 3, 1)}};
    EXPECT_EQ(bills_of_interrupted(remains_of(*turn), "p/m"), bills);
    EXPECT_TRUE(bills_of_interrupted(remains_of(*turn), "").empty()) << "nobody knows whose it was";
    EXPECT_TRUE(bills_of_interrupted({.prompt_tokens = 70}, "p/m").empty());
}

TEST(TurnCheckpoint, AttemptsThatWereOverAreBilledAsTheyWere) {
    const auto turn = log();
    say(*turn, Kind::text, "one ");
    const billing::Bill first{
        .model = "p/m", .usage = {.input = 9, .output = 1}, .cost_nano = 5, .price_version = "2025-11-26"};
    const billing::Bill hedge{.model = "q/m", .usage = estimated(8, 0), .cost_nano = 3, .is_hedge = true};
    turn->note({.bills = {first, hedge}, .prompt_tokens = 12});
    turn->change_model("r/m");
    EXPECT_EQ(bills_of_interrupted(remains_of(*turn), "r/m"), (std::vector{first, hedge}))
        << "the third had said nothing";
    turn->reroute({.from = "p/m", .to = "r/m", .reason = "timed_out", .kept_chars = 4});
    say(*turn, Kind::text, "and two");
    const billing::Bill last{.model = "r/m", .usage = estimated(12, 2)};
    EXPECT_EQ(bills_of_interrupted(remains_of(*turn), "r/m"), (std::vector{first, hedge, last}));
    const TurnRemains remains = remains_of(*turn);
    const StoredMessage answer = interrupted(&remains);
    EXPECT_EQ(answer.content, "one and two");
    EXPECT_EQ(answer.model, "r/m");
    EXPECT_EQ(answer.usage, (chat::Usage{.input = 21, .output = 3, .input_estimated = true, .output_estimated = true}));
}

TEST(TurnCheckpoint, ThePromptsSizeIsOptional) {
    TurnRemains remains;
    EXPECT_TRUE(remains.add(TurnRemains::piece("p/m", "maker", 1, "", "a", 70)));
    EXPECT_TRUE(remains.add(TurnRemains::piece("", "", 1, "", "b")));
    EXPECT_EQ(remains.prompt_tokens, 70);
    EXPECT_EQ(remains.bytes, "ab");
    EXPECT_FALSE(remains.add(TurnRemains::piece("", "", 1, "", "c", 70) + "x"));
    EXPECT_EQ(remains.bytes, "ab");
}

TEST(TurnCheckpoint, ThePiecesOfATurnAreItsEventsAndTexts) {
    const auto turn = log();
    TurnRemains remains;
    std::uint32_t reserve = 0;
    for (const std::string_view text : {"one ", "two ", "three"}) {
        say(*turn, Kind::text, text);
        const TurnCheckpoint piece = turn->take_checkpoint(100, false, reserve);
        EXPECT_EQ(piece.turn->turn_id, "t");
        EXPECT_EQ(piece.is_whole, text == "one ");
        EXPECT_EQ(reserve, turn->last_number() + 100);
        ASSERT_TRUE(remains.add(piece.data));
        EXPECT_EQ(turn->unsaved_bytes(), 0u);
    }
    EXPECT_EQ(remains.record, turn->record().bytes());
    EXPECT_EQ(remains.bytes, "one two three");
    EXPECT_EQ(remains.model, "p/m");
    EXPECT_EQ(remains.maker, "maker");
    EXPECT_EQ(remains.reserved, first_reserved_numbers) << "the start alone reserves these";
    EXPECT_TRUE(turn->take_checkpoint(100, true, reserve).is_whole);
}

TEST(TurnCheckpoint, APieceOfAnythingElseAddsNothing) {
    const std::string piece = TurnRemains::piece("p/m", "maker", 20'000, "record", "bytes");
    TurnRemains remains;
    ASSERT_TRUE(remains.add(piece));
    EXPECT_EQ(remains.reserved, 20'000u);
    for (std::size_t cut = 0; cut < piece.size(); ++cut) EXPECT_FALSE(remains.add(piece.substr(0, cut))) << cut;
    EXPECT_FALSE(remains.add(piece + "xx"));
    EXPECT_FALSE(remains.add("\xff\xff\xff\xff\x10"));
    EXPECT_EQ(remains.record, "record");
    EXPECT_EQ(remains.bytes, "bytes");
    EXPECT_EQ(remains.reserved, 20'000u);
    EXPECT_TRUE(remains.add(TurnRemains::piece({}, {}, 15'000, "", "")));
    EXPECT_EQ(remains.reserved, 20'000u) << "it never shrinks";
    EXPECT_EQ(remains.model, "p/m");
}

TEST(TurnCheckpoint, WhatWasKeptIsTheInterruptedAnswer) {
    const auto turn = log();
    say(*turn, Kind::thinking, "hm");
    say(*turn, Kind::text, "Hello ");
    say(*turn, Kind::text, "world");
    const TurnRemains remains = remains_of(*turn);
    const StoredMessage answer = interrupted(&remains);
    EXPECT_EQ(answer.state, TurnState::interrupted);
    EXPECT_EQ(answer.content, "Hello world");
    EXPECT_EQ(answer.model, "p/m");
    EXPECT_EQ(answer.blocks.size(), 2u);
    EXPECT_TRUE(answer.outcome);
    const Lines whole{"1 started ''", "2 thinking 'hm'", "3 text 'Hello '", "4 text 'world'", "10002 ended ''"};
    EXPECT_EQ(replay(answer), whole);
    for (std::uint32_t seen = 1; seen <= 4; ++seen)
        EXPECT_EQ(replay(answer, seen), Lines(whole.begin() + seen, whole.end())) << seen;
    EXPECT_EQ(replay(answer, 10'002), Lines());
}

TEST(TurnCheckpoint, AnInterruptedAnswerNamesWhoSpokeLastAndWhatItUsedIsEstimated) {
    const auto turn = log();
    say(*turn, Kind::text, "Hello, ");
    turn->reroute({.from = "p/m", .to = "q/n", .reason = "timed_out", .kept_chars = 7});
    say(*turn, Kind::text, "you.");
    const TurnRemains remains = remains_of(*turn);
    const StoredMessage answer = interrupted(&remains);
    EXPECT_EQ(answer.model, "q/n");
    EXPECT_EQ(answer.content, "Hello, you.");
    ASSERT_TRUE(answer.usage);
    EXPECT_TRUE(answer.usage->estimated());
    EXPECT_GT(answer.usage->output, 0);
    EXPECT_FALSE(interrupted(nullptr).usage) << "its model had said nothing";
}

TEST(TurnCheckpoint, AReaderThatSawMoreThanWasKeptIsGivenTheTextAnew) {
    const auto turn = log();
    say(*turn, Kind::text, "Hello");
    const TurnRemains remains = remains_of(*turn);
    const StoredMessage answer = interrupted(&remains);
    for (const std::uint32_t seen : {3u, 77u, 10'000u})
        EXPECT_EQ(replay(answer, seen), (Lines{"10001 replaced 'Hello'", "10002 ended ''"})) << seen;
    EXPECT_EQ(replay(answer, 10'001), Lines{"10002 ended ''"});
}

TEST(TurnCheckpoint, WhereNothingWasKeptTheAnswerIsEmptyAndStillBegins) {
    const StoredMessage answer = interrupted(nullptr, 2);
    EXPECT_EQ(answer.content, "");
    EXPECT_EQ(answer.model, "the session's");
    EXPECT_EQ(replay(answer), (Lines{"2 started ''", "10002 ended ''"}));
    EXPECT_EQ(replay(answer, 5), (Lines{"10001 replaced ''", "10002 ended ''"}));
}

TEST(TurnCheckpoint, AnAnswerThatWasBeingContinuedKeepsItsBeginning) {
    const StoredMessage before{.content = "Once upon", .turn_id = "earlier"};
    EXPECT_EQ(interrupted(nullptr, 1, &before).content, "Once upon");
    const auto turn = log();
    turn->replace_text("Once upon");
    say(*turn, Kind::text, " a time");
    const TurnRemains remains = remains_of(*turn);
    const StoredMessage answer = interrupted(&remains, 1, &before);
    EXPECT_EQ(answer.content, "Once upon a time");
    EXPECT_TRUE(answer.blocks.empty()) << "one text, whole";
    EXPECT_EQ(replay(answer), (Lines{"1 started ''", "2 replaced 'Once upon'", "3 text ' a time'", "10002 ended ''"}));
}

TEST(TurnCheckpoint, ASpoiltRecordIsReadAsFarAsItIsWhole) {
    const auto turn = log();
    say(*turn, Kind::text, "Hello ");
    const std::size_t good = turn->record().bytes().size();
    say(*turn, Kind::text, "world");
    TurnRemains remains = remains_of(*turn);
    remains.record[good] = '\x0f';
    const StoredMessage answer = interrupted(&remains);
    EXPECT_EQ(answer.content, "Hello ");
    EXPECT_EQ(replay(answer), (Lines{"1 started ''", "2 text 'Hello '", "10002 ended ''"}));
}

TEST(TurnCheckpoint, TextsThatAreMissingEndTheAnswerThere) {
    const auto turn = log();
    say(*turn, Kind::text, "Hello ");
    say(*turn, Kind::text, "world");
    TurnRemains remains = remains_of(*turn);
    for (std::size_t kept = 0; kept <= remains.bytes.size(); ++kept) {
        TurnRemains cut = remains;
        cut.bytes.resize(kept);
        const StoredMessage answer = interrupted(&cut);
        EXPECT_EQ(answer.content, std::string("Hello world").substr(0, kept));
        const Lines lines = replay(answer);
        EXPECT_EQ(lines.back(), "10002 ended ''");
    }
}

TEST(TurnCheckpoint, TheCallsOfATurnThatWasHandedOverStandBesideItsEvents) {
    const std::vector<TurnAttempt> calls{{.model = "p/m", .outcome = "cancelled", .ms = 29'000, .tokens = 512},
                                         {.model = "q/n", .outcome = "timed_out"}};
    const std::string piece = TurnRemains::piece(calls);
    TurnRemains remains;
    EXPECT_TRUE(remains.add(TurnRemains::piece("p/m", "maker", 10'050, "record", "bytes", 70)));
    EXPECT_TRUE(remains.add(piece));
    EXPECT_EQ(remains.attempts, calls);
    EXPECT_EQ(remains.model, "p/m");
    EXPECT_EQ(remains.reserved, 10'050u);
    EXPECT_EQ(remains.record, "record");
    EXPECT_EQ(remains.prompt_tokens, 70);
    EXPECT_FALSE(remains.add(piece + "x"));
    EXPECT_FALSE(remains.add(piece.substr(0, piece.size() - 1)));
    EXPECT_EQ(remains.attempts, calls);
}

}  // namespace
}  // namespace tertulia::sessions
