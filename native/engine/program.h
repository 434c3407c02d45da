// Record and replay: the calls of a function as one command. A Recording collects them, shape-checked but not run; a
// Program owns what it needs to run them over and over: storages of its own for the intermediates (memory from an
// arena), references to the tensors that the function used from outside, and places for inputs, results and the
// attributes that change from run to run. No JavaScript, no kernels.
//
// On a device with graphs a run is a few of them (program_graphs.h); elsewhere it is the calls, one after the other.
//
// Each run gets fresh result storages, so an older result is never overwritten. In-place ops write the real tensors.
#pragma once
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "arena.h"
#include "backend.h"
#include "chain.h"
#include "program_graphs.h"

namespace gv {

struct Recording {
  explicit Recording(DeviceId d) : device(d) {}
  const DeviceId device;
  struct Live {
    size_t call, attribute;
  };
  std::vector<Call> calls;
  std::vector<Tensor> inputs;   // placeholders, without memory
  std::vector<Tensor> uploads;  // values that came from JavaScript meanwhile
  std::vector<Live> live;       // attributes given anew for each run

  void add(Call&& call) { calls.push_back(std::move(call)); }
  /** Tensors made meanwhile hold no data: whoever reads one after the recording gets an error, not garbage. */
  void poison();
};

class Program {
 public:
  /** @param results what the recorded function returned */
  Program(Recording&& recording, const std::vector<Tensor>& results, std::shared_ptr<Arena> arena);

  /** Where a result comes from: made anew by each run, an input, or a tensor from outside. */
  enum class Source { Fresh, Input, Outside };
  Source sourceOf(size_t result) const;

  struct Run {
    std::shared_ptr<Program> program;
    std::vector<Tensor> inputs;
    std::vector<std::shared_ptr<Storage>> fresh;
    std::vector<double> live;
  };
  /**
   * A run on these inputs, and in `results` the tensors that it will fill. ERR_SHAPE, ERR_DTYPE unless the inputs fit,
   * and what the shape rules say of the live values.
   */
  static Run prepare(std::shared_ptr<Program> program, std::vector<Tensor> inputs, std::vector<double> live,
                     std::vector<Tensor>& results);

  /** Runs on the stream's thread; `call` runs one call as the stream runs any. */
  void execute(Run& run, Backend& backend, const std::function<void(Call&)>& call);

  DeviceId device() const { return device_; }
  size_t calls() const { return calls_.size(); }
  size_t steps() const { return steps_.size(); }
  size_t graphs() const { return graphs_.count(); }

  /**
   * What another recording of the same function did differently, in words; empty if nothing. Tensors from outside must
   * be the same ones, uploads must have the same content, live attributes may differ.
   */
  std::string difference(const Program& later) const;

 private:
  using Storages = std::vector<std::shared_ptr<Storage>>;
  void adopt(Recording& recording);
  void checkLive(const std::vector<double>& values) const;
  void plan();
  bool writesAnInput(const Run& run) const;
  void bind(Run& run, Backend& backend, char* base, bool lend);
  void returnInputs() noexcept;
  void unbind(Run& run, Backend& backend);
  bool poisoned() const;
  std::string callDifference(const Call& a, const Call& b, size_t k, const Program& later) const;
  bool sameOrigin(const Storage* a, const Storage* b, const Program& later) const;

  DeviceId device_;
  std::vector<Call> calls_;  // as recorded, on the program's own storages; never run, never changed
  std::vector<Call> steps_;  // what runs; touched by the stream's thread alone
  std::vector<Tensor> inputs_, results_;
  std::vector<Recording::Live> live_, stepLive_;
  Storages fresh_;                                         // the storages of the results that each run makes
  std::vector<std::pair<std::shared_ptr<Storage>, std::shared_ptr<Storage>>> copies_;  // begin each run with to = from
  std::unordered_map<const Storage*, size_t> inside_;      // made by a run, in order; the others come from outside
  std::unordered_map<const Storage*, size_t> inputIndex_;
  std::unordered_set<const Storage*> written_;             // by in-place ops
  std::unordered_map<const Storage*, std::shared_ptr<Storage>> uploads_;

  std::shared_ptr<Arena> arena_;
  bool planned_ = false;
  size_t executed_ = 0;
  Storages arenaStorages_;
  std::vector<Span> spans_;
  size_t arenaBytes_ = 0;
  // Once graphs are in use, inputs and results have memory of their own, because a graph's addresses are fixed.
  ProgramGraphs graphs_;
  std::vector<void*> ownInputs_;  // what the inputs had before a run lent them its own
};

}  // namespace gv
