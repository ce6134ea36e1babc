#include "tertulia/sessions/turn_log.h"

#include <algorithm>

#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn_checkpoint.h"

namespace tertulia::sessions {
namespace {

EventKind kind_of(chat::AnswerEvents::Kind kind) {
    using Kind = chat::AnswerEvents::Kind;
    switch (kind) {
        case Kind::text:
            return EventKind::text;
        case Kind::refusal:
            return EventKind::refusal;
        case Kind::thinking:
            return EventKind::thinking;
        case Kind::tool_call:
            return EventKind::tool_call;
        case Kind::tool_arguments:
            return EventKind::tool_arguments;
        case Kind::signature:
            return EventKind::signature;
        case Kind::native:
            return EventKind::native;
        case Kind::restart:
            return EventKind::restart;
    }
    return EventKind::restart;
}

// A log may grow for minutes, beside thousands of others: about a fifth is kept free at most, not a half.
void make_room(std::string& bytes, std::size_t more) {
    const std::size_t size = bytes.size() + more;
    if (size <= bytes.capacity()) return;
    std::string grown;  // `reserve` alone doubles what there is
    grown.reserve(size + std::max<std::size_t>(size / 4, 64));
    grown = bytes;
    bytes.swap(grown);
}

bool is_text(EventKind kind) {
    return kind == EventKind::text || kind == EventKind::refusal;
}

// The answer's text with all events before `number`.
std::string text_before(std::uint32_t number, std::string_view record, std::string_view bytes) {
    std::string text;
    std::size_t at = 0, earlier = 0;  // earlier: what no new beginning makes void
    EventEntry entry;
    for (EventCursor cursor; cursor.next(record, entry) && (entry.number == 0 || entry.number < number);) {
        if (entry.kind == EventKind::text_replaced) text.clear();
        if (entry.kind == EventKind::restart) text.resize(earlier);
        if (is_text(entry.kind) || entry.kind == EventKind::text_replaced) text += bytes.substr(at, entry.text_size);
        if (entry.kind == EventKind::text_replaced || entry.kind == EventKind::rerouted) earlier = text.size();
        at += std::size_t(entry.text_size) + entry.extra_size;
    }
    return text;
}

// What a turn said of itself at its start, as far as its first events tell.
TurnStarted started_of(const TurnRemains& kept) {
    TurnStarted started{.model = kept.model, .continues = kept.continues, .prompt_tokens = kept.prompt_tokens};
    const std::vector<Rerouted> reroutes = reroutes_of(kept.record, kept.bytes);
    if (!reroutes.empty() && !reroutes.front().from.empty()) started.model = reroutes.front().from;
    return started;
}

}  // namespace

TurnLog::TurnLog(std::shared_ptr<const TurnName> name, std::shared_ptr<std::atomic<std::int64_t>> memory)
    : name_(std::move(name)), memory_(std::move(memory)), reserved_(first_reserved_numbers) {
    count_memory();
}

TurnLog::~TurnLog() {
    if (memory_) memory_->fetch_sub(counted_, std::memory_order_relaxed);
}

std::shared_ptr<TurnLog> TurnLog::restore(const TurnName& name, const StoredMessage& answer,
                                          std::shared_ptr<std::atomic<std::int64_t>> memory) {
    auto log = std::make_shared<TurnLog>(std::make_shared<const TurnName>(name), std::move(memory));
    log->fill(answer);
    return log;
}

void TurnLog::fill(const StoredMessage& answer) {
    const RestoredEvents restored = restore_events(answer);
    const std::lock_guard lock(mutex_);
    const bool is_followed = record_.last_number() > 0;
    go_on(restored.record, restored.bytes);
    if (record_.last_number() == 0) {  // kept by a version, or a program, that knew of no events
        const auto size = static_cast<std::uint32_t>(answer.content.size());
        bytes_ = answer.content;
        record_.add({.kind = EventKind::started, .number = 1});
        if (size > 0) record_.add({.kind = EventKind::text, .number = 2, .text_size = size});
        record_.add({.kind = EventKind::usage, .number = next_number()});
        record_.add({.kind = EventKind::ended, .number = next_number()});
    }
    result_ = std::make_shared<const TurnResult>(stored_result(*name_, answer));
    if (!is_followed)
        started_ =
            std::make_shared<const TurnStarted>(TurnStarted{.model = answer.model, .continues = result_->continues});
    keep_text_once();
    count_memory();
    wake(true, true);
}

// The events of a whole record behind those that are here.
void TurnLog::go_on(std::string_view record, std::string_view bytes) {
    const std::uint32_t here = record_.last_number();
    const auto text_size = [](const EventEntry& entry) { return std::size_t(entry.text_size) + entry.extra_size; };
    std::size_t at = 0;
    EventEntry entry;
    EventCursor cursor;
    bool any = cursor.next(record, entry);
    for (; any && here > 0 && entry.number <= here; any = cursor.next(record, entry)) at += text_size(entry);
    // A turn that was lost: its last words came too late to be kept, but not for readers to see them.
    if (here > 0 && any && entry.kind == EventKind::ended && entry.number > here + 1)
        if (const std::string text = text_before(entry.number, record, bytes); text != text_up_to(UINT32_MAX)) {
            record_.add({.kind = EventKind::text_replaced,
                         .number = entry.number - 1,
                         .text_size = static_cast<std::uint32_t>(text.size())});
            bytes_ += text;
        }
    bytes_.append(bytes.substr(std::min(at, bytes.size())));
    for (; any; any = cursor.next(record, entry)) record_.add(entry);
}

void TurnLog::follow() {
    const std::lock_guard lock(mutex_);
    started_ = std::make_shared<const TurnStarted>();
}

bool TurnLog::grow(const TurnRemains& kept, bool is_whole) {
    const std::lock_guard lock(mutex_);
    std::string_view record = kept.record, bytes = kept.bytes;
    if (is_whole) {
        if (!record.starts_with(record_.bytes()) || !bytes.starts_with(bytes_)) return false;
        record.remove_prefix(record_.bytes().size());
        bytes.remove_prefix(bytes_.size());
    }
    const bool is_first = record_.last_number() == 0;
    std::size_t size = 0;
    EventEntry entry;
    for (EventCursor cursor(record_); cursor.next(record, entry);)
        size += std::size_t(entry.text_size) + entry.extra_size;
    if (size != bytes.size()) return false;
    for (EventCursor cursor(record_); cursor.next(record, entry);) record_.add(entry);
    bytes_ += bytes;
    if (is_first && record_.last_number() > 0) started_ = std::make_shared<const TurnStarted>(started_of(kept));
    count_memory();
    wake(false, false);
    return true;
}

void TurnLog::leave(TurnResult result) {
    const std::lock_guard lock(mutex_);
    result_ = std::make_shared<const TurnResult>(std::move(result));
    count_memory();
    wake(true, true);
}

void TurnLog::resume(const TurnRemains& remains, TurnStarted started, std::uint32_t first_number) {
    const std::lock_guard lock(mutex_);
    EventEntry entry;
    std::size_t size = 0;
    for (EventCursor cursor; cursor.next(remains.record, entry);)
        size += std::size_t(entry.text_size) + entry.extra_size;
    if (size == remains.bytes.size()) {  // else it is spoilt
        for (EventCursor cursor; cursor.next(remains.record, entry);) record_.add(entry);
        bytes_ = remains.bytes;
    }
    if (record_.last_number() == 0) record_.add({.kind = EventKind::started, .number = first_number});
    maker_ = remains.maker;
    started_ = std::make_shared<const TurnStarted>(std::move(started));
    model_ = started_->model;
    reserved_ = std::max(reserved_.load(), remains.reserved);
    count_memory();
    wake(true, false);
}

// -- the writer ------------------------------------------------------------------------------------------------------

void TurnLog::add(EventEntry entry, std::string_view text, std::string_view extra) {
    if (is_shown(entry.kind)) entry.number = next_number();
    entry.text_size = static_cast<std::uint32_t>(text.size());
    entry.extra_size = static_cast<std::uint32_t>(extra.size());
    record_.add(entry);
    make_room(bytes_, text.size() + extra.size());
    bytes_ += text;
    bytes_ += extra;
}

void TurnLog::queue() {
    const std::lock_guard lock(mutex_);
    queued_ = true;
    add({.kind = EventKind::queued});
    wake(true, false);
}

void TurnLog::start(TurnStarted started, std::string maker) {
    const std::lock_guard lock(mutex_);
    started_ = std::make_shared<const TurnStarted>(std::move(started));
    maker_ = std::move(maker);
    model_ = started_->model;
    add({.kind = EventKind::started});
    wake(true, false);
}

void TurnLog::replace_text(std::string_view text) {
    const std::lock_guard lock(mutex_);
    add({.kind = EventKind::text_replaced}, text);
    count_memory();
    wake(false, false);
}

void TurnLog::change_maker(std::string_view maker) {
    const std::lock_guard lock(mutex_);
    add({.kind = EventKind::maker}, maker);
}

void TurnLog::change_model(std::string_view model) {
    const std::lock_guard lock(mutex_);
    model_ = model;
    has_new_model_ = true;
}

void TurnLog::reroute(const Rerouted& rerouted) {
    const std::lock_guard lock(mutex_);
    add({.kind = EventKind::rerouted}, rerouted.to_text());
    wake(false, false);
}

void TurnLog::note(const Billed& billed) {
    const std::lock_guard lock(mutex_);
    add({.kind = EventKind::billed}, billed.to_text());
}

void TurnLog::restart() {
    const std::lock_guard lock(mutex_);
    add({.kind = EventKind::restart});
}

void TurnLog::append(const chat::AnswerEvents& steps) {
    if (steps.events().empty()) return;
    const std::lock_guard lock(mutex_);
    make_room(bytes_, steps.byte_size());
    bool visible = false;
    for (const auto& event : steps.events()) {
        const EventKind kind = kind_of(event.kind);
        const std::string_view text = steps.bytes(event.text);
        const bool says_something = !text.empty() || kind == EventKind::tool_call || kind == EventKind::restart;
        if (!says_something) continue;
        add({.kind = kind, .block = event.block}, text, steps.bytes(event.extra));
        visible |= is_shown(kind);
    }
    count_memory();
    if (visible) wake(false, false);
}

void TurnLog::finish(TurnResult result, bool with_usage) {
    const std::lock_guard lock(mutex_);
    if (with_usage) add({.kind = EventKind::usage});
    add({.kind = EventKind::ended});
    result_ = std::make_shared<const TurnResult>(std::move(result));
    keep_text_once();
    count_memory();
    wake(false, true);
}

void TurnLog::keep_text_once() {
    if (bytes_ != result_->message) return;
    texts_in_result_ = true;
    std::string().swap(bytes_);
}

void TurnLog::wake(bool start, bool end) {
    for (const Waiting& waiting : waiters_) {
        const bool wanted =
            waiting.what == WakeFor::any_event || end || (waiting.what == WakeFor::start_or_end && start);
        if (wanted) waiting.waiter->wake();
    }
}

void TurnLog::count_memory() {
    if (!memory_) return;
    const std::int64_t held = held_bytes();
    memory_->fetch_add(held - counted_, std::memory_order_relaxed);
    counted_ = held;
}

// -- readers ---------------------------------------------------------------------------------------------------------

void TurnLog::read(Place& place, EventBatch& batch, std::size_t max_bytes) const {
    batch.events.clear();
    batch.bytes.clear();
    const std::lock_guard lock(mutex_);
    const auto put = [&batch](std::string_view text) {
        const auto offset = static_cast<std::uint32_t>(batch.bytes.size());
        batch.bytes += text;
        return chat::AnswerEvents::Span{offset, static_cast<std::uint32_t>(text.size())};
    };
    EventEntry entry;
    while (batch.bytes.size() < max_bytes && place.cursor.next(record_.bytes(), entry)) {
        const std::string_view text = texts().substr(place.at, entry.text_size);
        const std::string_view extra = texts().substr(place.at + text.size(), entry.extra_size);
        place.at += text.size() + extra.size();
        if (!is_shown(entry.kind)) continue;
        // Numbers are missing before this event, and the reader has seen some of them: what it has is not what there
        // is.
        if (place.shown < place.after && place.after + 1 < entry.number)
            batch.events.push_back({.kind = EventKind::text_replaced,
                                    .number = entry.number - 1,
                                    .block = 0,
                                    .text = put(text_up_to(entry.number)),
                                    .extra = {}});
        place.shown = entry.number;
        if (entry.number <= place.after) continue;
        batch.events.push_back(
            {.kind = entry.kind, .number = entry.number, .block = entry.block, .text = put(text), .extra = put(extra)});
    }
}

std::string TurnLog::text_up_to(std::uint32_t number) const {
    return text_before(number, record_.bytes(), texts());
}

std::string TurnLog::text() const {
    const std::lock_guard lock(mutex_);
    return text_up_to(UINT32_MAX);
}

std::uint32_t TurnLog::last_number() const {
    const std::lock_guard lock(mutex_);
    return record_.last_number();
}

std::int64_t TurnLog::memory() const {
    const std::lock_guard lock(mutex_);
    return held_bytes();
}

std::int64_t TurnLog::held_bytes() const {
    return static_cast<std::int64_t>(sizeof(TurnLog) + bytes_.capacity() + record_.bytes().capacity()) +
           (result_ ? memory_of(*result_) : 0);
}

void TurnLog::add_waiter(std::shared_ptr<async::Waiter> waiter, WakeFor what) {
    const std::lock_guard lock(mutex_);
    waiters_.push_back({std::move(waiter), what});
}

void TurnLog::remove_waiter(const async::Waiter* waiter) {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiters_, [&](const Waiting& waiting) { return waiting.waiter.get() == waiter; });
}

