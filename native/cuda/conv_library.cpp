#include "conv_library.h"

#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>

#include "call.h"
#include "cudnn_graph.h"
#include "nvrtc.h"
#include "plan_file.h"

namespace gv::cuda {
namespace {

constexpr int64_t kMostWorkspace = int64_t{1} << 30;  // bytes of one convolution
constexpr size_t kMostTimed = 8;                      // engines for a convolution
constexpr int kRepeated = 4;                          // runs that are timed together

/** All that a plan depends on. */
using Key = std::array<int64_t, 30>;

Key keyOf(const Convolution& c, const Finish* finish) {
  Key key{int64_t(c.kind), c.dims, c.n, c.c, c.k, c.groups, int64_t(c.dtype), c.tf32, finish ? 1 + finish->relu : 0};
  size_t at = 9;
  for (const int64_t* list : {c.size, c.kernel, c.result, c.stride, c.dilation, c.padBefore, c.padAfter})
    for (int d = 0; d < 3; d++) key[at++] = d < c.dims ? list[d] : 0;
  return key;
}

std::string textOf(const Key& key) {
  std::string text;
  for (const int64_t v : key) text += (text.empty() ? "" : " ") + std::to_string(v);
  return text;
}

bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % cudnn::kAlignment == 0; }

bool empty(const Convolution& c) {
  int64_t product = c.n * c.c * c.k;
  for (int d = 0; d < c.dims; d++) product = product && c.size[d] && c.kernel[d] && c.result[d];
  return product == 0;
}

struct Operands {
  const void *a, *b;
  void* y;
  const float* bias;
};

/** An engine of cuDNN with the graph that it is for, not yet known to work. */
struct Candidate {
  std::shared_ptr<const cudnn::Graph> graph;
  cudnn::Engine engine;
  bool widened;  // for bf16 operands that are copied to f32

  std::string name() const { return (widened ? "f32 " : "") + engine.name; }
};

/** A way to do a convolution. */
struct Choice {
  std::shared_ptr<const Candidate> candidate;
  cudnn::Plan plan;
};

/**
 * Work recorded as a graph: the time between two events is then the device's, not that of the calls, which take longer
 * than a small convolution. What cannot be recorded fails here, and could not be used in a program either.
 */
class Recorded {
 public:
  template <class F>
  Recorded(cudaStream_t stream, const F& work) : stream_(stream) {
    check(cudaEventCreate(&begin_), "making an event");
    check(cudaEventCreate(&end_), "making an event");
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "recording a convolution");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      cudaStreamEndCapture(stream_, &graph);
      if (graph) cudaGraphDestroy(graph);
      release();
      throw;
    }
    cudaError_t status = cudaStreamEndCapture(stream_, &graph);
    if (status == cudaSuccess) status = cudaGraphInstantiate(&executable_, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    if (status != cudaSuccess) release();
    check(status, "recording a convolution");
  }
  ~Recorded() { release(); }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  /** Of one run, which begins right after another one. */
  float milliseconds() const {
    check(cudaGraphLaunch(executable_, stream_), "timing a convolution");
    check(cudaEventRecord(begin_, stream_), "timing a convolution");
    check(cudaGraphLaunch(executable_, stream_), "timing a convolution");
    check(cudaEventRecord(end_, stream_), "timing a convolution");
    check(cudaEventSynchronize(end_), "timing a convolution");
    float time = 0;
    check(cudaEventElapsedTime(&time, begin_, end_), "timing a convolution");
    return time;
  }

 private:
  void release() {
    if (executable_) cudaGraphExecDestroy(executable_);
    if (begin_) cudaEventDestroy(begin_);
    if (end_) cudaEventDestroy(end_);
  }

  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

bool tuningAllowed() {
  const char* setting = std::getenv("GANVAS_CUDNN_TUNE");
  return !setting || std::string(setting) != "0";
}

std::string deviceName(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "asking what the device is");
  return properties.name;
}

}  // namespace

struct Convolutions::Plans {
  using Candidates = std::vector<std::shared_ptr<const Candidate>>;

  explicit Plans(Context& c) : context(c), file(deviceName(c.device), cudnnGetVersion()), tuning(tuningAllowed()) {
    loadNvrtc();
    cudnn::check(cudnnCreate(&target.handle), "starting");
    cudnn::check(cudnnSetStream(target.handle, context.stream), "setting the stream");
  }
  ~Plans() {
    known.clear();
    cudnnDestroy(target.handle);
  }

  void addCandidates(Candidates& list, const Convolution& c, const Finish* finish, bool widened) const;
  Candidates candidates(const Convolution& c, const Finish* finish) const;
  std::optional<Choice> planned(const std::shared_ptr<const Candidate>& candidate) const;
  std::optional<Choice> choose(const Convolution& c, const Finish* finish, const Key& key, const Operands& operands);
  std::optional<float> time(const Choice& choice, const Convolution& c, const Operands& operands) const;
  void enqueue(const Choice& choice, const Convolution& c, const Operands& operands) const;
  void execute(const cudnn::Plan& plan, const Operands& operands) const;

  Context& context;
  cudnn::Target target;
  PlanFile file;
  const bool tuning;
  std::map<Key, std::optional<Choice>> known;  // empty: cuDNN has no engine
};

