#include "stream.h"

#include "profile.h"

namespace gv {

Stream::Stream(Allocator& allocator, std::function<void()> prepare) : allocator_(allocator) {
  // Detached and never stopped: at process exit there is nothing to save and joining could hang it.
  std::thread([this, prepare = std::move(prepare)] {
    prepare();
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

void Stream::enqueue(Call&& call) { push({std::move(call), nullptr}); }

void Stream::read(Tensor tensor, std::function<void(ErrorPtr, const void*)> done) {
  push({Call{}, [tensor = std::move(tensor), done = std::move(done), this](ErrorPtr) {
          if (tensor.storage->poison) {
            takeError();
            done(tensor.storage->poison, nullptr);
          } else if (ErrorPtr error = takeError()) {
            done(error, nullptr);
          } else {
            done(nullptr, tensor.storage->data);
          }
        }});
}

void Stream::sync(std::function<void(ErrorPtr)> done) {
  push({Call{}, [done = std::move(done), this](ErrorPtr) { done(takeError()); }});
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
  Profile* const profile = Profile::get();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return !queue_.empty(); });
    {
      Command command = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      const auto begin = profile ? Profile::Clock::now() : Profile::Clock::time_point();
      if (command.call.op)
        runCall(command.call);
      else
        command.marker(nullptr);
      if (profile && command.call.op) profile->add(command.call, begin, Profile::Clock::now());
      if (profile && !command.call.op) profile->add("read or sync", begin, Profile::Clock::now());
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

void Stream::runCall(Call& call) {
  ErrorPtr error;
  for (const Tensor& t : call.in)
    if (t.storage->poison) error = t.storage->poison;
  if (!error) {
    try {
      for (Tensor& t : call.out) t.storage->materialise();
      call.op->cpu(call);
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
