#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <vector>

#include "load_options.h"
#include "net.h"
#include "process_usage.h"

/// What a run of the load generator counts, and how it tells it: one JSON object.
namespace tertulia::bench {

/// The programs' resources at one moment.
struct Usage {
    std::int64_t time = 0, server_cpu = 0, upstream_cpu = 0, own_cpu = 0, rss_kb = 0, anon_kb = 0, pss_kb = 0;

    static Usage now(const Options& options) {
        Usage usage;
        timespec own{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
        usage.own_cpu = std::int64_t{own.tv_sec} * 1'000'000'000 + own.tv_nsec;
        if (options.upstream_pid != 0) usage.upstream_cpu = cpu_ns(options.upstream_pid);
        if (options.server_pid != 0) {
            usage.rss_kb = memory_kb(options.server_pid, "status", "VmRSS:");
            usage.anon_kb = memory_kb(options.server_pid, "status", "RssAnon:");
            usage.pss_kb = memory_kb(options.server_pid, "smaps_rollup", "Pss:");
            usage.server_cpu = cpu_ns(options.server_pid);
        }
        usage.time = now_ns();
        return usage;
    }
};

/// Times in tenths of a microsecond.
struct Times {
    std::vector<std::uint32_t> values;

    void add(std::int64_t ns) { values.push_back(static_cast<std::uint32_t>(ns / 100)); }
    void print(const char* name) {
        std::ranges::sort(values);
        std::printf(",\"%sp50_us\":%.1f,\"%sp99_us\":%.1f,\"%smax_us\":%.1f", name, at(0.5), name, at(0.99), name,
                    at(1));
    }

  private:
    double at(double q) const {
        if (values.empty()) return 0;
        return static_cast<double>(values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]) / 10;
    }
};

/// In the counted time.
struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t events = 0;
    std::uint64_t errors = 0;
    std::uint64_t body_bytes = 0;
    std::uint64_t context_tokens = 0;  // sum of the answers' estimated_tokens
    Times latency;
    Times first;       // until the answer's body began
    Times first_text;  // until the first event that carries text was there
};

/// In the whole run.
struct Totals {
    std::uint64_t complete = 0;  // whole answers
    std::uint64_t resumed_complete = 0;
    std::uint64_t errors = 0;
    Times catching_up;  // from the moment when all were asked to go on, until each had what its first reader had then
};

struct LoadReport {
    Usage at_rest, begin, end;
    Counts counts;
    Totals totals;
    std::size_t running = 0;  // answers, at the end of the counted time
    std::size_t late = 0;     // requests that were due then and had not been sent

    void print() {
        const double seconds = static_cast<double>(end.time - begin.time) / 1e9;
        const auto share = [&](std::int64_t Usage::* cpu) {
            return static_cast<double>(end.*cpu - begin.*cpu) / 1e9 / seconds;
        };
        const auto per = [](double value, std::uint64_t count) {
            return count > 0 ? value / static_cast<double>(count) : 0.0;
        };
        const double server_us = static_cast<double>(end.server_cpu - begin.server_cpu) / 1e3;
        std::printf("{\"seconds\":%.3f", seconds);
        print_number("requests", counts.requests);
        print_real("per_second", static_cast<double>(counts.requests) / seconds);
        print_number("events", counts.events);
        print_real("events_per_second", static_cast<double>(counts.events) / seconds);
        print_number("errors", totals.errors);
        print_number("late", late);
        counts.latency.print("");
        counts.first.print("first_");
        counts.first_text.print("first_text_");
        print_real("server_cpu_us_per_request", per(server_us, counts.requests));
        print_real("server_cpu_us_per_event", per(server_us, counts.events));
        print_real("server_cpu", share(&Usage::server_cpu));
        print_real("upstream_cpu", share(&Usage::upstream_cpu));
        print_real("load_cpu", share(&Usage::own_cpu));
        print_number("rss_kb", end.rss_kb);
        print_number("rss_growth_kb", end.rss_kb - at_rest.rss_kb);
        print_number("anon_growth_kb", end.anon_kb - at_rest.anon_kb);
        print_number("pss_growth_kb", end.pss_kb - at_rest.pss_kb);
        print_number("running", running);
        print_real("body_bytes", per(static_cast<double>(counts.body_bytes), counts.requests));
        print_real("context_tokens", per(static_cast<double>(counts.context_tokens), counts.requests));
        print_number("complete", totals.complete);
        print_number("caught_up", totals.catching_up.values.size());
        totals.catching_up.print("catching_up_");
        print_number("resumed_complete", totals.resumed_complete);
        std::printf("}\n");
    }

  private:
    template <class Number>
    static void print_number(const char* name, Number value) {
        std::printf(",\"%s\":%lld", name, static_cast<long long>(value));
    }
    static void print_real(const char* name, double value) { std::printf(",\"%s\":%.3f", name, value); }
};

}  // namespace tertulia::bench
