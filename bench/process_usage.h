#pragma once

#include <dirent.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

/// What another process has used so far, from /proc.
namespace tertulia::bench {

/// CPU time of all the process's living threads, in nanoseconds. utime and stime of /proc/PID/stat count in ticks of
/// 10 ms; the scheduler's own figure is exact enough for short windows.
inline std::int64_t cpu_ns(int pid) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/task/";
    std::int64_t sum = 0;
    DIR* tasks = ::opendir(folder.c_str());
    if (tasks == nullptr) return 0;
    while (const dirent* entry = ::readdir(tasks)) {
        if (entry->d_name[0] == '.') continue;
        std::int64_t time = 0;
        std::ifstream(folder + entry->d_name + "/schedstat") >> time;
        sum += time;
    }
    ::closedir(tasks);
    return sum;
}

/// A "Name:  123 kB" line of a file in /proc/PID, in KiB; 0 when it is not there.
inline std::int64_t memory_kb(int pid, const char* file, std::string_view name) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
    for (std::string word; in >> word;) {
        if (word != name) continue;
        std::int64_t value = 0;
        in >> value;
        return value;
    }
    return 0;
}

}  // namespace tertulia::bench
