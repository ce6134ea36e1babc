// The states of a turn, by trying everything: in all orders in which the store's and the provider's answers and the
// outside world can come, and with all their outcomes, up to a bound. The real classes run; only who answers them, and
// when, is the test's.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tests/support/turn_world.h"

namespace tertulia::sessions {
namespace {

using test::TurnWorld;

// Walks through all sequences of choices, depth first.
class Choices {
  public:
    std::size_t choose(std::size_t ways) {
        if (at_ == taken_.size()) taken_.push_back({0, ways});
        return taken_[at_++].way;
    }
    // On to the next sequence; false where there is none.
    bool next() {
        at_ = 0;
        while (!taken_.empty() && ++taken_.back().way == taken_.back().ways) taken_.pop_back();
        return !taken_.empty();
    }

  private:
    struct Taken {
        std::size_t way;
        std::size_t ways;
    };
    std::vector<Taken> taken_;
    std::size_t at_ = 0;
};

struct Seen {
    EventKind kind;
    std::uint32_t number;
    std::string text;
    std::string extra;
    bool operator==(const Seen&) const = default;
};
using Events = std::vector<Seen>;

void PrintTo(const Seen& event, std::ostream* out) {
    *out << event.number << ":" << static_cast<int>(event.kind) << "'" << event.text << "'";
}

void take(Events& into, const EventBatch& batch) {
    for (const auto& event : batch.events)
        into.push_back(
            {event.kind, event.number, std::string(batch.text(event.text)), std::string(batch.text(event.extra))});
}

// All that there is after `number`, at once.
Events read_after(const TurnLog& log, std::uint32_t number) {
    Events events;
    EventBatch batch;
    for (TurnLog::Place place{.after = number};;) {
        log.read(place, batch, 1);
        if (batch.events.empty()) return events;
        take(events, batch);
    }
}

Events after(const Events& events, std::uint32_t number) {
    Events rest;
    std::ranges::copy_if(events, std::back_inserter(rest), [=](const Seen& event) { return event.number > number; });
    return rest;
}

// The answer's text for a reader of these events.
std::string text_of(const Events& events) {
    std::string text;
    for (const Seen& event : events) {
        if (event.kind == EventKind::text_replaced) text.clear();
        if (event.kind == EventKind::text || event.kind == EventKind::refusal || event.kind == EventKind::text_replaced)
            text += event.text;
    }
    return text;
}

// A reader that was attached at some moment, as a task of its own.
struct Follower {
    std::uint32_t after = 0;
    Events events;
    bool is_over = false;
};

async::Task<void> follow(TurnReader reader, std::shared_ptr<Follower> follower) {
    EventBatch batch;
    while (!batch.has_end()) {
        co_await reader.next(batch, base::Deadline::never());
        if (batch.events.empty()) break;
        take(follower->events, batch);
    }
    follower->is_over = true;
}

// Who waits for the start, then for the end, and reads nothing.
async::Task<void> wait_for_result(TurnReader reader, std::shared_ptr<const TurnResult>* result) {
    co_await reader.wait_start(base::Deadline::never());
    *result = co_await reader.wait_end(base::Deadline::never());
}

struct Fed {
    std::string turn_id;
    Seen event;
    bool operator==(const Fed&) const = default;
};
void PrintTo(const Fed& fed, std::ostream* out) {
    PrintTo(fed.event, out);
}

async::Task<void> follow_session(std::shared_ptr<SessionFeed> feed, std::vector<Fed>* fed) {
    EventBatch batch;
    while (true) {
        const auto any = co_await feed->next(batch, base::Deadline::never());
        if (!any || batch.events.empty()) co_return;
        Events events;
        take(events, batch);
        for (const Seen& event : events) fed->push_back({feed->reader().name().turn_id, event});
    }
}

// What may happen, and how much of it.
struct Bounds {
    // Before: nothing; an answer that broke off, to be continued; one without text, whose request is sent again.
    enum class Before { nothing, partial_answer, failed_without_text } before = Before::nothing;
    std::vector<std::string> ways_to_open{"opens", "breaks"};
    std::vector<std::string> ways_to_go_on{"says", "finishes", "breaks"};
    std::size_t steps = 1;
    // Each happens at most once, at any moment.
    std::vector<std::string> happenings;
    std::size_t most_happenings = 1;
    // Once a run, two things happen before anybody has taken notice of the first.
    bool at_once = false;
    bool checkpoints = false;
    bool gates_reads = false;
    bool store_fails = true;
    bool prefill = false;
    // Do several processes share the store?
    bool shared = false;
    std::size_t least_runs = 1;
};

const SessionKey session{.owner = "local", .session_id = "s"};

// One sequence of choices, from a new world to the end of all turns.
class Run {
  public:
    Run(const Bounds& bounds, Choices& choices) : bounds_(bounds), choices_(choices), world_(bounds.checkpoints) {
        world_.store.gates_reads = bounds.gates_reads;
        world_.store.fails = bounds.store_fails;
        world_.store.shared = bounds.shared;
        world_.provider->prefill = bounds.prefill;
    }

