#include "stream.h"

#include <cstring>
#include <future>

#include "profile.h"

namespace gv {

Stream::Stream(Allocator& allocator, Backend& backend)
    : allocator_(allocator), backend_(backend), profile_(Profile::get()) {
  // Detached and never stopped: at process exit there is nothing to save and joining could hang it.
  std::thread([this] {
    backend_.begin();
    serve();
  }).detach();
}

size_t Stream::pending() {
  std::lock_guard<std::mutex> lock(mutex_);
  return pending_;
}

void Stream::push(Command&& command) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (pending_ >= kMaxPending)
      fail("ERR_ARGUMENT", "%zu operations are waiting to run: await a result (data(), sync()) inside long loops",
           pending_);
    wake = queue_.empty();
    queue_.push_back(std::move(command));
    pending_++;
  }
  if (wake) ready_.notify_one();
}

void Stream::enqueue(Call&& call) { push({std::move(call), {}, nullptr}); }

void Stream::enqueue(Program::Run&& run) { push({Call{}, std::move(run), nullptr}); }

std::shared_ptr<Arena> Stream::arena() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::shared_ptr<Arena> arena = arena_.lock();
  if (!arena) arena_ = arena = std::make_shared<Arena>(allocator_);
  return arena;
}

void Stream::withData(const Tensor& tensor, const std::function<void(const void*)>& use) {
  if (backend_.onHost()) return use(tensor.storage->data);
  std::vector<char> bytes(tensor.bytes());
  backend_.download(bytes.data(), tensor.storage->data, bytes.size());
  use(bytes.data());
}

void Stream::pushWork(std::shared_ptr<Storage> writes, std::function<void()> work) {
  push({Call{}, {}, [this, writes = std::move(writes), work = std::move(work)](ErrorPtr) {
          ErrorPtr error;
          try {
            return work();
          } catch (const Error& e) {
            error = std::make_shared<const Error>(e);
          } catch (const std::exception& e) {
            error = std::make_shared<const Error>("ERR_INTERNAL", e.what());
          }
          writes->poison = error;
          if (!error_) error_ = error;
        }});
}

void Stream::upload(Tensor tensor, std::shared_ptr<void> staged) {
  const auto storage = tensor.storage;
  pushWork(storage, [this, tensor = std::move(tensor), staged = std::move(staged)] {
    tensor.storage->materialise();
    backend_.upload(tensor.storage->data, staged, tensor.bytes());
  });
}

void Stream::copyFrom(Stream& other, Tensor from, Tensor to) {
  // The other stream's thread fills the staged bytes, ours waits for it. No cycle of such waits can arise: the reading
  // never waits and is queued before the waiting.
  const auto staged = backend_.stage(from.bytes());
  const auto filled = std::make_shared<std::promise<ErrorPtr>>();
  other.push({Call{}, {}, [&other, from, staged, filled](ErrorPtr) {
                ErrorPtr error = from.storage->poison;
                try {
                  if (!error)
                    other.withData(from, [&](const void* bytes) {
                      if (from.bytes()) std::memcpy(staged.get(), bytes, from.bytes());
                    });
                } catch (const Error& e) {
                  error = std::make_shared<const Error>(e);
                }
                filled->set_value(error);
              }});
  const auto storage = to.storage;
  pushWork(storage, [this, staged, filled, to = std::move(to)] {
    if (const ErrorPtr error = filled->get_future().get()) throw Error(*error);
    to.storage->materialise();
    backend_.upload(to.storage->data, staged, to.bytes());
  });
}

void Stream::read(Tensor tensor, std::function<void(ErrorPtr, const void*)> done) {
  push({Call{}, {}, [tensor = std::move(tensor), done = std::move(done), this](ErrorPtr) {
          ErrorPtr error = tensor.storage->poison;
          const ErrorPtr earlier = takeError();
          if (!error) error = earlier;
          if (!error) {
            try {
              return withData(tensor, [&](const void* bytes) { done(nullptr, bytes); });
            } catch (const Error& e) {
              error = std::make_shared<const Error>(e);
            }
          }
          done(error, nullptr);
        }});
}

