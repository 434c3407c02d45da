// GANVAS_PROFILE=trace.json: what the stream's thread did and when, as a Chrome trace (chrome://tracing, Perfetto).
// One event per op with its shapes, one per read or sync, one per wait for the next command. Written when the process
// exits. Costs one branch per command when off.
#pragma once
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "call.h"

namespace gv {

class Profile {
 public:
  using Clock = std::chrono::steady_clock;

  // Null unless GANVAS_PROFILE names a file.
  static Profile* get();

  void add(const Call& call, Clock::time_point begin, Clock::time_point end);
  void add(const char* name, Clock::time_point begin, Clock::time_point end);
  void write();

 private:
  explicit Profile(std::string path) : path_(std::move(path)) {}

  struct Event {
    std::string name, shapes;
    Clock::time_point begin, end;
  };
  std::string path_;
  Clock::time_point origin_ = Clock::now();
  std::mutex mutex_;  // at exit the stream's thread may still be adding
  std::vector<Event> events_;
};

}  // namespace gv
