#include "tertulia/aws/run_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <future>
#include <thread>

#include "support/temporary_folder.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using base::Errc;

TEST(RunProcess, GivesTheOutput) {
    EXPECT_EQ(run_process("echo \"$GREETING\"; echo error >&2", {{"GREETING", "hello"}}, 10s, 100, {}).value(),
              "hello\n");
    EXPECT_EQ(run_process("true", {}, 10s, 100, {}).value(), "");
}

TEST(RunProcess, SaysWhatWentWrong) {
    struct Case {
        std::string command;
        Errc code;
        std::string message;
    };
    const Case cases[] = {
        {"exit 3", Errc::unauthenticated, "it ended with status 3"},
        {"kill -9 $$", Errc::unauthenticated, "signal 9 ended it"},
        {"/does/not/exist 2>/dev/null", Errc::unauthenticated, "it ended with status 127"},
        {"while :; do echo more; done", Errc::too_large, "it wrote more than 100 bytes"},
    };
    for (const Case& c : cases) {
        const auto output = run_process(c.command, {}, 10s, 100, {});
        ASSERT_FALSE(output) << c.command;
        EXPECT_EQ(output.error().code, c.code) << c.command;
        EXPECT_EQ(output.error().message, c.message) << c.command;
    }
}

// The pid of the background process, which the shell writes before it waits.
pid_t read_pid(const std::string& file) {
    pid_t pid = 0;
    std::ifstream(file) >> pid;
    return pid;
}

bool is_gone(pid_t pid) {
    // A killed orphan is there until its new parent has looked after it.
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    return !(status >> number >> name >> state) || state == "Z";
}

void wait_until_gone(pid_t pid) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!is_gone(pid) && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_TRUE(is_gone(pid));
}

TEST(RunProcess, KillsWhatTakesTooLongWithAllThatItStarted) {
    const tests::TemporaryFolder folder;
    const std::string file = folder / "pid";
    const auto output = run_process("sleep 1000 & echo $! > " + file + "; wait", {}, 300ms, 100, {});
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().code, Errc::timed_out);
    ASSERT_GT(read_pid(file), 0);
    wait_until_gone(read_pid(file));
}

TEST(RunProcess, EndsAtAStop) {
    std::stop_source stop;
    auto output = std::async([&] { return run_process("sleep 1000", {}, 100s, 100, stop.get_token()); });
    stop.request_stop();
    const auto result = output.get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "stopped");
}

TEST(RunProcess, GetsNoFilesOfOursAndNoIgnoredSignals) {
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    const auto output = run_process("kill -PIPE $$; echo alive", {}, 10s, 1000, {});
    const auto files = run_process("ls /proc/self/fd | wc -l", {{"PATH", "/usr/bin:/bin"}}, 10s, 1000, {});
    (void)::signal(SIGPIPE, before);
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().message, "signal 13 ended it");
    EXPECT_EQ(files.value(), "4\n") << "input, output, errors, and the folder that ls reads";
}

}  // namespace
}  // namespace tertulia::aws
