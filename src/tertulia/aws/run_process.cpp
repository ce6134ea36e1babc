#include "tertulia/aws/run_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "tertulia/base/clock.h"

namespace tertulia::aws {
namespace {

using base::Errc;

// How often a stop is looked for.
constexpr int tick_ms = 20;

class Fd {
  public:
    explicit Fd(int number = -1) : number_(number) {}
    ~Fd() { close(); }
    Fd(const Fd&) = delete;
    int get() const { return number_; }
    void close() {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }

  private:
    int number_;
};

/// A child in a process group of its own; killed and reaped at the latest here.
class Child {
  public:
    explicit Child(pid_t pid) : pid_(pid) {}
    Child(const Child&) = delete;
    ~Child() {
        if (status_) return;
        ::kill(-pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    /// Its status as waitpid gives it; nothing: it still runs.
    std::optional<int> poll_end() {
        int status = 0;
        if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        return status_;
    }

  private:
    pid_t pid_;
    std::optional<int> status_;
};

/// What the child starts with: no signal blocked or ignored, its output in the pipe, nothing else of ours open.
class SpawnPlan {
  public:
    explicit SpawnPlan(int output) {
        posix_spawn_file_actions_init(&files_);
        posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&files_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1);
        posix_spawnattr_init(&attributes_);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&files_);
        posix_spawnattr_destroy(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;

    int run(const std::string& command, const base::Environment& environment, pid_t& pid) const {
        std::vector<std::string> variables;
        for (const auto& [name, value] : environment) variables.push_back(fmt::format("{}={}", name, value));
        std::vector<char*> pointers;
        for (std::string& variable : variables) pointers.push_back(variable.data());
        pointers.push_back(nullptr);
        std::array<std::string, 3> words{"sh", "-c", command};
        const std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
        return ::posix_spawn(&pid, "/bin/sh", &files_, &attributes_, arguments.data(), pointers.data());
    }

  private:
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
};

/// Reads what is there. False: the output has ended.
bool read_some(int fd, std::string& output) {
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(fd, bytes.data(), bytes.size());
    if (size > 0) output.append(bytes.data(), static_cast<std::size_t>(size));
    return size > 0 || (size < 0 && errno == EINTR);
}

}  // namespace

base::Result<std::string> run_process(const std::string& command, const base::Environment& environment,
                                      std::chrono::milliseconds limit, std::size_t max_output,
                                      const std::stop_token& stop) {
    const base::Deadline deadline = base::Deadline::after(limit);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return base::fail(Errc::unavailable, "no pipe for its output");
    Fd from_child(ends[0]), to_us(ends[1]);
    pid_t pid = 0;
    if (const int error = SpawnPlan(to_us.get()).run(command, environment, pid); error != 0)
        return base::fail(Errc::unauthenticated, fmt::format("it cannot be started (error {})", error));
    Child child(pid);
    to_us.close();

    std::string output;
    bool ended = false;
    for (;;) {
        if (stop.stop_requested()) return base::fail(Errc::unavailable, "stopped");
        if (deadline.passed(std::chrono::steady_clock::now()))
            return base::fail(Errc::timed_out, fmt::format("it took longer than {} ms", limit.count()));
        if (ended) {
            if (const std::optional<int> status = child.poll_end()) {
                if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return output;
                return base::fail(Errc::unauthenticated,
                                  WIFEXITED(*status) ? fmt::format("it ended with status {}", WEXITSTATUS(*status))
                                                     : fmt::format("signal {} ended it", WTERMSIG(*status)));
            }
            ::poll(nullptr, 0, 1);
            continue;
        }
        pollfd waited{.fd = from_child.get(), .events = POLLIN, .revents = 0};
        if (::poll(&waited, 1, tick_ms) > 0) ended = !read_some(from_child.get(), output);
        if (output.size() > max_output)
            return base::fail(Errc::too_large, fmt::format("it wrote more than {} bytes", max_output));
    }
}

}  // namespace tertulia::aws
