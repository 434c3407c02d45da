#include "binding/devices.h"

#include "binding/arguments.h"
#include "engine/plugin_loader.h"

namespace gv {
namespace {

std::string textArg(const Info& info, size_t i, const char* what) {
  if (i >= info.Length() || !info[i].IsString()) fail("ERR_ARGUMENT", "%s must be a string", what);
  return info[i].As<Napi::String>().Utf8Value();
}

/** What the driver says, asked once. */
Napi::Value Driver(const Info& info, Environment&) {
  static const DriverStatus status = probeDriver();
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("problem", status.problem);
  o.Set("version", status.version);
  o.Set("devices", status.devices);
  return o;
}

/** Loads a plugin and opens its device. Returns what it is, or a string that says why not. */
Napi::Value OpenCuda(const Info& info, Environment&) {
  const std::string path = textArg(info, 0, "the plugin's path"), libraries = textArg(info, 1, "the library path");
  const auto number = int32_t(integerArg(info, 2, 0, 1024, "the number of the CUDA device"));
  std::string problem;
  const gv_plugin* plugin = loadPlugin(path, libraries, problem);
  if (!plugin) return Napi::String::New(info.Env(), problem);
  gv_device_info device{};
  gv_error error{};
  if (plugin->probe(number, &device, &error) != 0) return Napi::String::New(info.Env(), error.message);
  try {
    Engine::get().open(DeviceId::Cuda, *plugin, number, device);
  } catch (const Error& e) {
    return Napi::String::New(info.Env(), e.what());
  }
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("name", device.name);
  o.Set("capability", std::to_string(device.major) + "." + std::to_string(device.minor));
  o.Set("memory", double(device.memory));
  o.Set("devices", double(device.count));
  o.Set("driver", device.driver);
  o.Set("libraries", device.libraries);
  o.Set("build", plugin->build);
  return o;
}

Napi::Value SetDevice(const Info& info, Environment& e) {
  const auto id = DeviceId(integerArg(info, 0, 0, kDevices - 1, "device"));
  Engine::get().device(id);
  if (e.recording && e.recording->device != id)
    fail("ERR_CAPTURE", "device: it cannot change while a program is being recorded");
  e.device = id;
  return info.Env().Undefined();
}

/** A copy of a tensor on a device. */
Napi::Value CopyTo(const Info& info, Environment& e) {
  refuseWhileRecording(e, "to");
  const Tensor& from = e.at(integerArg(info, 0, 0, INT32_MAX, "slot"), "to");
  Device& target = Engine::get().device(DeviceId(integerArg(info, 1, 0, kDevices - 1, "device")));
  Tensor to{from.shape, from.dtype, std::make_shared<Storage>(*target.allocator, from.bytes())};
  target.stream.copyFrom(Engine::get().deviceOf(from).stream, from, to);
  return Napi::Number::New(info.Env(), e.put(std::move(to)));
}

/** Whether f32 matrix products may be computed with TF32 on the CUDA device. */
Napi::Value AllowTF32(const Info& info, Environment&) {
  const bool allowed = integerArg(info, 0, 0, 1, "TF32") != 0;
  Device& device = Engine::get().device(DeviceId::Cuda);
  static_cast<PluginBackend&>(*device.backend).allowTF32(allowed);
  return info.Env().Undefined();
}

}  // namespace

void addDevices(const std::function<void(const char* name, Napi::Value (*f)(const Napi::CallbackInfo&))>& add) {
  add("driver", guarded<Driver>);
  add("openCuda", guarded<OpenCuda>);
  add("setDevice", guarded<SetDevice>);
  add("copyTo", guarded<CopyTo>);
  add("allowTF32", guarded<AllowTF32>);
}

}  // namespace gv
