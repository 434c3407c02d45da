#include "binding/programs.h"

#include <algorithm>

#include "binding/arguments.h"

namespace gv {
namespace {

constexpr int64_t kMostPrograms = int64_t{1} << 52;

const std::shared_ptr<Program>& programArg(const Info& info, size_t i, const Environment& e) {
  return e.programAt(integerArg(info, i, 0, kMostPrograms, "program"));
}

Recording& recordingOf(const Environment& e) {
  if (!e.recording) fail("ERR_CAPTURE", "no program is being recorded");
  return *e.recording;
}

std::vector<Tensor> tensorArgs(const Environment& e, int64_t count, const char* what) {
  std::vector<Tensor> tensors;
  tensors.reserve(size_t(count));
  for (int64_t i = 0; i < count; i++) {
    const double slot = e.args()[i];
    tensors.push_back(e.at(slot >= 0 && slot < 2147483647.0 ? int64_t(slot) : -1, what));
  }
  return tensors;
}

Napi::Value BeginCapture(const Info& info, Environment& e) {
  if (e.recording) fail("ERR_CAPTURE", "capture: a program is being recorded already");
  e.recording = std::make_unique<Recording>(e.device);
  return info.Env().Undefined();
}

Napi::Value Placeholder(const Info& info, Environment& e) {
  Recording& recording = recordingOf(e);
  const auto dtype = DType(integerArg(info, 0, 0, kDTypes - 1, "dtype"));
  Tensor t{shapeArg(e, integerArg(info, 1, 0, kMaxRank, "rank"), "capture"), dtype, nullptr};
  t.storage = std::make_shared<Storage>(*Engine::get().device(recording.device).allocator, t.bytes());
  recording.inputs.push_back(t);
  return Napi::Number::New(info.Env(), e.put(std::move(t)));
}

Napi::Value Live(const Info& info, Environment& e) {
  Recording& recording = recordingOf(e);
  const int64_t first = integerArg(info, 0, 0, Environment::kArgs, "attribute");
  const int64_t count = integerArg(info, 1, 0, Environment::kArgs, "count");
  if (recording.calls.empty() || size_t(first + count) > recording.calls.back().attrs.size())
    fail("ERR_ARGUMENT", "capture: there are no such attributes");
  for (int64_t k = first; k < first + count; k++) recording.live.push_back({recording.calls.size() - 1, size_t(k)});
  return info.Env().Undefined();
}

/** A tensor that outlives the recording has no value, or one that later runs would not see. */
void refuseKept(const Environment& e, const Recording& recording, std::vector<int64_t> results) {
  std::unordered_set<const Storage*> made, written;
  for (const Call& call : recording.calls) {
    for (const Tensor& t : call.out) made.insert(t.storage.get());
    if (writesInputs(call))
      for (const Tensor& t : call.in) written.insert(t.storage.get());
  }
  for (const Tensor& t : recording.uploads)
    if (written.count(t.storage.get())) made.insert(t.storage.get());
  std::sort(results.begin(), results.end());
  if (e.holds(made, results))
    fail("ERR_CAPTURE",
         "capture: the function keeps a tensor that it makes, with keep(), parameter() or buffer(); make it before, or "
         "return it");
}

Napi::Value EndCapture(const Info& info, Environment& e) {
  Recording& recording = recordingOf(e);
  const int64_t count = integerArg(info, 0, 0, Environment::kArgs, "results");
  const std::vector<Tensor> results = tensorArgs(e, count, "capture");
  if (recording.live.size() + recording.inputs.size() > Environment::kArgs)
    fail("ERR_CAPTURE", "capture: the function draws too many random numbers or takes too many steps for one program");
  refuseKept(e, recording, std::vector<int64_t>(e.args(), e.args() + count));
  auto program = std::make_shared<Program>(std::move(recording), results,
                                           Engine::get().device(recording.device).stream.arena());
  e.recording.reset();
  for (size_t k = 0; k < results.size(); k++) e.args()[k] = double(program->sourceOf(k));
  return Napi::Number::New(info.Env(), double(e.putProgram(std::move(program))));
}

Napi::Value CancelCapture(const Info& info, Environment& e) {
  if (e.recording) e.recording->poison();
  e.recording.reset();
  return info.Env().Undefined();
}

Napi::Value RunProgram(const Info& info, Environment& e) {
  refuseWhileRecording(e, "run");
  const auto& program = programArg(info, 0, e);
  const int64_t inputs = integerArg(info, 1, 0, Environment::kArgs, "inputs");
  const int64_t values = integerArg(info, 2, 0, int64_t(Environment::kArgs) - inputs, "values");
  std::vector<double> live(e.args() + inputs, e.args() + inputs + values);
  std::vector<Tensor> results;
  auto run = Program::prepare(program, tensorArgs(e, inputs, "program"), std::move(live), results);
  Engine::get().device(program->device()).stream.enqueue(std::move(run));
  for (size_t k = 0; k < results.size(); k++) e.args()[k] = e.put(std::move(results[k]));
  return Napi::Number::New(info.Env(), double(results.size()));
}

Napi::Value FreeProgram(const Info& info, Environment& e) {
  if (info.Length() > 0 && info[0].IsNumber()) e.releaseProgram(info[0].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

Napi::Value ProgramDifference(const Info& info, Environment& e) {
  return Napi::String::New(info.Env(), programArg(info, 0, e)->difference(*programArg(info, 1, e)));
}

Napi::Value ProgramInfo(const Info& info, Environment& e) {
  const auto& program = programArg(info, 0, e);
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("calls", double(program->calls()));
  o.Set("steps", double(program->steps()));
  o.Set("graphs", double(program->graphs()));
  return o;
}

}  // namespace

void addPrograms(const std::function<void(const char* name, Napi::Value (*f)(const Napi::CallbackInfo&))>& add) {
  add("beginCapture", guarded<BeginCapture>);
  add("placeholder", guarded<Placeholder>);
  add("live", guarded<Live>);
  add("endCapture", guarded<EndCapture>);
  add("cancelCapture", guarded<CancelCapture>);
  add("runProgram", guarded<RunProgram>);
  add("freeProgram", guarded<FreeProgram>);
  add("programDifference", guarded<ProgramDifference>);
  add("programInfo", guarded<ProgramInfo>);
}

}  // namespace gv
