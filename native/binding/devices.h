// The part of the addon that opens devices and moves tensors between them; see `interface Addon` in src/native.ts.
#pragma once
#include <functional>

#include <napi.h>

namespace gv {

/** Passes each exported function to `add`. */
void addDevices(const std::function<void(const char* name, Napi::Value (*f)(const Napi::CallbackInfo&))>& add);

}  // namespace gv