    void run() {
        set_up();
        settle_and_check();
        while (!testing::Test::HasFailure()) {
            std::vector<std::string> actions = possible_actions();
            if (world_.gate.pending().empty()) break;
            act(choices_.choose(actions.size()));
            if (bounds_.at_once && !was_at_once_ && !world_.gate.pending().empty() && choices_.choose(2) == 1) {
                was_at_once_ = true;
                trace_ += " and at once";
                continue;
            }
            settle_and_check();
        }
        check_the_end();
    }
    const std::string& trace() const { return trace_; }

  private:
    struct Watched {
        std::string message;
        TurnName name;
        std::shared_ptr<TurnLog> log;
        std::string before;  // the text of the answer that it continues
        Events events;
        TurnLog::Place place;
        std::vector<std::shared_ptr<Follower>> followers;
        std::shared_ptr<const TurnResult> waited;
        bool is_stopped = false;
        bool threw = false;
        bool is_over = false;  // and was looked at
    };

    void set_up() {
        auto feed = std::make_shared<SessionFeed>(world_.service.feed(session));
        feed_ = feed;
        (void)world_.now(feed->from_now());
        world_.tasks.spawn(follow_session(std::move(feed), &fed_));
        if (bounds_.before != Bounds::Before::nothing) begin_earlier_turn();
        world_.provider->ways_to_open = bounds_.ways_to_open;
        world_.provider->ways_to_go_on = bounds_.ways_to_go_on;
        world_.provider->most_steps = bounds_.steps;
        if (bounds_.before == Bounds::Before::partial_answer) {
            watch("m:first", world_.now(world_.service.continue_turn(turns_.front()->name, {})));
            turns_.back()->before = turns_.front()->log->text();
        } else {
            begin("m:first", OnBusy::queue, key());
        }
    }

    void begin_earlier_turn() {
        // With the gate open.
        const bool has_text = bounds_.before == Bounds::Before::partial_answer;
        world_.gate.is_open = true;
        world_.provider->ways_to_open = {"opens"};
        world_.provider->ways_to_go_on = {"says", "breaks"};
        world_.gate.wishes = {has_text ? "says" : "breaks", "breaks"};
        begin("m:first", OnBusy::queue, key());
        settle_and_check();
        world_.gate.is_open = false;
        rewritten_ = 1;
    }

    static OnceKey key() { return {.key = "key", .fingerprint = "f", .remembered_for = base::Milliseconds(1000)}; }

    void begin(const std::string& message, OnBusy on_busy, OnceKey once = {}) {
        TurnRequest request{.session_id = "s", .content = {chat::Text{message}}, .on_busy = on_busy, .once = once};
        watch(message,
              once.key.empty() ? world_.service.begin(request) : world_.now(world_.service.begin_once(request)));
    }

