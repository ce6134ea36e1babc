// A real server on a loopback port, with its answers written down beforehand. Header only.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tertulia/http/url.h"

namespace tertulia::support {

/// A server on a thread of its own that answers each request with the next of its answers, on the same connection
/// unless that answer closes it. What it was asked is kept: look at it when the answers have come.
class ScriptedServer {
  public:
    struct Answer {
        std::vector<std::string> pieces;  // written one after the other
        bool close = false;
    };

    explicit ScriptedServer(std::vector<Answer> answers) : answers_(std::move(answers)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error("cannot listen");
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~ScriptedServer() {
        test_is_over_.set_value();
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }

    http::Url url(std::string path = "/") const {
        return {.host = "127.0.0.1", .port = port_, .target = std::move(path)};
    }
    const std::vector<std::string>& requests() const { return requests_; }

  private:
    void serve() {
        int connection = -1;
        for (const Answer& answer : answers_) {
            std::string request = connection < 0 ? std::string() : read_request(connection);
            if (request.empty()) {
                if (connection >= 0) ::close(connection);
                connection = ::accept(listener_, nullptr, nullptr);
                if (connection < 0) return;
                request = read_request(connection);
            }
            requests_.push_back(std::move(request));
            for (const std::string& piece : answer.pieces) [[maybe_unused]]
                const ssize_t sent = ::send(connection, piece.data(), piece.size(), MSG_NOSIGNAL);
            if (answer.close) {
                ::close(connection);
                connection = -1;
            }
        }
        test_is_over_.get_future().wait();
        if (connection >= 0) ::close(connection);
    }

    // Head and body by Content-Length; empty at the end of the connection.
    static std::string read_request(int connection) {
        std::string request;
        std::size_t wanted = std::string::npos;
        while (request.size() < wanted) {
            char bytes[4096];
            const ssize_t size = ::recv(connection, bytes, sizeof bytes, 0);
            if (size <= 0) return {};
            request.append(bytes, static_cast<std::size_t>(size));
            const std::size_t head = request.find("\r\n\r\n");
            if (wanted != std::string::npos || head == std::string::npos) continue;
            std::string lower = request.substr(0, head);
            for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            const std::size_t length = lower.find("content-length: ");
            wanted = head + 4 + (length == std::string::npos ? 0 : std::stoul(lower.substr(length + 16)));
        }
        return request;
    }

    std::vector<Answer> answers_;
    std::vector<std::string> requests_;
    std::promise<void> test_is_over_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace tertulia::support
