#include "tertulia/sessions/event_record.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tertulia::sessions {

static bool operator==(const EventEntry& a, const EventEntry& b) {
    return a.kind == b.kind && a.number == b.number && a.block == b.block && a.text_size == b.text_size &&
           a.extra_size == b.extra_size;
}
static void PrintTo(const EventEntry& entry, std::ostream* out) {
    *out << static_cast<int>(entry.kind) << " " << entry.number << " " << entry.block << " " << entry.text_size << "+"
         << entry.extra_size;
}

namespace {

std::vector<EventEntry> entries_of(std::string_view record) {
    std::vector<EventEntry> entries;
    EventEntry entry;
    for (EventCursor cursor; cursor.next(record, entry);) entries.push_back(entry);
    return entries;
}

// All kinds, with what each may carry; now and then blocks change, numbers jump, and texts are long.
std::vector<EventEntry> some_entries(unsigned seed) {
    std::mt19937 random(seed);
    std::vector<EventEntry> entries;
    std::uint32_t number = 0, block = 0;
    for (std::size_t count = random() % 40; count-- > 0;) {
        EventEntry entry{.kind = static_cast<EventKind>(random() % 13)};
        if (random() % 4 == 0) block = random() % 3 == 0 ? random() : random() % 8;
        entry.block = block;
        if (is_shown(entry.kind)) entry.number = number += random() % 5 == 0 ? 1 + random() % 30'000 : 1;
        const bool has_text = entry.kind != EventKind::queued && entry.kind != EventKind::started &&
                              entry.kind != EventKind::usage && entry.kind != EventKind::ended &&
                              entry.kind != EventKind::restart;
        if (has_text) entry.text_size = random() % 10 == 0 ? random() : random() % 300;
        if (entry.kind == EventKind::tool_call) entry.extra_size = random() % 50;
        entries.push_back(entry);
    }
    return entries;
}

std::string record_of(const std::vector<EventEntry>& entries) {
    EventRecord record;
    for (const EventEntry& entry : entries) record.add(entry);
    return record.bytes();
}

TEST(EventRecord, ComesBackAsItWasWritten) {
    for (unsigned seed = 0; seed < 500; ++seed) {
        const auto entries = some_entries(seed);
        ASSERT_EQ(entries_of(record_of(entries)), entries) << "seed " << seed;
    }
}

TEST(EventRecord, TakesTwoBytesForAStepOfAnAnswer) {
    EventRecord record;
    record.add({.kind = EventKind::started, .number = 1});
    const std::size_t before = record.bytes().size();
    for (std::uint32_t number = 2; number < 102; ++number)
        record.add({.kind = EventKind::text, .number = number, .text_size = 40});
    EXPECT_EQ(record.bytes().size() - before, 200u);
    EXPECT_EQ(record.last_number(), 101u);
}

TEST(EventRecord, CutAnywhereItGivesTheEventsThatAreWholeAndGoesOnWhenTheRestIsThere) {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const auto entries = some_entries(seed);
        const std::string record = record_of(entries);
        for (std::size_t cut = 0; cut <= record.size(); ++cut) {
            // A copy of just these bytes: looking past them is found by the sanitizer.
            const std::string beginning = record.substr(0, cut);
            std::vector<EventEntry> read;
            EventEntry entry;
            EventCursor cursor;
            while (cursor.next(beginning, entry)) read.push_back(entry);
            ASSERT_LE(read.size(), entries.size());
            EXPECT_TRUE(std::equal(read.begin(), read.end(), entries.begin()));
            while (cursor.next(record, entry)) read.push_back(entry);
            ASSERT_EQ(read, entries) << "seed " << seed << ", cut at " << cut;
        }
    }
}

TEST(EventRecord, EndsForGoodAtBytesThatAreNoEvent) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        // none of them the beginning of an event
        {"a flag that does not exist", std::string("\x42\x00", 2)},
        {"another flag that does not exist", std::string("\x82\x00", 2)},
        {"a number that does not grow", std::string("\x11\x00", 2)},
        {"a number beyond 32 bits", "\x11\xff\xff\xff\xff\x10"},
        {"a block beyond 32 bits", "\x21\xff\xff\xff\xff\x10"},
        {"a size beyond 32 bits", "\x02\xff\xff\xff\xff\x10"},
        {"a size of more than ten bytes", "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
    };
    const std::string good = record_of({{.kind = EventKind::started, .number = 1}});
    for (const auto& [what, bytes] : cases) {
        EventEntry entry;
        EventCursor cursor;
        const std::string record = good + bytes;
        EXPECT_TRUE(cursor.next(record, entry)) << what;
        EXPECT_FALSE(cursor.next(record, entry)) << what;
        EXPECT_EQ(entry.kind, EventKind::started) << what;  // the caller's is left as it was
        EXPECT_FALSE(cursor.next(record + "!!!!", entry)) << what;
    }
}

TEST(EventRecord, NumbersDoNotWrapAround) {
    EventRecord record;
    record.add({.kind = EventKind::started, .number = UINT32_MAX - 1});
    record.add({.kind = EventKind::ended, .number = UINT32_MAX});
    EXPECT_EQ(entries_of(record.bytes()).back().number, UINT32_MAX);
    EXPECT_EQ(entries_of(record.bytes() + '\x09').size(), 2u);
}

TEST(EventRecord, AnyBytesGiveGrowingNumbers) {
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes(random() % 24, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 48);
        std::uint32_t last = 0;
        for (const EventEntry& entry : entries_of(bytes)) {
            if (!is_shown(entry.kind)) {
                EXPECT_EQ(entry.number, 0u);
                continue;
            }
            ASSERT_GT(entry.number, last);
            last = entry.number;
        }
    }
}

}  // namespace
}  // namespace tertulia::sessions
