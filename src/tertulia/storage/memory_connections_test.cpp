#include "tertulia/storage/memory_connections.h"

#include <gtest/gtest.h>

#include "tertulia/async/worker.h"
#include "tests/support/connections_conformance.h"
#include "tests/support/manual_clock.h"

namespace tertulia::storage {
namespace {

TEST(MemoryConnections, know_what_is_open_and_for_what) {
    test::ManualClock clock;
    MemoryConnections connections(clock);
    async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
    worker.start("test");
    worker.run_until_done(test::check_connections(connections, clock));
    worker.join();
}

}  // namespace
}  // namespace tertulia::storage