    void watch(const std::string& message, base::Result<BegunTurn> begun) {
        if (!begun) {
            ++refused_;
            return;
        }
        EXPECT_FALSE(begun->is_replay);
        auto turn = std::make_shared<Watched>();
        turn->message = message;
        turn->name = begun->reader.name();
        turn->log = world_.logs.find(turn->name);
        world_.tasks.spawn(wait_for_result(std::move(begun->reader), &turn->waited));
        turns_.push_back(std::move(turn));
    }

    // -- what can happen ---------------------------------------------------------------------------------------------

    std::vector<std::string> possible_actions() {
        actions_.clear();
        std::vector<std::string> names;
        const auto& pending = world_.gate.pending();
        for (std::size_t call = 0; call < pending.size(); ++call)
            for (std::size_t outcome = 0; outcome < pending[call]->outcomes.size(); ++outcome) {
                names.push_back(pending[call]->what + " " + pending[call]->outcomes[outcome]);
                actions_.push_back([this, call, outcome] {
                    if (world_.gate.pending()[call]->outcomes[outcome] == "throws") turns_.back()->threw = true;
                    world_.gate.end(call, outcome);
                });
            }
        if (happened_.size() < bounds_.most_happenings)
            for (const std::string& what : bounds_.happenings)
                if (!happened_.contains(what)) {
                    names.push_back(what);
                    actions_.push_back([this, what] { happen(what); });
                }
        names_ = names;
        return names;
    }

    void act(std::size_t action) {
        trace_ += "\n  " + names_[action];
        world_.clock.advance(std::chrono::milliseconds(2));
        actions_[action]();
    }

    void happen(const std::string& what) {
        happened_.insert(what);
        if (what == "cancel") {
            const auto& turn = turns_.back();
            turn->is_stopped |= world_.registry.stop(turn->name, TurnState::cancelled);
        } else if (what == "hand over") {
            const auto& turn = turns_.back();
            turn->is_stopped |= world_.registry.stop(turn->name, TurnState::running);
        } else if (what == "lose") {
            for (const auto& turn : turns_) turn->is_stopped |= world_.store.claims.contains(turn->name.turn_id);
            world_.store.lose_claims();
        } else if (what == "shutdown") {
            world_.registry.close();
            world_.registry.stop_all(TurnState::interrupted);
            for (const auto& turn : turns_) turn->is_stopped = true;
        } else if (what == "delete") {
            for (const auto& turn : turns_) turn->is_stopped = true;
            world_.tasks.spawn([](SessionService& service) -> async::Task<void> {
                const auto removed = co_await service.remove(session, base::Deadline::never());
                EXPECT_TRUE(removed || removed.error().code == base::Errc::not_found ||
                            removed.error().code == base::Errc::unavailable);
            }(world_.service));
        } else if (what == "delete elsewhere") {
            world_.tasks.spawn(
                [](test::GatedStore& store) -> async::Task<void> { co_await store.remove(session); }(world_.store));
        } else if (what == "another message") {
            begin("m:second", OnBusy::queue);
        } else if (what == "a message that rejects") {
            begin("m:second", OnBusy::reject);
            EXPECT_EQ(refused_, 1) << "a session is busy until its turn's place is given up";
        } else if (what == "a message that interrupts") {
            for (const auto& turn : turns_) turn->is_stopped |= turn->name.turn_id == world_.registry.running(session);
            begin("m:third", OnBusy::interrupt);
        }
    }

    // -- what must hold ----------------------------------------------------------------------------------------------

    void settle_and_check() {
        world_.settle();
        for (const auto& turn : turns_) check(*turn);
    }