bool TurnLog::was_queued() const {
    const std::lock_guard lock(mutex_);
    return queued_;
}

bool TurnLog::has_started() const {
    const std::lock_guard lock(mutex_);
    return started_ != nullptr;
}

bool TurnLog::was_left() const {
    const std::lock_guard lock(mutex_);
    return result_ && result_->state == TurnState::running;
}

std::shared_ptr<const TurnStarted> TurnLog::started() const {
    const std::lock_guard lock(mutex_);
    return started_;
}

std::shared_ptr<const TurnResult> TurnLog::result() const {
    const std::lock_guard lock(mutex_);
    return result_;
}

// -- checkpoints -----------------------------------------------------------------------------------------------------

TurnCheckpoint TurnLog::take_checkpoint(std::uint32_t more_numbers, bool whole, std::uint32_t& reserve) {
    const std::lock_guard lock(mutex_);
    if (whole) {
        saved_record_ = 0;
        saved_bytes_ = 0;
    }
    reserve = record_.last_number() + more_numbers;
    const std::string_view record = std::string_view(record_.bytes()).substr(saved_record_);
    const std::string_view bytes = std::string_view(bytes_).substr(saved_bytes_);
    const bool is_first = saved_record_ == 0;
    saved_record_ += record.size();
    saved_bytes_ += bytes.size();
    const bool tells_model = std::exchange(has_new_model_, false) || is_first;
    const std::string_view model = tells_model ? std::string_view(model_) : std::string_view();
    const std::string_view maker = is_first ? std::string_view(maker_) : std::string_view();
    const TurnStarted start = is_first && started_ ? *started_ : TurnStarted();
    return {.turn = name_,
            .data = TurnRemains::piece(model, maker, reserve, record, bytes, start.prompt_tokens, start.continues),
            .is_whole = is_first};
}

bool TurnLog::has_unsaved() const {
    const std::lock_guard lock(mutex_);
    return record_.bytes().size() > saved_record_;
}

void TurnLog::set_reserved(std::uint32_t number) {
    std::uint32_t before = reserved_.load(std::memory_order_relaxed);
    while (before < number && !reserved_.compare_exchange_weak(before, number, std::memory_order_relaxed)) {
    }
}

TurnCheckpoint TurnLog::reservation(std::uint32_t up_to) const {
    return {.turn = name_, .data = TurnRemains::piece({}, {}, up_to, {}, {})};
}

}  // namespace tertulia::sessions
