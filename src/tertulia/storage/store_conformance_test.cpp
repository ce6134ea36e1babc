// Both stores, by the suite that every store must pass.
#include "tests/support/store_conformance.h"

#include <gtest/gtest.h>

#include "tertulia/storage/memory_store.h"
#include "tertulia/storage/open_store.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::tests {
namespace {

const telemetry::Log silent(telemetry::Level::off, telemetry::Log::Form::json);

// A store together with the folder of its file.
std::unique_ptr<sessions::SessionStore> make_sqlite() {
    static std::unique_ptr<TemporaryFolder> folder;  // removed when the next one is made, or at exit
    folder = std::make_unique<TemporaryFolder>();
    return storage::open_store("sqlite:" + (*folder / "data/tertulia.db"), silent).value();
}

INSTANTIATE_TEST_SUITE_P(stores, StoreConformance,
                         testing::Values(StoreKind{"memory",
                                                   [] { return storage::open_store("memory:", silent).value(); }},
                                         StoreKind{"sqlite", make_sqlite}),
                         [](const auto& info) { return info.param.name; });

TEST(OpenStore, says_what_a_store_may_be) {
    for (const char* spec : {"", "sqlite:", "sqlite::memory:", "postgres:x", "memory"}) {
        const auto store = storage::open_store(spec, silent);
        ASSERT_FALSE(store) << spec;
        EXPECT_EQ(store.error().code, base::Errc::invalid_request);
        EXPECT_NE(store.error().message.find("sqlite:PATH, memory: or dynamodb:"), std::string::npos);
    }
}

}  // namespace
}  // namespace tertulia::tests