    void check(Watched& turn) {
        const TurnLog& log = *turn.log;
        EventBatch batch;
        log.read(turn.place, batch);
        if (turn.is_over) {
            EXPECT_TRUE(batch.events.empty()) << "nothing follows the end";
            return;
        }
        const std::size_t known = turn.events.size();
        take(turn.events, batch);
        const auto told = world_.store.told[turn.name.turn_id];

        EXPECT_FALSE(told.end_met_checkpoint) << "a checkpoint that comes after the end would be kept for ever";
        EXPECT_EQ(log.has_started(), told.is_begun) << "a start is told as soon as the message is durable, not before";
        for (std::size_t i = known; i < turn.events.size(); ++i) {
            const Seen& event = turn.events[i];
            EXPECT_TRUE(event.kind == EventKind::queued || event.kind == EventKind::ended || told.is_begun);
            EXPECT_GT(event.number, i == 0 ? 0 : turn.events[i - 1].number);
            EXPECT_TRUE(i == 0 || turn.events[i - 1].kind != EventKind::ended) << "nothing follows the end";
            if (event.kind == EventKind::ended && told.is_begun && !turn.threw) EXPECT_TRUE(told.end_returned);
        }
        const bool has_end = !turn.events.empty() && turn.events.back().kind == EventKind::ended;
        const std::shared_ptr<const TurnResult> result = log.result();
        EXPECT_EQ(has_end, result && result->state != TurnState::running);
        EXPECT_EQ(told.is_handed, result && result->state == TurnState::running);

        const std::string& given = world_.provider->given[turn.message];
        const std::string text = text_of(turn.events);
        EXPECT_TRUE((turn.before + given).starts_with(text)) << text;
        EXPECT_EQ(log.text(), text);
        if (result) check(turn, *result, told);
        turn.is_over = result != nullptr;

        // Whoever is stopped lets go of the provider, and waits for the store alone.
        for (const auto& call : world_.gate.pending())
            EXPECT_FALSE(turn.is_stopped && call->what.ends_with(turn.message)) << call->what;

        // Two readers more, wherever the turn stands.
        if (result) return;
        for (const std::uint32_t number : {0u, log.last_number()}) {
            auto follower = std::make_shared<Follower>(Follower{.after = number});
            turn.followers.push_back(follower);
            world_.tasks.spawn(follow(TurnReader(turn.log, world_.executor, number), std::move(follower)));
        }
    }

    void check(const Watched& turn, const TurnResult& result, const test::GatedStore::Told& told) {
        EXPECT_EQ(result.turn_id, turn.name.turn_id);
        if (told.is_handed) {
            EXPECT_TRUE(told.is_begun);
            EXPECT_FALSE(told.end_returned);
            EXPECT_FALSE(result.error);
            EXPECT_FALSE(world_.logs.find(turn.name)) << "the store is asked from now on";
            return;
        }
        EXPECT_EQ(result.error.has_value(), result.state != TurnState::completed);
        if (result.state == TurnState::completed) {
            EXPECT_TRUE(told.end_is_kept) << "completed only where it is kept as that";
            EXPECT_EQ(result.message, turn.before + world_.provider->given[turn.message]);
            EXPECT_TRUE(result.message.ends_with("end."));
        }
        if (told.end_is_kept) {
            EXPECT_EQ(result.state, told.state);
            EXPECT_EQ(result.message, told.content);
            // Of itself a turn fails by its provider alone; who was stopped has not failed.
            if (result.state == TurnState::failed)
                EXPECT_TRUE(result.error->code == base::Errc::upstream_unavailable ||
                            result.error->code == base::Errc::upstream_rejected);
        } else if (told.is_begun) {
            EXPECT_TRUE(result.state == TurnState::failed || (told.is_lost && turn.is_stopped));
        }
        if (told.is_begun && !turn.threw) EXPECT_EQ(result.message, text_of(turn.events));
        if (result.state == TurnState::cancelled) EXPECT_EQ(result.error->code, base::Errc::conflict);
        if (result.state == TurnState::interrupted) EXPECT_EQ(result.error->code, base::Errc::unavailable);
        if (result.state == TurnState::cancelled || result.state == TurnState::interrupted)
            EXPECT_TRUE(turn.is_stopped || !happened_.empty());
        EXPECT_NE(world_.registry.running(session), turn.name.turn_id) << "the place is given up";
        EXPECT_TRUE(turn.waited == turn.log->result());
        for (const auto& follower : turn.followers) {
            EXPECT_TRUE(follower->is_over);
            EXPECT_EQ(follower->events, after(turn.events, follower->after)) << "after " << follower->after;
        }
        for (std::uint32_t number = 0; number <= turn.log->last_number(); ++number)
            EXPECT_EQ(read_after(*turn.log, number), after(turn.events, number)) << "after " << number;
    }

