#include "tertulia/cli/chat_command.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <future>
#include <istream>
#include <optional>
#include <ostream>

#include "tertulia/async/worker.h"
#include "tertulia/base/utf8.h"
#include "tertulia/cli/chat_screen.h"
#include "tertulia/cli/conversation.h"
#include "tertulia/http/client.h"

namespace tertulia::cli {
namespace {

constexpr int exit_interrupted = 130;

std::string_view without_blanks(std::string_view line) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    return line;
}

// What lives on the worker.
class Chat {
  public:
    Chat(async::Worker& worker, ChatScreen& screen, Place place)
        : client_(worker.executor()),
          conversation_({.client = client_, .tasks = worker.tasks(), .executor = worker.executor(), .screen = screen},
                        std::move(place)),
          signals_(worker.executor(), SIGINT) {
        watch();
    }
    ~Chat() { ::close(interrupted_); }

    Conversation& conversation() { return conversation_; }

    /// Waits at the prompt until a line can be read (a terminal gives them one by one), or its end. False: Ctrl-C.
    bool wait_for_line() const {
        pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {interrupted_, POLLIN, 0}};
        while (::poll(watched, std::size(watched), -1) < 0) {  // EINTR: the signal that the worker will tell of
        }
        return watched[1].revents == 0;
    }

  private:
    void watch() {
        signals_.async_wait([this](const boost::system::error_code& error, int) {
            if (error) return;
            if (!conversation_.interrupt()) ::eventfd_write(interrupted_, 1);
            watch();
        });
    }

    const int interrupted_ = ::eventfd(0, EFD_CLOEXEC);
    http::Client client_;
    Conversation conversation_;
    async::asio::basic_signal_set<async::Executor> signals_;
};

async::Task<void> take_down(async::Worker& worker, std::optional<Chat>& chat) {
    co_await worker.tasks().join(base::Deadline::after(std::chrono::seconds(10)));
    chat.reset();
}

}  // namespace

int run_chat(const ChatOptions& options, std::istream& in, std::ostream& out, std::ostream& err) {
    std::string address = options.url;
    while (address.ends_with('/')) address.pop_back();
    if (const auto url = http::parse_url(address + "/chat"); !url) {
        err << "tertulia chat: --url: " << url.error().message << '\n';
        return 2;
    }

    async::Worker worker([&err](const std::string& what) { err << "tertulia chat: " << what << '\n'; });
    ChatScreen screen(out, err);
    std::optional<Chat> chat(
        std::in_place, worker, screen,
        Place{.url = address, .session_id = options.session_id, .model = options.model, .token = options.token});
    worker.start("chat");
    Conversation& conversation = chat->conversation();
    bool all_answered = true;
    const auto run = [&worker](async::Task<bool> turn) {
        bool whole = false;
        worker.run_until_done([](async::Task<bool> turn, bool& whole) -> async::Task<void> {
            whole = co_await std::move(turn);
        }(std::move(turn), whole));
        return whole;
    };
    if (options.interactive) {
        out << "Write a message and press Enter; /continue goes on with an unfinished answer, Ctrl-C stops one, /quit "
               "ends.\n";
        worker.run_until_done(conversation.catch_up());
    }
    for (std::string line; !conversation.left();) {
        if (options.interactive) out << "> " << std::flush;
        if ((options.interactive && !chat->wait_for_line()) || !std::getline(in, line)) break;
        const std::string_view message = without_blanks(line);
        if (message == "/quit") break;
        if (message.empty()) continue;
        if (base::find_invalid_utf8(message) != std::string_view::npos) {
            err << "error: this line is not UTF-8\n";
            all_answered = false;
        } else if (message == "/continue") {
            all_answered = run(conversation.go_on()) && all_answered;
        } else {
            all_answered = run(conversation.send(std::string(message))) && all_answered;
        }
    }
    if (options.interactive) out << '\n';
    const std::string session = conversation.session_id();
    const bool left = conversation.left();
    if (!session.empty()) err << "session " << session << "; resume with: tertulia chat --session " << session << '\n';
    worker.run_until_done(take_down(worker, chat));  // its sockets are closed where they belong
    worker.context().stop();
    worker.join();
    if (left) return exit_interrupted;
    return all_answered || options.interactive ? 0 : 1;
}

}  // namespace tertulia::cli
