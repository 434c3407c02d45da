#include "binding/environment.h"

#include <algorithm>

#include "cpu/backend.h"

namespace gv {

Engine::Engine() {
  devices_[0] = new Device(std::make_unique<Allocator>(DeviceId::Cpu), std::make_unique<cpu::CpuBackend>());
}

Engine& Engine::get() {
  static Engine* engine = new Engine;
  return *engine;
}

Device& Engine::device(DeviceId id) {
  Device* const device = devices_[size_t(id)].load(std::memory_order_acquire);
  if (!device) fail("ERR_DEVICE", "the device %s is not open", name(id));
  return *device;
}

void Engine::open(DeviceId id, const gv_plugin& plugin, int32_t number, const gv_device_info& info) {
  std::lock_guard<std::mutex> lock(opening_);
  if (devices_[size_t(id)]) return;
  auto allocator = std::make_unique<PluginAllocator>(id, plugin);
  allocator->setLimit(size_t(info.memory));
  auto backend = std::make_unique<PluginBackend>(plugin, number, *allocator);
  devices_[size_t(id)].store(new Device(std::move(allocator), std::move(backend)), std::memory_order_release);
}

Napi::Error toJavaScript(Napi::Env env, const Error& error) {
  Napi::Error e = Napi::Error::New(env, error.what());
  e.Set("code", Napi::String::New(env, error.code));
  return e;
}

void Channel::open(Napi::Env env) {
  napi_value name;
  napi_create_string_utf8(env, "ganvas", NAPI_AUTO_LENGTH, &name);
  // The function owns a reference to the channel until it is finalised.
  auto* self = new std::shared_ptr<Channel>(shared_from_this());
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, self,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Channel>*>(data); }, this, onTask,
      &function_);
  if (status != napi_ok) {
    delete self;
    throw Napi::Error::New(env, "ganvas: could not create a thread-safe function");
  }
  napi_unref_threadsafe_function(env, function_);
}

void Channel::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_) napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
}

void Channel::post(Task task) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!function_) return;
  auto* boxed = new Task(std::move(task));
  if (napi_call_threadsafe_function(function_, boxed, napi_tsfn_nonblocking) != napi_ok) delete boxed;
}

void Channel::promised(Napi::Env env) {
  if (promises_++ == 0) napi_ref_threadsafe_function(env, function_);
}

void Channel::settled(Napi::Env env) {
  if (--promises_ == 0 && function_) napi_unref_threadsafe_function(env, function_);
}

void Channel::onTask(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Task> task(static_cast<Task*>(data));
  if (!env) return;  // the environment is going away
  Napi::HandleScope scope(env);
  try {
    (*task)(Napi::Env(env));
  } catch (const Napi::Error&) {
    // A worker is being terminated: calls into JavaScript fail, and there is nobody left to tell.
  }
}

Environment::Environment(Napi::Env env) : env_(env), channel_(std::make_shared<Channel>()) {
  Napi::Float64Array array = Napi::Float64Array::New(env, kArgs);
  args_ = array.Data();
  array_ = Napi::Persistent(array);
  channel_->open(env);
  // Before finalisers run, so that nothing is posted to an environment that is half gone.
  env.AddCleanupHook([channel = channel_] { channel->close(); });
}

Environment::~Environment() {
  channel_->close();
  for (auto& [id, program] : programs_) letGo(std::move(program));
}

int Environment::put(Tensor tensor) {
  if (!free_.empty()) {
    const int slot = free_.back();
    free_.pop_back();
    slots_[size_t(slot)] = std::move(tensor);
    return slot;
  }
  slots_.push_back(std::move(tensor));
  return int(slots_.size() - 1);
}

const Tensor& Environment::at(int64_t slot, const char* what) const {
  if (slot < 0 || slot >= int64_t(slots_.size()) || !slots_[size_t(slot)].storage)
    fail("ERR_DISPOSED", "%s: the tensor has been disposed", what);
  return slots_[size_t(slot)];
}

void Environment::release(int64_t slot) {
  if (slot < 0 || slot >= int64_t(slots_.size()) || !slots_[size_t(slot)].storage) return;
  slots_[size_t(slot)] = Tensor{};
  free_.push_back(int(slot));
}

bool Environment::holds(const std::unordered_set<const Storage*>& storages, const std::vector<int64_t>& except) const {
  for (size_t slot = 0; slot < slots_.size(); slot++)
    if (slots_[slot].storage && storages.count(slots_[slot].storage.get()) &&
        !std::binary_search(except.begin(), except.end(), int64_t(slot)))
      return true;
  return false;
}

int64_t Environment::putProgram(std::shared_ptr<Program> program) {
  programs_.emplace(nextProgram_, std::move(program));
  return nextProgram_++;
}

const std::shared_ptr<Program>& Environment::programAt(int64_t id) const {
  const auto found = programs_.find(id);
  if (found == programs_.end()) fail("ERR_DISPOSED", "program: it has been disposed");
  return found->second;
}

void Environment::releaseProgram(int64_t id) {
  const auto found = programs_.find(id);
  if (found == programs_.end()) return;
  letGo(std::move(found->second));
  programs_.erase(found);
}

/** A device's graphs may only go when they no longer run. */
void Environment::letGo(std::shared_ptr<Program> program) {
  if (program->device() == DeviceId::Cpu) return;
  try {
    Engine::get().device(program->device()).stream.release(std::move(program));
  } catch (const Error&) {
    // The queue is full: the program's last run, which is in it, lets go of it.
  }
}

Napi::Promise Environment::promise(
    std::function<void(std::function<void(ErrorPtr, std::function<napi_value(Napi::Env)>)>)> start) {
  auto deferred = std::make_shared<Napi::Promise::Deferred>(env_);
  const Napi::Promise promise = deferred->Promise();
  channel_->promised(env_);
  auto settle = [channel = channel_, deferred](ErrorPtr error, std::function<napi_value(Napi::Env)> value) {
    channel->post([channel, deferred, error, value](Napi::Env env) {
      channel->settled(env);
      if (error)
        deferred->Reject(toJavaScript(env, *error).Value());
      else
        deferred->Resolve(value ? value(env) : env.Undefined());
    });
  };
  try {
    start(settle);
  } catch (const Error& error) {
    settle(std::make_shared<const Error>(error), nullptr);
  }
  return promise;
}

}  // namespace gv