    void check_the_end() {
        for (const auto& turn : turns_) EXPECT_TRUE(turn->log->result()) << turn->message << " does not end";
        EXPECT_EQ(world_.registry.size(), 0u);
        EXPECT_TRUE(world_.store.claims.empty()) << "a claim is left";
        EXPECT_EQ(world_.provider->running, 0);
        EXPECT_EQ(world_.keys.claim("local", "key", "another", false, nullptr).outcome, IdempotencyKeys::Outcome::mine)
            << "the key is free";
        world_.gate.is_open = true;
        check_history();
        check_checkpoints();
        if (!happened_.contains("shutdown") && !testing::Test::HasFailure()) check_that_it_goes_on();
        sort_turns();
        feed_->stop();
        world_.settle();
        std::vector<Fed> expected;
        for (const auto& turn : in_order_)
            for (const Seen& event : turn->events) expected.push_back({turn->name.turn_id, event});
        // Of a turn that was lost or handed over the feed tells how the store has closed it.
        if (!happened_.contains("delete") && !happened_.contains("delete elsewhere") && !happened_.contains("lose") &&
            !happened_.contains("hand over"))
            EXPECT_EQ(fed_, expected);
    }

    // What a start after a crash would find: no turn's end, which it would tell a second time.
    void check_checkpoints() {
        std::map<std::string, TurnRemains> remains;
        for (const auto& write : world_.store.checkpoints)
            for (const TurnCheckpoint& piece : write) {
                TurnRemains& kept = remains[piece.turn->turn_id];
                if (piece.is_whole) kept = {};
                EXPECT_TRUE(kept.add(piece.data));
                EventEntry entry;
                for (EventCursor cursor; cursor.next(kept.record, entry);) EXPECT_NE(entry.kind, EventKind::ended);
            }
    }

    // What is stored is what was told, to every reader, long after.
    void check_history() {
        const auto page = world_.now(world_.store.messages(session, {.limit = 100}));
        if (!page || !*page) return;
        const auto& messages = (*page)->messages;
        for (std::size_t i = 0; i < messages.size(); ++i)
            EXPECT_EQ(messages[i].role, i % 2 == 0 ? chat::Role::user : chat::Role::assistant) << "they alternate";
        for (const auto& turn : turns_) {
            if (!world_.store.told[turn->name.turn_id].end_is_kept) continue;
            const auto stored = world_.now(world_.store.turn(turn->name));
            if (!stored || !*stored || !(*stored)->answer) {
                EXPECT_TRUE(happened_.contains("delete") || happened_.contains("delete elsewhere"));
                continue;
            }
            const auto restored = TurnLog::restore(turn->name, *(*stored)->answer);
            EXPECT_EQ(restored->result()->state, turn->log->result()->state);
            EXPECT_EQ(restored->result()->message, turn->log->result()->message);
            const Events events = read_after(*restored, 0);
            const bool began_anew = trace_.find("begins anew") != std::string::npos;
            if (!began_anew) EXPECT_EQ(events, turn->events);
            for (std::uint32_t number = 0; number <= turn->log->last_number(); ++number) {
                Events joined = turn->events;
                std::erase_if(joined, [=](const Seen& event) { return event.number > number; });
                std::ranges::copy(read_after(*restored, number), std::back_inserter(joined));
                EXPECT_EQ(text_of(joined), turn->log->result()->message) << "cut after " << number;
                EXPECT_EQ(joined.back().kind, EventKind::ended);
            }
        }
    }

