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

#include "backend.h"
#include "program.h"

namespace gv {

class Profile;
using ErrorPtr = std::shared_ptr<const Error>;

class Stream {
 public:
  static constexpr size_t kMaxPending = size_t{1} << 20;

  Stream(Allocator& allocator, Backend& backend);
  size_t pending();

  void enqueue(Call&& call);
  // All calls of the program, as one command.
  void enqueue(Program::Run&& run);
  // The memory that the stream's programs share; freed with the last of them.
  std::shared_ptr<Arena> arena();

  // Fills the tensor from `staged`, memory that the backend's stage() gave.
  void upload(Tensor tensor, std::shared_ptr<void> staged);
  // Fills the tensor with the one that lives on another stream's device. Both have the same shape and dtype.
  void copyFrom(Stream& other, Tensor from, Tensor to);

  // `done(error, bytes)` is called on the stream's thread; `bytes` points at the tensor's data and is valid during
  // the call only.
  void read(Tensor tensor, std::function<void(ErrorPtr, const void*)> done);
  // Runs `done` when everything enqueued before has run.
  void sync(std::function<void(ErrorPtr)> done);
  // Lets go of an object on the stream's thread, after everything enqueued before.
  void release(std::shared_ptr<void> object);
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
  // Runs work on the stream's thread; what it throws becomes the error of the storage that it should have written.
  void pushWork(std::shared_ptr<Storage> writes, std::function<void()> work);
  // Calls use(bytes) with the tensor's data in the host's memory.
  void withData(const Tensor& tensor, const std::function<void(const void*)>& use);

  Allocator& allocator_;
  Backend& backend_;
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
