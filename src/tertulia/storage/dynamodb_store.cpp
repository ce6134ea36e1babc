#include "tertulia/storage/dynamodb_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>

#include "tertulia/async/callback.h"
#include "tertulia/async/spawn.h"
#include "tertulia/async/worker.h"
#include "tertulia/aws/credential_chain.h"
#include "tertulia/aws/profiles.h"
#include "tertulia/aws/region.h"

namespace tertulia::storage {

using async::Task;
using base::Result;

namespace {

// DynamoDB answers within milliseconds: what takes longer is asked again.
constexpr base::Milliseconds attempt_limit{5000}, connect_limit{2000};
constexpr aws::RetrySettings patient{.attempts = 12,
                                     .base = base::Milliseconds(25),
                                     .throttled_base = base::Milliseconds(200),
                                     .max = base::Milliseconds(4000)};
constexpr std::chrono::seconds closing_time{2};
constexpr std::chrono::minutes table_limit{5};

bool is_table_name(std::string_view name) {
    return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.';
           });
}

}  // namespace

Result<DynamoOptions> dynamo_options(const base::Environment& environment) {
    DynamoOptions options{.environment = environment};
    const auto take_name = [&](std::string_view variable, std::string& name) {
        if (const std::string_view given = base::variable(environment, variable); !given.empty()) name = given;
        return is_table_name(name);
    };
    for (const auto& [variable, name] : {std::pair("CHAT_SESSIONS_TABLE_NAME", &options.settings.tables.sessions),
                                         std::pair("CHAT_META_TABLE_NAME", &options.settings.tables.meta)})
        if (!take_name(variable, *name))
            return base::fail(base::Errc::invalid_request,
                              fmt::format("{}: \"{}\" is no name of a DynamoDB table", variable, *name));
    const auto profiles = aws::read_profiles(environment);
    auto service = aws::service_config(environment, "dynamodb", aws::find_region(environment, profiles));
    if (!service) return std::unexpected(service.error());
    options.service = std::move(*service);
    options.service.retry = patient;
    options.service.attempt_limit = attempt_limit;
    options.service.connect_limit = connect_limit;
    return options;
}

// What lives on the store's own thread.
struct DynamoStore::Parts {
    Parts(DynamoOptions options, const base::Clock& clock, base::Random& random, const telemetry::Log& log)
        : settings(options.settings),
          worker([&log](const std::string& what) { log.error("bug in the store", {{"what", what}}); }),
          http(worker.executor()),
          chain(http, clock, std::move(options.environment)),
          credentials(
              state, worker.executor(), worker.tasks(), clock,
              [this](std::stop_token stop, base::Deadline deadline) { return chain.fetch(std::move(stop), deadline); }),
          service(http, credentials, clock, random, std::move(options.service)),
          client(service),
          sessions(client, worker.tasks(), worker.executor(), clock, random, log, options.settings) {}

    const DynamoSettings settings;
    async::Worker worker;
    http::Client http;
    aws::CredentialState state;
    aws::CredentialChain chain;
    aws::CredentialCache credentials;
    aws::ServiceClient service;
    DynamoClient client;
    DynamoSessions sessions;

    // Runs `task` on the store's thread and comes back with its value.
    template <class T>
    Task<T> run(Task<T> task) {
        using Outcome = std::pair<std::optional<T>, std::exception_ptr>;
        auto outcome = co_await async::await_callback<std::shared_ptr<Outcome>>(
            [this, &task](std::move_only_function<void(std::shared_ptr<Outcome>)> done) {
                auto kept = std::make_shared<Outcome>();
                async::spawn(worker.executor(), keep(std::move(task), kept),
                             [kept, done = std::move(done)](std::exception_ptr bug) mutable {
                                 kept->second = std::move(bug);
                                 done(std::move(kept));
                             });
            });
        if (outcome->second) std::rethrow_exception(outcome->second);
        co_return std::move(*outcome->first);
    }

  private:
    template <class T>
    static Task<void> keep(Task<T> task, std::shared_ptr<std::pair<std::optional<T>, std::exception_ptr>> into) {
        into->first.emplace(co_await std::move(task));
    }
};

DynamoStore::DynamoStore(DynamoOptions options, const base::Clock& clock, base::Random& random,
                         const telemetry::Log& log)
    : parts_(std::make_unique<Parts>(std::move(options), clock, random, log)) {
    parts_->worker.start("dynamodb");
    boost::asio::post(parts_->worker.executor(),
                      [parts = parts_.get()] { parts->worker.tasks().spawn(parts->sessions.renew_claims()); });
}

DynamoStore::~DynamoStore() {
    parts_->worker.run_until_done([](Parts& parts) -> Task<void> {
        parts.sessions.stop();
        parts.credentials.close();
        co_await parts.worker.tasks().join(base::Deadline::after(closing_time));
        parts.http.close_idle();
        parts.worker.context().stop();
    }(*parts_));
    parts_->worker.join();
}

