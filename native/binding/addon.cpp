// What JavaScript sees of the engine: decoding of arguments and nothing else. Every exported function runs inside
// `guarded`, so no C++ exception crosses into V8. The contract is `interface Addon` in src/native.ts.
#include <cstring>
#include <mutex>

#include "binding/arguments.h"
#include "binding/cpu_info.h"
#include "binding/devices.h"
#include "binding/programs.h"
#include "cpu/pool.h"
#include "ops/table.h"

namespace gv {
namespace {

/** Where a call runs: where its inputs are, or where new tensors go. */
DeviceId deviceFor(const Call& call, const Environment& e) {
  const DeviceId id = call.in.empty() ? e.device : call.in[0].device();
  for (size_t k = 1; k < call.in.size(); k++)
    if (call.in[k].device() != id)
      fail("ERR_DEVICE", "%s: input 0 is on the %s and input %zu on the %s; move one of them with to('%s')", call.name(),
           name(id), k, name(call.in[k].device()), name(id));
  if (e.recording && e.recording->device != id)
    fail("ERR_CAPTURE", "%s: it runs on the %s, but the program is being recorded on the %s", call.name(), name(id),
         name(e.recording->device));
  return id;
}

/** The device where new tensors of this environment go. */
Device& current(const Environment& e) { return Engine::get().device(e.device); }

Napi::Value Run(const Info& info, Environment& e) {
  const int64_t op = integerArg(info, 0, 0, kOpCount - 1, "op");
  const int64_t inputs = integerArg(info, 1, 0, Environment::kArgs, "inputs");
  const int64_t attrs = integerArg(info, 2, 0, int64_t(Environment::kArgs) - inputs, "attributes");
  Call call;
  call.op = &kOps[op];
  call.in.reserve(size_t(inputs));
  for (int64_t i = 0; i < inputs; i++) {
    const double slot = e.args()[i];
    call.in.push_back(e.at(slot >= 0 && slot < 2147483647.0 ? int64_t(slot) : -1, call.name()));
  }
  call.attrs.assign(e.args() + inputs, e.args() + inputs + attrs);
  Device& device = Engine::get().device(deviceFor(call, e));
  call.memory = device.allocator.get();
  call.op->infer(call);
  std::vector<Tensor> outputs = call.out;
  if (e.recording)
    e.recording->add(std::move(call));
  else
    device.stream.enqueue(std::move(call));
  return Napi::Number::New(info.Env(), publish(e, outputs));
}

Napi::Value FromData(const Info& info, Environment& e) {
  const auto dtype = DType(integerArg(info, 0, 0, kDTypes - 1, "dtype"));
  const Shape shape = shapeArg(e, integerArg(info, 1, 0, kMaxRank, "rank"), "tensor");
  if (info.Length() < 3 || !info[2].IsTypedArray()) fail("ERR_ARGUMENT", "tensor: the data must be a typed array");
  // Not through Napi::ArrayBuffer, which refuses an array over shared memory.
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[2], &type, &length, &data, nullptr, nullptr) != napi_ok)
    fail("ERR_ARGUMENT", "tensor: the data cannot be read");
  const size_t bytes = length * info[2].As<Napi::TypedArray>().ElementSize();
  Tensor t{shape, dtype, nullptr};
  if (bytes != t.bytes())
    fail("ERR_SHAPE", "tensor: shape %s holds %lld values of %s, got %zu bytes of data", shape.str().c_str(),
         (long long)t.size(), name(dtype), bytes);
  Device& device = Engine::get().device(e.device);
  t.storage = std::make_shared<Storage>(*device.allocator, t.bytes());
  if (device.backend->onHost()) {
    t.storage->materialise();
    if (bytes) std::memcpy(t.storage->data, data, bytes);
  } else {
    auto staged = device.backend->stage(bytes);
    if (bytes) std::memcpy(staged.get(), data, bytes);
    device.stream.upload(t, std::move(staged));
  }
  if (e.recording) {
    const char* from = static_cast<const char*>(data);
    t.storage->uploaded = std::make_shared<const std::vector<char>>(from, from + bytes);
    e.recording->uploads.push_back(t);
  }
  return Napi::Number::New(info.Env(), e.put(std::move(t)));
}

Napi::Value View(const Info& info, Environment& e) {
  Tensor t = e.at(integerArg(info, 0, 0, INT32_MAX, "slot"), "reshape");
  const Shape shape = shapeArg(e, integerArg(info, 1, 0, kMaxRank, "rank"), "reshape");
  if (shape.size() != t.size())
    fail("ERR_SHAPE", "reshape: %s has %lld elements, %s has %lld", t.shape.str().c_str(), (long long)t.size(),
         shape.str().c_str(), (long long)shape.size());
  t.shape = shape;
  return Napi::Number::New(info.Env(), e.put(std::move(t)));
}

