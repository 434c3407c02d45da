#include "program.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace gv {
namespace {

std::shared_ptr<Storage> twin(const std::shared_ptr<Storage>& storage) {
  return std::make_shared<Storage>(storage->memory, storage->bytes);
}

std::string describe(const Tensor& t) { return std::string(name(t.dtype)) + " " + t.shape.str(); }

std::string words(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string words(const char* format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  return text;
}

}  // namespace

void Recording::poison() {
  const auto error = std::make_shared<const Error>(
      "ERR_CAPTURE",
      "this tensor was made while a program was being recorded, when nothing is computed; return it from the captured "
      "function and use what run() gives");
  for (const Tensor& t : inputs) t.storage->poison = error;
  for (const Call& call : calls)
    for (const Tensor& t : call.out) t.storage->poison = error;
}

Program::Program(Recording&& recording, const std::vector<Tensor>& results, std::shared_ptr<Arena> arena)
    : device_(recording.device), results_(results), arena_(std::move(arena)) {
  adopt(recording);
  std::unordered_set<const Storage*> fresh;
  for (const auto& storage : fresh_) fresh.insert(storage.get());
  std::unordered_set<size_t> fixed;
  for (const Recording::Live& live : live_) fixed.insert(live.call);
  const auto isInput = [&](const Storage* s) { return inputIndex_.count(s) > 0; };
  const auto isInside = [&](const Storage* s) { return inside_.count(s) > 0; };
  Fusible fusible;
  fusible.isPrivate = [&](const Storage* s) { return isInside(s) && !fresh.count(s); };
  // Anything from outside may be given as an input as well, and one tensor as two inputs.
  fusible.mayAlias = [&](const Storage* a, const Storage* b) {
    return a == b || ((isInput(a) || isInput(b)) && !isInside(a) && !isInside(b));
  };
  fusible.isFixed = [&](size_t k) { return fixed.count(k) > 0; };
  std::vector<size_t> where;
  steps_ = fuse(calls_, fusible, where);
  for (const Recording::Live& live : live_) stepLive_.push_back({where[live.call], live.attribute});
}

/** Takes the calls over, on storages of the program's own; those that JavaScript may still know are poisoned. */
void Program::adopt(Recording& recording) {
  recording.poison();
  calls_ = std::move(recording.calls);
  inputs_ = std::move(recording.inputs);
  live_ = std::move(recording.live);

  std::unordered_map<const Storage*, std::shared_ptr<Storage>> own;
  for (Tensor& t : inputs_) own.emplace(t.storage.get(), twin(t.storage));
  for (const Call& call : calls_)
    for (const Tensor& t : call.out) {
      const auto storage = own.emplace(t.storage.get(), twin(t.storage)).first->second;
      inside_.emplace(storage.get(), inside_.size());
    }
  // Uploaded values must be the same in every run, so what writes or returns them gets a copy.
  std::unordered_set<const Storage*> changing;
  for (const Call& call : calls_)
    if (writesInputs(call))
      for (const Tensor& t : call.in) changing.insert(t.storage.get());
  for (const Tensor& t : results_) changing.insert(t.storage.get());
  for (const Tensor& t : recording.uploads) {
    uploads_.emplace(t.storage.get(), t.storage);
    if (!changing.count(t.storage.get())) continue;
    const auto copy = own.emplace(t.storage.get(), twin(t.storage)).first->second;
    inside_.emplace(copy.get(), inside_.size());
    copies_.emplace_back(copy, t.storage);
  }

  const auto replace = [&](Tensor& t) {
    const auto found = own.find(t.storage.get());
    if (found != own.end()) t.storage = found->second;
  };
  for (Call& call : calls_) {
    for (Tensor& t : call.in) replace(t);
    for (Tensor& t : call.out) replace(t);
    if (writesInputs(call))
      for (const Tensor& t : call.in) written_.insert(t.storage.get());
  }
  for (size_t k = 0; k < inputs_.size(); k++) {
    replace(inputs_[k]);
    inputIndex_.emplace(inputs_[k].storage.get(), k);
  }
  std::unordered_set<const Storage*> seen;
  for (Tensor& t : results_) {
    replace(t);
    if (inside_.count(t.storage.get()) && seen.insert(t.storage.get()).second) fresh_.push_back(t.storage);
  }
}

Program::Source Program::sourceOf(size_t result) const {
  const Storage* storage = results_[result].storage.get();
  return inside_.count(storage) ? Source::Fresh : inputIndex_.count(storage) ? Source::Input : Source::Outside;
}

/** The shape rules of the calls with live attributes, which must accept them and give what they gave before. */
void Program::checkLive(const std::vector<double>& values) const {
  for (size_t k = 0; k < live_.size();) {
    const Call& recorded = calls_[live_[k].call];
    Call call = recorded;
    call.out.clear();
    for (const size_t at = live_[k].call; k < live_.size() && live_[k].call == at; k++)
      call.attrs[live_[k].attribute] = values[k];
    call.op->infer(call);
    for (size_t i = 0; i < std::max(call.out.size(), recorded.out.size()); i++)
      if (i >= call.out.size() || i >= recorded.out.size() || call.out[i].shape != recorded.out[i].shape ||
          call.out[i].dtype != recorded.out[i].dtype)
        fail("ERR_CAPTURE", "%s: an attribute on which the shape of the result depends changed between runs",
             call.name());
  }
}

Program::Run Program::prepare(std::shared_ptr<Program> program, std::vector<Tensor> inputs, std::vector<double> live,
                              std::vector<Tensor>& results) {
  const Program& p = *program;
  if (inputs.size() != p.inputs_.size())
    fail("ERR_ARGUMENT", "program: it was recorded with %zu inputs, got %zu", p.inputs_.size(), inputs.size());
  if (live.size() != p.live_.size())
    fail("ERR_INTERNAL", "program: it has %zu live attributes, got %zu", p.live_.size(), live.size());
  for (size_t k = 0; k < inputs.size(); k++) {
    const Tensor &expected = p.inputs_[k], &got = inputs[k];
    if (got.device() != p.device_)
      fail("ERR_DEVICE", "program: input %zu is on the %s, the program was recorded on the %s", k, name(got.device()),
           name(p.device_));
    if (got.shape != expected.shape || got.dtype != expected.dtype)
      fail(got.shape != expected.shape ? "ERR_SHAPE" : "ERR_DTYPE",
           "program: input %zu must be %s, as it was when it was recorded; got %s", k, describe(expected).c_str(),
           describe(got).c_str());
  }
  p.checkLive(live);
  Run run{program, std::move(inputs), {}, std::move(live)};
  std::unordered_map<const Storage*, std::shared_ptr<Storage>> made;
  for (const auto& storage : p.fresh_) {
    run.fresh.push_back(twin(storage));
    made.emplace(storage.get(), run.fresh.back());
  }
  results = p.results_;
  for (Tensor& t : results) {
    if (const auto fresh = made.find(t.storage.get()); fresh != made.end())
      t.storage = fresh->second;
    else if (const auto input = p.inputIndex_.find(t.storage.get()); input != p.inputIndex_.end())
      t.storage = run.inputs[input->second].storage;
  }
  return run;
}

void Program::plan() {
  std::unordered_set<const Storage*> fresh;
  for (const auto& storage : fresh_) fresh.insert(storage.get());
  std::unordered_map<const Storage*, size_t> index;
  const auto touch = [&](const std::shared_ptr<Storage>& storage, size_t step) {
    if (!inside_.count(storage.get()) || fresh.count(storage.get())) return;
    const auto [at, isNew] = index.emplace(storage.get(), spans_.size());
    if (isNew) {
      arenaStorages_.push_back(storage);
      spans_.push_back({storage->bytes, step, step});
    }
    spans_[at->second].last = step;
  };
  for (const auto& copy : copies_) touch(copy.first, 0);
  for (size_t k = 0; k < steps_.size(); k++) {
    for (const Tensor& t : steps_[k].in) touch(t.storage, k);
    for (const Tensor& t : steps_[k].out) touch(t.storage, k);
  }
  arenaBytes_ = planOffsets(spans_);
  planned_ = true;
}

/** Whether an in-place op writes an input, or a tensor from outside that is given as one: a copy of it will not do. */
bool Program::writesAnInput(const Run& run) const {
  for (size_t k = 0; k < inputs_.size(); k++)
    if (written_.count(inputs_[k].storage.get()) || written_.count(run.inputs[k].storage.get())) return true;
  return false;
}

/** Gives every storage of the program its memory for this run. `lend`: inputs by address, otherwise as copies. */
void Program::bind(Run& run, Backend& backend, char* base, bool lend) {
  for (const auto& storage : run.fresh) storage->materialise();
  for (size_t k = 0; k < arenaStorages_.size(); k++) {
    arenaStorages_[k]->data = arenaStorages_[k]->bytes ? base + spans_[k].offset : nullptr;
    arenaStorages_[k]->poison = nullptr;
  }
  for (size_t k = 0; k < inputs_.size(); k++) {
    Storage &to = *inputs_[k].storage, &from = *run.inputs[k].storage;
    to.poison = from.poison;
    ownInputs_.push_back(to.data);
    if (lend)
      to.data = from.data;
    else if (!from.poison)
      backend.copy(to.data, from.data, to.bytes);
  }
  for (size_t k = 0; k < fresh_.size(); k++) {
    fresh_[k]->poison = nullptr;
    if (!graphs_.active()) fresh_[k]->data = run.fresh[k]->data;
  }
  for (size_t k = 0; k < stepLive_.size(); k++) steps_[stepLive_[k].call].attrs[stepLive_[k].attribute] = run.live[k];
  for (const auto& [to, from] : copies_) backend.copy(to->data, from->data, to->bytes);
}

/** Undoes what bind() did to the inputs. */
void Program::returnInputs() noexcept {
  for (size_t k = 0; k < ownInputs_.size(); k++) {
    inputs_[k].storage->data = ownInputs_[k];
    inputs_[k].storage->poison = nullptr;
  }
  ownInputs_.clear();
}

/** Hands the results over. */
void Program::unbind(Run& run, Backend& backend) {
  for (size_t k = 0; k < fresh_.size(); k++) {
    run.fresh[k]->poison = std::move(fresh_[k]->poison);
    if (!graphs_.active())
      fresh_[k]->data = nullptr;
    else if (!run.fresh[k]->poison)
      backend.copy(run.fresh[k]->data, fresh_[k]->data, fresh_[k]->bytes);
  }
}

/** Whether something that a step reads has failed: then each step must decide for itself. */
bool Program::poisoned() const {
  for (const Call& step : steps_)
    for (const Tensor& t : step.in)
      if (t.storage->poison) return true;
  return false;
}

void Program::execute(Run& run, Backend& backend, const std::function<void(Call&)>& call) {
  if (!planned_) plan();
  char* const base = arena_->reserve(arenaBytes_);
  // The first run is never recorded: libraries choose their algorithms in it.
  if (backend.hasGraphs() && executed_++ == 1) {
    Storages fixed = fresh_;
    for (const Tensor& t : inputs_) fixed.push_back(t.storage);
    std::unordered_set<size_t> varying;
    for (const Recording::Live& live : stepLive_) varying.insert(live.call);
    graphs_.activate(fixed, steps_, varying, backend);
  }
  const bool lend = !graphs_.active() || writesAnInput(run);
  struct Return {
    Program& program;
    ~Return() { program.returnInputs(); }
  } const whateverHappens{*this};
  bind(run, backend, base, lend);
  if (!lend && !poisoned())
    graphs_.run(steps_, base, backend, call);
  else
    for (Call& step : steps_) call(step);
  unbind(run, backend);
}

bool Program::sameOrigin(const Storage* a, const Storage* b, const Program& later) const {
  const auto same = [&](const auto& ours, const auto& theirs) {
    const auto i = ours.find(a), j = theirs.find(b);
    return i != ours.end() && j != theirs.end() && i->second == j->second;
  };
  if (a == b || same(inside_, later.inside_) || same(inputIndex_, later.inputIndex_)) return true;
  return uploads_.count(a) && later.uploads_.count(b) && *a->uploaded == *b->uploaded;
}

std::string Program::callDifference(const Call& a, const Call& b, size_t k, const Program& later) const {
  if (a.op != b.op) return words("call %zu changed from %s to %s", k, a.name(), b.name());
  if (a.in.size() != b.in.size())
    return words("the number of inputs of %s changed from %zu to %zu", a.name(), a.in.size(), b.in.size());
  for (size_t i = 0; i < a.in.size(); i++) {
    if (a.in[i].shape != b.in[i].shape || a.in[i].dtype != b.in[i].dtype)
      return words("input %zu of %s changed from %s to %s", i, a.name(), describe(a.in[i]).c_str(),
                   describe(b.in[i]).c_str());
    if (!sameOrigin(a.in[i].storage.get(), b.in[i].storage.get(), later))
      return words("input %zu of %s, %s, is not the same tensor", i, a.name(), describe(a.in[i]).c_str());
  }
  if (a.attrs.size() != b.attrs.size())
    return words("the number of attributes of %s changed from %zu to %zu", a.name(), a.attrs.size(), b.attrs.size());
  // Live attributes keep the values of their recording, which are expected to differ.
  const auto isLive = [&](size_t attribute) {
    const auto before = [](const Recording::Live& x, const Recording::Live& y) {
      return x.call != y.call ? x.call < y.call : x.attribute < y.attribute;
    };
    return std::binary_search(live_.begin(), live_.end(), Recording::Live{k, attribute}, before);
  };
  for (size_t i = 0; i < a.attrs.size(); i++)
    if (std::memcmp(&a.attrs[i], &b.attrs[i], sizeof(double)) != 0 && !isLive(i))
      return words("attribute %zu of %s changed from %.9g to %.9g", i, a.name(), a.attrs[i], b.attrs[i]);
  return "";
}

std::string Program::difference(const Program& later) const {
  for (size_t k = 0; k < std::min(calls_.size(), later.calls_.size()); k++) {
    const std::string difference = callDifference(calls_[k], later.calls_[k], k, later);
    if (!difference.empty()) return difference;
  }
  if (calls_.size() != later.calls_.size())
    return words("the number of operations changed from %zu to %zu", calls_.size(), later.calls_.size());
  if (live_.size() != later.live_.size()) return "the number of attributes that vary by themselves changed";
  for (size_t k = 0; k < live_.size(); k++)
    if (live_[k].call != later.live_[k].call || live_[k].attribute != later.live_[k].attribute)
      return "the attributes that vary by themselves are not at the same places";
  if (copies_.size() != later.copies_.size()) return "the uploaded values that are written in place changed";
  for (size_t k = 0; k < copies_.size(); k++)
    if (!sameOrigin(copies_[k].second.get(), later.copies_[k].second.get(), later))
      return "the uploaded values that are written in place changed";
  if (results_.size() != later.results_.size())
    return words("the number of results changed from %zu to %zu", results_.size(), later.results_.size());
  for (size_t k = 0; k < results_.size(); k++)
    if (results_[k].shape != later.results_[k].shape ||
        !sameOrigin(results_[k].storage.get(), later.results_[k].storage.get(), later))
      return words("result %zu comes from another place", k);
  return "";
}

}  // namespace gv