void Convolutions::Plans::addCandidates(Candidates& list, const Convolution& c, const Finish* finish,
                                        bool widened) const {
  auto described = cudnn::describe(c, finish, target);
  if (!described) return;
  const auto graph = std::make_shared<const cudnn::Graph>(std::move(*described));
  for (cudnn::Engine& engine : cudnn::candidates(*graph, c, target))
    list.push_back(std::make_shared<const Candidate>(Candidate{graph, std::move(engine), widened}));
}

Convolutions::Plans::Candidates Convolutions::Plans::candidates(const Convolution& c, const Finish* finish) const {
  Candidates list;
  addCandidates(list, c, finish, false);
  if (c.kind != Convolution::Kind::WeightGrad || c.dtype != DType::BF16) return list;
  // From bf16 to f32 cuDNN has one engine at most, which is general rather than fast. TF32 holds every bf16, so the
  // engines for it give the same sums.
  Convolution wide = c;
  wide.dtype = DType::F32;
  wide.tf32 = true;
  addCandidates(list, wide, finish, true);
  return list;
}

std::optional<Choice> Convolutions::Plans::planned(const std::shared_ptr<const Candidate>& candidate) const {
  auto plan = cudnn::plan(candidate->engine, target);
  if (!plan || plan->workspace > kMostWorkspace) return {};
  return Choice{candidate, std::move(*plan)};
}

std::optional<Choice> Convolutions::Plans::choose(const Convolution& c, const Finish* finish, const Key& key,
                                                  const Operands& operands) {
  const Candidates list = candidates(c, finish);
  const std::string text = textOf(key), remembered = file.find(text);
  for (const auto& candidate : list)
    if (candidate->name() == remembered)
      if (auto choice = planned(candidate)) return choice;

  std::optional<Choice> best;
  float fastest = std::numeric_limits<float>::infinity();
  size_t timed = 0;
  for (size_t i = 0; tuning && !context.capturing && i < list.size() && timed < kMostTimed; i++) {
    auto choice = planned(list[i]);
    if (!choice) continue;
    const auto took = time(*choice, c, operands);
    if (!took) continue;
    timed++;
    if (*took >= fastest) continue;
    fastest = *took;
    best = std::move(choice);
  }
  if (best) file.add(text, best->candidate->name());
  // Where nothing could be timed, the first that works, at once if possible.
  for (const bool compiles : {false, true})
    for (size_t i = 0; i < list.size() && !best; i++)
      if (list[i]->engine.compiles == compiles) best = planned(list[i]);
  return best;
}

/** Milliseconds of the best of three times; empty where it fails, for want of memory for example. */
std::optional<float> Convolutions::Plans::time(const Choice& choice, const Convolution& c,
                                               const Operands& operands) const {
  try {
    enqueue(choice, c, operands);  // loads the kernels
    const Recorded recorded(context.stream, [&] {
      for (int i = 0; i < kRepeated; i++) enqueue(choice, c, operands);
    });
    float best = std::numeric_limits<float>::infinity();
    for (int i = 0; i < 3; i++) best = std::min(best, recorded.milliseconds());
    return best;
  } catch (const Error&) {
    cudaGetLastError();  // else it would be the next launch's
    return {};
  }
}

void Convolutions::Plans::enqueue(const Choice& choice, const Convolution& c, const Operands& operands) const {
  if (!choice.candidate->widened) return execute(choice.plan, operands);
  int64_t pixels = c.n, results = c.n;
  for (int d = 0; d < c.dims; d++) {
    pixels *= c.size[d];
    results *= c.result[d];
  }
  Call call;
  call.memory = &context.memory;
  const auto widen = [&](const void* data, const Shape& shape) {
    Tensor from{shape, DType::BF16, nullptr};
    from.storage = std::make_shared<Storage>(context.memory, from.bytes());
    from.storage->data = const_cast<void*>(data);
    Tensor to = temporary(call, shape, DType::F32);
    convert(from, to);
    return to;
  };
  const Tensor a = widen(operands.a, {pixels, c.c}), b = widen(operands.b, {results, c.k});
  execute(choice.plan, {a.data<void>(), b.data<void>(), operands.y, operands.bias});
}

void Convolutions::Plans::execute(const cudnn::Plan& plan, const Operands& operands) const {
  Call call;
  call.memory = &context.memory;
  const Workspace workspace(call, size_t(plan.workspace));
  const int64_t names[] = {cudnn::kFirst, cudnn::kSecond, cudnn::kResult, cudnn::kBias};
  const void* data[] = {operands.a, operands.b, operands.y, operands.bias};
  const void* scratch = workspace.as<void>();
  const int64_t count = operands.bias ? 4 : 3;
  cudnn::Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, names)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, data)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &scratch)
      .finish();
  cudnn::check(cudnnBackendExecute(target.handle, plan.descriptor.raw(), pack.raw()), "running a convolution");
}

Convolutions::Convolutions(Context& context) : plans_(std::make_unique<Plans>(context)) {}
Convolutions::~Convolutions() = default;

bool Convolutions::run(const Convolution& convolution, const void* a, const void* b, void* y, const Finish* finish) {
  const Operands operands{a, b, y, finish ? finish->bias : nullptr};
  if (!aligned(a) || !aligned(b) || !aligned(y) || !aligned(operands.bias) || empty(convolution)) return false;
  if (finish && !finish->bias) return false;
  const Key key = keyOf(convolution, finish);
  auto found = plans_->known.find(key);
  if (found == plans_->known.end())
    found = plans_->known.emplace(key, plans_->choose(convolution, finish, key, operands)).first;
  if (!found->second) return false;
  plans_->enqueue(*found->second, convolution, operands);
  return true;
}

}  // namespace gv::cuda
