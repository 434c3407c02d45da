// State of one JavaScript environment (the main thread or a worker): its slot table, its programs, its shared argument
// buffer and the channel on which the stream's thread hands results back. The engine behind it is one for the process.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/plugin_backend.h"
#include "engine/stream.h"

namespace gv {

/** A device with its memory and its queue. */
struct Device {
  Device(std::unique_ptr<Allocator> a, std::unique_ptr<Backend> b)
      : allocator(std::move(a)), backend(std::move(b)), stream(*allocator, *backend) {}
  const std::unique_ptr<Allocator> allocator;
  const std::unique_ptr<Backend> backend;
  Stream stream;
};

// The process-wide engine: created on first use and never destroyed, because its threads outlive every environment.
class Engine {
 public:
  static Engine& get();

  /** ERR_DEVICE unless the device is open. */
  Device& device(DeviceId id);
  Device& deviceOf(const Tensor& t) { return device(t.device()); }
  /** Opens a device that a plugin serves; once in the life of the process. */
  void open(DeviceId id, const gv_plugin& plugin, int32_t number, const gv_device_info& info);

 private:
  Engine();
  std::mutex opening_;
  // Set once and never taken back, so that reading them needs no lock.
  std::atomic<Device*> devices_[kDevices] = {};
};

// Runs closures on an environment's JavaScript thread. Outlives the environment: a result that arrives after a worker
// was terminated is dropped. Keeps the process alive only while a promise is pending.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using Task = std::function<void(Napi::Env)>;

  void open(Napi::Env env);
  void close();
  void post(Task task);  // any thread
  void promised(Napi::Env env);
  void settled(Napi::Env env);

 private:
  static void onTask(napi_env env, napi_value, void* context, void* data);
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
  int promises_ = 0;  // JavaScript thread only
};

class Environment {
 public:
  static constexpr size_t kArgs = 16384;

  explicit Environment(Napi::Env env);
  ~Environment();

  double* args() const { return args_; }
  Napi::Float64Array argsArray() const { return array_.Value(); }

  int put(Tensor tensor);
  const Tensor& at(int64_t slot, const char* what) const;
  void release(int64_t slot);
  // Whether some slot outside `except` (slots, sorted) holds one of these storages.
  bool holds(const std::unordered_set<const Storage*>& storages, const std::vector<int64_t>& except) const;

  // Where new tensors go.
  DeviceId device = DeviceId::Cpu;

  // The recording in progress, if there is one.
  std::unique_ptr<Recording> recording;

  int64_t putProgram(std::shared_ptr<Program> program);
  const std::shared_ptr<Program>& programAt(int64_t id) const;
  void releaseProgram(int64_t id);

  size_t liveTensors() const { return slots_.size() - free_.size(); }

  // A promise that a closure handed to the stream settles later, on the JavaScript thread.
  Napi::Promise promise(std::function<void(std::function<void(ErrorPtr, std::function<napi_value(Napi::Env)>)>)> start);

 private:
  static void letGo(std::shared_ptr<Program> program);

  Napi::Env env_;
  Napi::Reference<Napi::Float64Array> array_;
  double* args_;
  std::vector<Tensor> slots_;
  std::vector<int> free_;
  std::unordered_map<int64_t, std::shared_ptr<Program>> programs_;
  int64_t nextProgram_ = 0;
  std::shared_ptr<Channel> channel_;
};

Napi::Error toJavaScript(Napi::Env env, const Error& error);

}  // namespace gv
