// A device's in-order queue and the one thread that serves it. Enqueuing never waits; a caller that runs far ahead
// waits in JavaScript (`ready`), and kMaxPending is the point where even that has been ignored too long.
//
// Errors are sticky: the outputs of a failed command are poisoned, commands that read them are skipped and poison
// theirs, everything else runs on. The first error is kept until a read or a sync reports it.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "program.h"

namespace gv {

class Profile;
using ErrorPtr = std::shared_ptr<const Error>;

class Stream {
 public:
  static constexpr size_t kMaxPending = size_t{1} << 20;

  // `prepare` runs once on the stream's thread (binding it to a core, for instance).
  Stream(Allocator& allocator, std::function<void()> prepare);

  Allocator& allocator() { return allocator_; }
  size_t pending();

  void enqueue(Call&& call);
  // All calls of the program, as one command.
  void enqueue(Program::Run&& run);
  // The memory that the stream's programs share; freed with the last of them.
  std::shared_ptr<Arena> arena();

  // `done(error, bytes)` is called on the stream's thread; `bytes` points at the tensor's data and is valid during
  // the call only.
  void read(Tensor tensor, std::function<void(ErrorPtr, const void*)> done);
  // Runs `done` when everything enqueued before has run.
  void sync(std::function<void(ErrorPtr)> done);
  // Runs `done` as soon as at most `limit` commands wait.
  void whenBelow(size_t limit, std::function<void()> done);

 private:
  struct Command {
    Call call;                             // an op when call.op is set,
    Program::Run run;                      // a program when run.program is set,
    std::function<void(ErrorPtr)> marker;  // otherwise a read or a sync
  };
  void push(Command&& command);
  void serve();
  void runTimed(Call& call);
  void runCall(Call& call);
  void runProgram(Program::Run& run);
  void wakeWaiters(std::unique_lock<std::mutex>& lock);
  ErrorPtr takeError();

  Allocator& allocator_;
  Profile* const profile_;
  std::mutex mutex_;
  std::weak_ptr<Arena> arena_;
  std::condition_variable ready_;
  std::deque<Command> queue_;
  size_t pending_ = 0;  // queued plus running
  std::vector<std::pair<size_t, std::function<void()>>> waiters_;
  ErrorPtr error_;  // touched by the stream's thread only
};

}  // namespace gv
