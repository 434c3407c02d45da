// Decoding of what JavaScript passes, and the guard around every exported function, for the files of this folder.
#pragma once
#include "binding/environment.h"

namespace gv {

using Info = Napi::CallbackInfo;

inline Environment& environmentOf(const Info& info) { return *static_cast<Environment*>(info.Data()); }

template <Napi::Value (*body)(const Info&, Environment&)>
Napi::Value guarded(const Info& info) {
  try {
    return body(info, environmentOf(info));
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& error) {
    throw toJavaScript(info.Env(), error);
  } catch (const std::exception& error) {
    throw toJavaScript(info.Env(), Error("ERR_INTERNAL", error.what()));
  }
}

inline double numberArg(const Info& info, size_t i, const char* what) {
  if (i >= info.Length() || !info[i].IsNumber()) fail("ERR_ARGUMENT", "%s must be a number", what);
  return info[i].As<Napi::Number>().DoubleValue();
}

inline int64_t integerArg(const Info& info, size_t i, int64_t lo, int64_t hi, const char* what) {
  const double v = numberArg(info, i, what);
  if (!(v >= double(lo) && v <= double(hi)) || v != double(int64_t(v)))
    fail("ERR_ARGUMENT", "%s must be an integer from %lld to %lld, got %g", what, (long long)lo, (long long)hi, v);
  return int64_t(v);
}

// Dimensions that JavaScript left in the argument buffer.
inline Shape shapeArg(const Environment& e, int64_t rank, const char* what) {
  Shape shape;
  for (int64_t i = 0; i < rank; i++) {
    const double d = e.args()[i];
    if (!(d >= 0 && d <= double(kMaxElements)) || d != double(int64_t(d)))
      fail("ERR_SHAPE", "%s: dimension %d must be a whole number from 0 to 2^40, got %g", what, int(i), d);
    shape.push(int64_t(d));
  }
  shape.check(what);
  return shape;
}

// Writes the outputs' slots and shapes where JavaScript reads them.
inline int publish(Environment& e, std::vector<Tensor>& outputs) {
  double* at = e.args();
  for (Tensor& t : outputs) {
    const Shape shape = t.shape;
    const DType dtype = t.dtype;
    *at++ = e.put(std::move(t));
    *at++ = int(dtype);
    *at++ = shape.rank();
    for (int i = 0; i < shape.rank(); i++) *at++ = double(shape[i]);
  }
  return int(outputs.size());
}

inline void refuseWhileRecording(const Environment& e, const char* what) {
  if (e.recording)
    fail("ERR_CAPTURE", "%s: nothing is computed while a program is being recorded; read the results of run()", what);
}

}  // namespace gv