void Stream::sync(std::function<void(ErrorPtr)> done) {
  push({Call{}, {}, [done = std::move(done), this](ErrorPtr) {
          ErrorPtr error = takeError();
          try {
            backend_.wait();
          } catch (const Error& e) {
            if (!error) error = std::make_shared<const Error>(e);
          }
          done(error);
        }});
}

void Stream::release(std::shared_ptr<void> object) {
  push({Call{}, {}, [object = std::move(object)](ErrorPtr) {}});
}

void Stream::whenBelow(size_t limit, std::function<void()> done) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (pending_ > limit) {
      waiters_.emplace_back(limit, std::move(done));
      return;
    }
  }
  done();
}

ErrorPtr Stream::takeError() {
  ErrorPtr error = std::move(error_);
  error_ = nullptr;
  return error;
}

void Stream::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (queue_.empty()) {
      const auto begin = profile_ ? Profile::Clock::now() : Profile::Clock::time_point();
      ready_.wait(lock, [this] { return !queue_.empty(); });
      if (profile_) profile_->add("wait for JavaScript", begin, Profile::Clock::now());
    }
    {
      Command command = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      if (command.call.op) {
        runTimed(command.call);
      } else if (command.run.program) {
        runProgram(command.run);
      } else {
        const auto begin = profile_ ? Profile::Clock::now() : Profile::Clock::time_point();
        command.marker(nullptr);
        if (profile_) profile_->add("read or sync", begin, Profile::Clock::now());
      }
      // The command dies here, outside the lock: its references may be the last ones.
    }
    lock.lock();
    pending_--;
    if (!waiters_.empty()) wakeWaiters(lock);
  }
}

void Stream::wakeWaiters(std::unique_lock<std::mutex>& lock) {
  std::vector<std::function<void()>> due;
  for (size_t i = 0; i < waiters_.size();) {
    if (pending_ <= waiters_[i].first) {
      due.push_back(std::move(waiters_[i].second));
      waiters_.erase(waiters_.begin() + ptrdiff_t(i));
    } else {
      i++;
    }
  }
  if (due.empty()) return;
  lock.unlock();
  for (auto& done : due) done();
  lock.lock();
}

void Stream::runTimed(Call& call) {
  const auto begin = profile_ ? Profile::Clock::now() : Profile::Clock::time_point();
  runCall(call);
  if (profile_) profile_->add(call, begin, Profile::Clock::now());
}

void Stream::runProgram(Program::Run& run) {
  ErrorPtr error;
  try {
    run.program->execute(run, backend_, [this](Call& call) { runTimed(call); });
    return;
  } catch (const Error& e) {
    error = std::make_shared<const Error>(e.code, std::string("program: ") + e.what());
  } catch (const std::exception& e) {
    error = std::make_shared<const Error>("ERR_INTERNAL", std::string("program: ") + e.what());
  }
  if (!error_) error_ = error;
  for (const auto& storage : run.fresh) storage->poison = error;
}

void Stream::runCall(Call& call) {
  ErrorPtr error;
  for (const Tensor& t : call.in)
    if (t.storage->poison) error = t.storage->poison;
  if (!error) {
    try {
      for (Tensor& t : call.out) t.storage->materialise();
      backend_.run(call);
      return;
    } catch (const Error& e) {
      std::string shapes;
      for (const Tensor& t : call.in) shapes += (shapes.empty() ? "" : ", ") + t.shape.str();
      error = std::make_shared<const Error>(e.code, std::string(call.name()) + "(" + shapes + "): " + e.what());
    } catch (const std::exception& e) {
      error = std::make_shared<const Error>("ERR_INTERNAL", std::string(call.name()) + ": " + e.what());
    }
    if (!error_) error_ = error;
  }
  for (Tensor& t : call.out) t.storage->poison = error;
}

}  // namespace gv
