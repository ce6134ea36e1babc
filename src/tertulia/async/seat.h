// Where a task waits for something that is no operation of Asio.
#pragma once

#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <cstddef>
#include <vector>

#include "tertulia/async/promise.h"

namespace tertulia::async {

class Seats;

/// The place of one waiting task, which it owns for as long as that waits: an awaiter gives it the task with `take`,
/// whatever it waits for resumes it. A taken seat keeps the event loop going; where that is destroyed, so is the task.
/// One per worker.
class Seat : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    explicit Seat(Executor executor);
    ~Seat();
    Seat(const Seat&) = delete;

    bool is_taken() const { return static_cast<bool>(chain_); }

    /// For `await_suspend`. The seat must be free.
    template <class AnyPromise>
    void take(std::coroutine_handle<AnyPromise> task) {
        take(task, task.promise().chain(), awaiting(task.promise()));
    }

    /// The task goes on now, inside this call; it may destroy the seat.
    void resume();
    /// The task goes on from the event loop, after whatever runs now.
    void resume_soon();

    /// Has what the task touches first when it goes on brought into the caches.
    void prefetch_task() const;

    /// For a handler of the event loop that resumes many tasks, each of which makes others ready: while there is one,
    /// these go on in `resume_ready`, without a turn of the event loop. Those that are left at its end get theirs.
    class Driver {
      public:
        explicit Driver(Executor executor);
        ~Driver();
        Driver(const Driver&) = delete;

        void resume_ready();

      private:
        Seats& seats_;
    };

  private:
    friend class Seats;

    static std::coroutine_handle<> awaiting(const detail::PromiseBase& promise) { return promise.awaiting(); }
    template <class First>
    static std::coroutine_handle<> awaiting(const First&) {
        return {};
    }
    void take(std::coroutine_handle<> task, detail::Chain* chain, std::coroutine_handle<> behind);

    Seats& seats_;
    detail::OwnedChain chain_;
    std::coroutine_handle<> task_;    // the innermost of its frames,
    std::coroutine_handle<> behind_;  // and the one that awaits that
    bool is_ready_ = false;           // among Seats::ready_
};

/// All seats of one event loop, and the order in which ready tasks go on. One per event loop.
class Seats : public asio::execution_context::service {
  public:
    using key_type = Seats;
    static asio::execution_context::id id;

    static Seats& of(Executor executor) { return asio::use_service<Seats>(executor.context()); }
    explicit Seats(asio::execution_context& context);

  private:
    friend class Seat;

    void shutdown() override;
    void make_ready(Seat& seat);
    void resume_later();
    void forget_ready(Seat& seat);
    void resume_ready();

    Executor executor_;
    boost::intrusive::list<Seat, boost::intrusive::constant_time_size<false>> all_;
    std::vector<Seat*> ready_;    // null: its task has gone on otherwise
    std::vector<Seat*> resumed_;  // were ready, and go on one after the other
    std::size_t drivers_ = 0;
    bool is_posted_ = false;
};

}  // namespace tertulia::async
