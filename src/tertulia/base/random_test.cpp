#include "tertulia/base/random.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

namespace tertulia::base {
namespace {

TEST(Uuid, IsOfVersionFour) {
    const std::regex shape("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string uuid = make_uuid(system_random());
        EXPECT_TRUE(std::regex_match(uuid, shape)) << uuid;
        EXPECT_TRUE(seen.insert(uuid).second);
    }
}

TEST(Id, SaysWhatItNames) {
    const std::regex shape("t_[A-Za-z0-9]{22}");
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string id = make_id('t', system_random());
        EXPECT_TRUE(std::regex_match(id, shape)) << id;
        EXPECT_TRUE(seen.insert(id).second);
    }
}

TEST(SessionId, MayBeTheClientsOwn) {
    for (const char* good : {"a", "b:own.id_-1", "A.B", "...", "0"}) EXPECT_TRUE(is_session_id(good)) << good;
    for (const char* bad : {"", ".", "..", "a b", "a/b", "ü", "a\n", "a|b", "a%20b"})
        EXPECT_FALSE(is_session_id(bad)) << bad;
    EXPECT_TRUE(is_session_id(std::string(128, 'x')));
    EXPECT_FALSE(is_session_id(std::string(129, 'x')));
    EXPECT_FALSE(is_session_id(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace tertulia::base