Napi::Value Free(const Info& info, Environment& e) {
  if (info.Length() > 0 && info[0].IsNumber()) e.release(info[0].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

Napi::Value Read(const Info& info, Environment& e) {
  refuseWhileRecording(e, "data");
  const Tensor t = e.at(integerArg(info, 0, 0, INT32_MAX, "slot"), "data");
  return e.promise([t](auto settle) {
    Engine::get().deviceOf(t).stream.read(t, [settle, bytes = t.bytes()](ErrorPtr error, const void* data) {
      if (error) return settle(error, nullptr);
      // Copied now: the storage may be written in place by the next command.
      auto copy = std::make_shared<std::vector<char>>(bytes);
      if (bytes) std::memcpy(copy->data(), data, bytes);
      settle(nullptr, [copy](Napi::Env env) -> napi_value {
        Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, copy->size());
        if (!copy->empty()) std::memcpy(buffer.Data(), copy->data(), copy->size());
        return buffer;
      });
    });
  });
}

Napi::Value Sync(const Info&, Environment& e) {
  refuseWhileRecording(e, "sync");
  Device& device = current(e);
  return e.promise([&device](auto settle) {
    device.stream.sync([settle](ErrorPtr error) { settle(error, nullptr); });
  });
}

Napi::Value Ready(const Info& info, Environment& e) {
  Device& device = current(e);
  const auto limit = size_t(integerArg(info, 0, 0, int64_t(Stream::kMaxPending), "limit"));
  return e.promise([&device, limit](auto settle) {
    device.stream.whenBelow(limit, [settle] { settle(nullptr, nullptr); });
  });
}

Napi::Value Pending(const Info& info, Environment& e) {
  return Napi::Number::New(info.Env(), double(current(e).stream.pending()));
}

Napi::Value Memory(const Info& info, Environment& e) {
  const MemoryStats stats = current(e).allocator->stats();
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("live", double(stats.live));
  o.Set("peak", double(stats.peak));
  o.Set("cached", double(stats.cached));
  o.Set("limit", double(stats.limit));
  o.Set("tensors", double(e.liveTensors()));
  return o;
}

Napi::Value ResetPeakMemory(const Info& info, Environment& e) {
  current(e).allocator->resetPeak();
  return info.Env().Undefined();
}

Napi::Value SetMemoryLimit(const Info& info, Environment& e) {
  current(e).allocator->setLimit(size_t(integerArg(info, 0, 0, INT64_C(1) << 50, "the memory limit")));
  return info.Env().Undefined();
}

Napi::Value ClearMemoryCache(const Info& info, Environment& e) {
  current(e).allocator->clearCache();
  return info.Env().Undefined();
}

Napi::Value Threads(const Info& info, Environment&) { return Napi::Number::New(info.Env(), cpu::threadCount()); }

Napi::Value SetThreads(const Info& info, Environment&) {
  cpu::setThreadCount(int(integerArg(info, 0, 1, 1024, "the number of threads")));
  return info.Env().Undefined();
}

Napi::Value Cpu(const Info& info, Environment&) {
  const CpuInfo cpu = cpuInfo();
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("target", cpu.target);
  Napi::Array targets = Napi::Array::New(info.Env(), cpu.targets.size());
  for (uint32_t i = 0; i < cpu.targets.size(); i++) targets.Set(i, cpu.targets[i]);
  o.Set("targets", targets);
  return o;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* e = new Environment(env);
  env.SetInstanceData(e);
  const auto add = [&](const char* name, Napi::Value (*f)(const Info&)) {
    exports.Set(name, Napi::Function::New(env, f, name, e));
  };
  add("run", guarded<Run>);
  add("fromData", guarded<FromData>);
  add("view", guarded<View>);
  add("free", guarded<Free>);
  add("read", guarded<Read>);
  add("sync", guarded<Sync>);
  add("ready", guarded<Ready>);
  add("pending", guarded<Pending>);
  add("memory", guarded<Memory>);
  add("resetPeakMemory", guarded<ResetPeakMemory>);
  add("setMemoryLimit", guarded<SetMemoryLimit>);
  add("clearMemoryCache", guarded<ClearMemoryCache>);
  add("threads", guarded<Threads>);
  add("setThreads", guarded<SetThreads>);
  add("cpu", guarded<Cpu>);
  addDevices(add);
  addPrograms(add);
  exports.Set("args", e->argsArray());
  Napi::Array ops = Napi::Array::New(env, size_t(kOpCount));
  for (int i = 0; i < kOpCount; i++) ops.Set(uint32_t(i), kOps[i].name);
  exports.Set("ops", ops);
  return exports;
}

NODE_API_MODULE(ganvas, Init)

}  // namespace
}  // namespace gv
