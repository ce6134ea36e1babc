// `tertulia chat`: a conversation in the terminal with a running server.
#pragma once

#include <iosfwd>
#include <string>

#include "tertulia/base/secret.h"

namespace tertulia::cli {

/// Value.
struct ChatOptions {
    std::string url = "http://127.0.0.1:8080";
    std::string session_id = {};  ///< to resume; empty: a new session
    std::string model = {};       ///< `PROVIDER/MODEL`; empty: the session's
    base::Secret token = {};
    /// A person sits there: prompt, and say how it works.
    bool interactive = false;
};

/// Sends each line of `in` as a message and prints the answers as they stream, until `/quit` or the end of `in`; then
/// says how the session can be resumed. `/continue` goes on with an answer that is not whole. A lost connection is
/// taken up again. Ctrl-C stops the answer that is being written, a second one leaves it to the server. The exit code:
/// 0, 1 where a message was not answered and nobody was there to see it, 2 where `url` is none, 130 where an answer was
/// left.
int run_chat(const ChatOptions& options, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace tertulia::cli
