#include "tertulia/http/close_frame_filter.h"

#include <algorithm>
#include <utility>

#include "tertulia/base/utf8.h"

namespace tertulia::http {
namespace {

constexpr int close_opcode = 8;
constexpr std::size_t mask_size = 4, largest_control = 125, first_free_code = 5000;

unsigned char byte_of(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

// Of the length that follows the first two bytes.
std::size_t extended_size(unsigned char second) {
    return (second & 127) == 126 ? 2 : (second & 127) == 127 ? 8 : 0;
}
std::size_t head_size(unsigned char second) {
    return 2 + extended_size(second) + ((second & 128) != 0 ? mask_size : 0);
}

}  // namespace

std::size_t CloseFrameFilter::pass(std::string_view bytes) {
    std::size_t passed = 0;
    while (passed < bytes.size()) {
        if (state_ == State::done && held_.empty()) return bytes.size();
        if (state_ == State::done || state_ == State::close) {
            hold(bytes.substr(passed));
            return passed;
        }
        if (state_ == State::payload)
            passed += pass_payload(bytes.size() - passed);
        else if (take_head(byte_of(bytes, passed)))
            ++passed;
    }
    return passed;
}

std::size_t CloseFrameFilter::pass_payload(std::size_t available) {
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(available, payload_left_));
    payload_left_ -= size;
    if (payload_left_ == 0) state_ = State::head;
    return size;
}

// False: it is the first of a close frame.
bool CloseFrameFilter::take_head(unsigned char byte) {
    if (head_.empty() && (byte & 15) == close_opcode) {
        state_ = State::close;
        return false;
    }
    head_ += static_cast<char>(byte);
    if (head_.size() < 2 || head_.size() < head_size(byte_of(head_, 1))) return true;
    const std::size_t extended = extended_size(byte_of(head_, 1));
    payload_left_ = extended == 0 ? byte_of(head_, 1) & 127 : 0;
    for (std::size_t i = 0; i < extended; ++i) payload_left_ = payload_left_ << 8 | byte_of(head_, 2 + i);
    head_.clear();
    if (payload_left_ > 0) state_ = State::payload;
    return true;
}

void CloseFrameFilter::hold(std::string_view bytes) {
    held_ += bytes;
    if (state_ == State::done || held_.size() < 2) return;
    const std::size_t length = byte_of(held_, 1) & 127;
    if (length <= largest_control && held_.size() < head_size(byte_of(held_, 1)) + length) return;
    state_ = State::done;  // nothing of what follows counts
    mend();
}

void CloseFrameFilter::mend() {
    const unsigned char second = byte_of(held_, 1);
    const std::size_t length = second & 127, begin = head_size(second);
    if (length < 2 || length > largest_control || (second & 128) == 0) return;  // Beast refuses all others
    const auto mask = [&](std::size_t i) { return held_[begin - mask_size + i % mask_size]; };
    std::string payload = held_.substr(begin, length);
    for (std::size_t i = 0; i < length; ++i) payload[i] = static_cast<char>(payload[i] ^ mask(i));
    const std::size_t given = std::size_t(byte_of(payload, 0)) << 8 | byte_of(payload, 1);
    if (given >= first_free_code)
        breach_ = CloseCode::protocol_error;
    else if (base::find_invalid_utf8(std::string_view(payload).substr(2)) != std::string_view::npos)
        breach_ = CloseCode::invalid_text;
    if (!breach_) return;
    const auto code = static_cast<std::uint16_t>(*breach_);
    payload.assign(length, ' ');
    payload[0] = static_cast<char>(code >> 8);
    payload[1] = static_cast<char>(code & 255);
    for (std::size_t i = 0; i < length; ++i) held_[begin + i] = static_cast<char>(payload[i] ^ mask(i));
}

std::string CloseFrameFilter::take() {
    return state_ == State::done ? std::exchange(held_, {}) : std::string();
}

}  // namespace tertulia::http