Task<Result<std::optional<sessions::SessionSnapshot>>> DynamoStore::open(sessions::SessionKey key,
                                                                         std::int64_t max_messages,
                                                                         std::int64_t max_bytes) {
    return parts_->run(parts_->sessions.open(std::move(key), max_messages, max_bytes));
}
Task<Result<std::vector<sessions::StoredMessage>>> DynamoStore::older(sessions::SessionKey key, std::string before,
                                                                      std::int64_t max_messages,
                                                                      std::int64_t max_bytes) {
    return parts_->run(parts_->sessions.older(std::move(key), std::move(before), max_messages, max_bytes));
}
Task<Result<std::optional<sessions::SessionSnapshot>>> DynamoStore::open_turn(sessions::TurnOpening opening) {
    return parts_->run(parts_->sessions.open_turn(std::move(opening)));
}
Task<Result<void>> DynamoStore::abandon_turn(sessions::TurnName turn) {
    return parts_->run(parts_->sessions.abandon_turn(std::move(turn)));
}
Task<Result<std::optional<sessions::IdempotencyRecord>>> DynamoStore::claim_key(std::string owner,
                                                                                sessions::IdempotencyRecord record,
                                                                                std::string instead_of,
                                                                                std::int64_t now_us) {
    return parts_->run(parts_->sessions.claim_key(std::move(owner), std::move(record), std::move(instead_of), now_us));
}
Task<Result<void>> DynamoStore::free_key(std::string owner, std::string key, std::string turn_id) {
    return parts_->run(parts_->sessions.free_key(std::move(owner), std::move(key), std::move(turn_id)));
}
Task<Result<bool>> DynamoStore::ask_to_stop(sessions::TurnName turn, sessions::TurnState as) {
    return parts_->run(parts_->sessions.ask_to_stop(std::move(turn), as));
}
Task<Result<std::string>> DynamoStore::running_turn(sessions::SessionKey key) {
    return parts_->run(parts_->sessions.running_turn(std::move(key)));
}
Task<Result<void>> DynamoStore::watch(sessions::SessionKey key) {
    return parts_->run(parts_->sessions.watch(std::move(key)));
}
Task<Result<sessions::TurnNews>> DynamoStore::news(sessions::TurnName turn, sessions::NewsPlace from) {
    return parts_->run(parts_->sessions.news(std::move(turn), from));
}
Task<Result<void>> DynamoStore::hand_over(sessions::TurnName turn) {
    return parts_->run(parts_->sessions.hand_over(std::move(turn)));
}
Task<Result<sessions::HandedTurn>> DynamoStore::take_over(sessions::TurnOpening opening) {
    return parts_->run(parts_->sessions.take_over(std::move(opening)));
}
Task<Result<std::int64_t>> DynamoStore::begin_turn(sessions::TurnStart start) {
    return parts_->run(parts_->sessions.begin_turn(std::move(start)));
}
Task<Result<void>> DynamoStore::end_turn(sessions::TurnEnd end) {
    return parts_->run(parts_->sessions.end_turn(std::move(end)));
}
Task<Result<void>> DynamoStore::checkpoint(std::vector<sessions::TurnCheckpoint> pieces) {
    return parts_->run(parts_->sessions.checkpoint(std::move(pieces)));
}
Task<Result<std::int64_t>> DynamoStore::close_interrupted(std::int64_t now_us) {
    return parts_->run(parts_->sessions.close_interrupted(now_us));
}
Task<Result<std::optional<sessions::StoredTurn>>> DynamoStore::turn(sessions::TurnName name) {
    return parts_->run(parts_->sessions.turn(std::move(name)));
}
Task<Result<std::string>> DynamoStore::next_turn(sessions::TurnName after) {
    return parts_->run(parts_->sessions.next_turn(std::move(after)));
}
Task<Result<std::optional<sessions::IdempotencyRecord>>> DynamoStore::idempotency(std::string owner, std::string key,
                                                                                  std::int64_t now_us) {
    return parts_->run(parts_->sessions.idempotency(std::move(owner), std::move(key), now_us));
}
Task<Result<std::optional<sessions::MessagePage>>> DynamoStore::messages(sessions::SessionKey key,
                                                                         sessions::MessageQuery query) {
    return parts_->run(parts_->sessions.messages(std::move(key), std::move(query)));
}
Task<Result<sessions::SessionPage>> DynamoStore::sessions(std::string owner, std::int64_t limit, std::string after) {
    return parts_->run(parts_->sessions.sessions(std::move(owner), limit, std::move(after)));
}
Task<Result<bool>> DynamoStore::remove(sessions::SessionKey key) {
    return parts_->run(parts_->sessions.remove(std::move(key)));
}
Task<Result<sessions::UsageReport>> DynamoStore::usage(sessions::UsageQuery query) {
    return parts_->run(parts_->sessions.usage(std::move(query)));
}

Task<Result<std::string>> DynamoStore::create_tables() {
    return parts_->run(
        storage::create_tables(parts_->client, parts_->settings.tables, base::Deadline::after(table_limit)));
}

Task<DynamoUse> DynamoStore::use() {
    return parts_->run([](const DynamoClient& client) -> Task<DynamoUse> { co_return client.use(); }(parts_->client));
}

}  // namespace tertulia::storage