    // The session is as usable as ever, and nothing of the past is lost or doubled.
    void check_that_it_goes_on() {
        world_.gate.wishes.clear();
        world_.provider->ways_to_open = {"opens"};
        world_.provider->ways_to_go_on = {"finishes"};
        begin("m:last", OnBusy::queue);
        settle_and_check();
        const auto& last = *turns_.back();
        ASSERT_TRUE(last.log->result());
        EXPECT_EQ(last.log->result()->state, TurnState::completed);
        sort_turns();
        if (happened_.contains("delete") || happened_.contains("delete elsewhere")) return;
        const auto page = world_.now(world_.store.messages(session, {.limit = 100}));
        ASSERT_TRUE(page && *page);
        EXPECT_EQ((*page)->messages.size(), 2 * (in_order_.size() - rewriters()));
        for (const auto& turn : in_order_) {
            const auto stored = world_.now(world_.store.turn(turn->name));
            ASSERT_TRUE(stored && *stored && (*stored)->answer) << turn->message;
            EXPECT_EQ((*stored)->question.content, turn->message);
            EXPECT_EQ((*stored)->answer->state, world_.store.told[turn->name.turn_id].end_is_kept
                                                    ? turn->log->result()->state
                                                    : TurnState::interrupted);
        }
    }
    // Those that started, as they did: one that interrupts goes before those that wait.
    void sort_turns() {
        std::multimap<std::string, std::shared_ptr<Watched>> by_place;
        for (const auto& turn : turns_)
            if (turn->log->has_started() && turn->log->result()) by_place.emplace(turn->log->result()->timestamp, turn);
        in_order_.clear();
        for (const auto& [place, turn] : by_place) in_order_.push_back(turn);
    }
    // Of the turns that started, how many wrote into an earlier one's place.
    std::size_t rewriters() const { return rewritten_ > 0 && turns_.at(1)->log->has_started() ? 1 : 0; }

    const Bounds& bounds_;
    Choices& choices_;
    std::vector<std::shared_ptr<Watched>> turns_;
    std::vector<std::shared_ptr<Watched>> in_order_;
    std::vector<std::function<void()>> actions_;
    std::vector<std::string> names_;
    std::set<std::string> happened_;
    std::vector<Fed> fed_;
    std::string trace_;
    std::size_t rewritten_ = 0;
    int refused_ = 0;
    bool was_at_once_ = false;
    TurnWorld world_;  // its tasks use what stands before
    std::shared_ptr<SessionFeed> feed_;
};

void explore(const Bounds& bounds) {
    Choices choices;
    std::size_t runs = 0;
    do {
        ++runs;
        std::string trace;
        {
            Run run(bounds, choices);
            run.run();
            trace = run.trace();
        }
        if (testing::Test::HasFailure()) {
            ADD_FAILURE() << "in run " << runs << ":" << trace;
            return;
        }
    } while (choices.next());
    EXPECT_GE(runs, bounds.least_runs) << "fewer than there were: is the world still asked?";
    testing::Test::RecordProperty("runs", static_cast<int>(runs));
}

const std::vector<std::string> all_ways_to_open{"opens", "rejects", "too long", "breaks"};
const std::vector<std::string> all_ways_to_go_on{"says", "begins anew", "finishes", "breaks"};

TEST(TurnStates, OneTurnWithAllThatCanComeOfIt) {
    explore({.ways_to_open = all_ways_to_open,
             .ways_to_go_on = all_ways_to_go_on,
             .steps = 2,
             .happenings = {"cancel", "shutdown", "delete", "delete elsewhere"},
             .gates_reads = true,
             .least_runs = 500});
}

TEST(TurnStates, TwoThingsFromOutside) {
    explore(
        {.happenings = {"cancel", "shutdown", "delete", "delete elsewhere"}, .most_happenings = 2, .least_runs = 500});
}

TEST(TurnStates, TwoThingsBeforeAnybodyTakesNotice) {
    explore({.happenings = {"cancel", "shutdown", "delete"}, .at_once = true, .gates_reads = true, .least_runs = 400});
}

TEST(TurnStates, CheckpointsUnderWay) {
    explore({.ways_to_open = {"opens"}, .happenings = {"cancel"}, .checkpoints = true, .least_runs = 100});
}

TEST(TurnStates, Bugs) {
    explore({.ways_to_open = {"opens", "throws"},
             .ways_to_go_on = {"says", "throws"},
             .steps = 2,
             .checkpoints = true,
             .least_runs = 50});
}

TEST(TurnStates, ASecondMessage) {
    explore({.ways_to_open = {"opens"},
             .ways_to_go_on = {"finishes", "breaks"},
             .happenings = {"another message", "a message that interrupts", "a message that rejects"},
             .least_runs = 300});
}

TEST(TurnStates, ASecondAndAThirdMessage) {
    explore({.ways_to_open = {"opens"},
             .ways_to_go_on = {"finishes"},
             .happenings = {"another message", "a message that interrupts", "cancel"},
             .most_happenings = 2,
             .store_fails = false,
             .least_runs = 300});
}

TEST(TurnStates, MessagesAndADeletion) {
    explore({.ways_to_open = {"opens"},
             .ways_to_go_on = {"finishes"},
             .happenings = {"delete", "a message that interrupts"},
             .most_happenings = 2,
             .least_runs = 300});
}

TEST(TurnStates, AContinuation) {
    explore({.before = Bounds::Before::partial_answer,
             .ways_to_open = all_ways_to_open,
             .ways_to_go_on = all_ways_to_go_on,
             .steps = 2,
             .happenings = {"cancel", "delete", "shutdown"},
             .least_runs = 200});
    explore({.before = Bounds::Before::partial_answer,
             .ways_to_open = {"opens", "rejects"},
             .ways_to_go_on = {"finishes"},
             .happenings = {"cancel"},
             .prefill = true,
             .least_runs = 30});
    explore({.before = Bounds::Before::partial_answer,
             .ways_to_open = {"opens"},
             .ways_to_go_on = {"finishes"},
             .happenings = {"another message"},
             .least_runs = 100});
}

TEST(TurnStates, ARequestThatIsSentAgain) {
    explore({.before = Bounds::Before::failed_without_text,
             .ways_to_open = all_ways_to_open,
             .happenings = {"cancel", "shutdown", "delete"},
             .least_runs = 100});
}

TEST(TurnStates, AStoreThatSeveralProcessesShare) {
    explore({.ways_to_open = {"opens", "rejects"},
             .happenings = {"cancel", "lose", "hand over"},
             .shared = true,
             .least_runs = 300});
    explore({.ways_to_open = {"opens"},
             .ways_to_go_on = {"says", "finishes"},
             .happenings = {"cancel", "lose", "hand over"},
             .most_happenings = 2,
             .store_fails = false,
             .shared = true,
             .least_runs = 100});
    explore({.ways_to_open = {"opens", "throws"},
             .ways_to_go_on = {"finishes", "throws"},
             .happenings = {"lose", "hand over"},
             .shared = true,
             .least_runs = 50});
    explore({.ways_to_open = {"opens"},
             .ways_to_go_on = {"finishes"},
             .happenings = {"lose", "hand over", "another message"},
             .most_happenings = 2,
             .shared = true,
             .least_runs = 100});
    explore({.before = Bounds::Before::partial_answer,
             .ways_to_open = {"opens"},
             .ways_to_go_on = {"finishes"},
             .happenings = {"lose", "hand over"},
             .shared = true,
             .least_runs = 50});
}

}  // namespace
}  // namespace tertulia::sessions
