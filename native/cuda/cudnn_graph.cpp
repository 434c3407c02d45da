#include "cudnn_graph.h"

#include <algorithm>
#include <utility>

#include "../engine/error.h"

namespace gv::cuda::cudnn {
namespace {

std::string lastError(cudnnStatus_t status) {
  char text[512] = "";
  cudnnGetLastErrorString(text, sizeof text);
  return std::string(cudnnGetErrorString(status)) + (*text ? std::string(": ") + text : "");
}

/** What cuDNN does not do, rather than something having failed. */
struct Refused : Error {
  using Error::Error;
};

}  // namespace

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string message = std::string("cuDNN, ") + what + ": " + lastError(status);
  const int category = status / 1000;
  if (category == CUDNN_STATUS_NOT_SUPPORTED / 1000 || category == CUDNN_STATUS_BAD_PARAM / 1000)
    throw Refused("ERR_DEVICE", message);
  throw Error("ERR_DEVICE", message);
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  check(cudnnBackendCreateDescriptor(type, &raw_), "making a descriptor");
}

Descriptor::~Descriptor() {
  if (raw_) cudnnBackendDestroyDescriptor(raw_);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(raw_, other.raw_);
  return *this;
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                            const void* data) {
  check(cudnnBackendSetAttribute(raw_, name, type, count, data), "setting an attribute");
  return *this;
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values) {
  return set(name, CUDNN_TYPE_INT64, int64_t(values.size()), values.data());
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& other) {
  return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.raw_);
}

Descriptor& Descriptor::finish() {
  check(cudnnBackendFinalize(raw_), "finishing a descriptor");
  return *this;
}

int64_t Descriptor::integer(cudnnBackendAttributeName_t name) const {
  int64_t value = 0, count = 0;
  check(cudnnBackendGetAttribute(raw_, name, CUDNN_TYPE_INT64, 1, &count, &value), "reading an attribute");
  return value;
}

Descriptor deviceFrom(const std::string& json) {
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, int64_t(json.size()), json.data()).finish();
  return device;
}

namespace {

cudnnDataType_t typeOf(DType t) { return t == DType::BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

/** [outer, spatial..., channels] as cuDNN names it: outer, channels, spatial..., with the strides of this order. */
Descriptor tensor(int64_t name, cudnnDataType_t type, int64_t outer, int64_t channels, int dims, const int64_t* spatial,
                  bool isVirtual) {
  std::vector<int64_t> size = {outer, channels}, stride(size_t(dims) + 2);
  size.insert(size.end(), spatial, spatial + dims);
  stride[1] = 1;
  int64_t step = channels;
  for (int d = dims + 1; d >= 2; d--) {
    stride[size_t(d)] = step;
    step *= size[size_t(d)];
  }
  stride[0] = step;
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {name})
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, size)
      .set(CUDNN_ATTR_TENSOR_STRIDES, stride)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {int64_t(kAlignment)})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &isVirtual)
      .finish();
  return t;
}

/** The attributes of an operation, which has its own for each kind. */
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t convolution, first, second, result, alpha, beta;
};

const Names& namesOf(Convolution::Kind kind) {
  static const Names forward = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  static const Names inputGrad = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  static const Names weightGrad = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  return kind == Convolution::Kind::Forward ? forward : kind == Convolution::Kind::InputGrad ? inputGrad : weightGrad;
}

Descriptor geometry(const Convolution& c) {
  const auto list = [&](const int64_t* v) { return std::vector<int64_t>(v, v + c.dims); };
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {c.dims})
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, list(c.dilation))
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, list(c.stride))
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, list(c.padBefore))
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, list(c.padAfter))
      .finish();
  return d;
}

Descriptor pointwise(cudnnPointwiseMode_t mode) {
  const cudnnDataType_t type = CUDNN_DATA_FLOAT;
  Descriptor kind(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  kind.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
  if (mode == CUDNN_POINTWISE_RELU_FWD) {
    const cudnnNanPropagation_t keep = CUDNN_PROPAGATE_NAN;  // as our own relu does; by default NaN becomes 0
    kind.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &keep);
  }
  kind.finish();
  return kind;
}

/** y = kind(x) or kind(x, b). */
Descriptor applied(const Descriptor& kind, const Descriptor& x, const Descriptor* b, const Descriptor& y) {
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y).finish();
  return operation;
}

Graph graphOf(const Convolution& c, const Finish* finish, const Target& target) {
  using Kind = Convolution::Kind;
  const cudnnDataType_t type = typeOf(c.dtype);
  const auto image = [&](int64_t name, cudnnDataType_t t, bool isVirtual) {
    return tensor(name, t, c.n, c.c, c.dims, c.size, isVirtual);
  };
  const auto weight = [&](int64_t name, cudnnDataType_t t, bool isVirtual) {
    return tensor(name, t, c.k, c.c / c.groups, c.dims, c.kernel, isVirtual);
  };
  const auto result = [&](int64_t name, cudnnDataType_t t, bool isVirtual) {
    return tensor(name, t, c.n, c.k, c.dims, c.result, isVirtual);
  };
  const auto output = [&](int64_t name, cudnnDataType_t t, bool isVirtual) {
    return c.kind == Kind::Forward     ? result(name, t, isVirtual)
           : c.kind == Kind::InputGrad ? image(name, t, isVirtual)
                                       : weight(name, t, isVirtual);
  };
  std::vector<Descriptor> parts;
  parts.reserve(16);  // so that references to them stay good
  const auto keep = [&](Descriptor d) -> const Descriptor& {
    parts.push_back(std::move(d));
    return parts.back();
  };
  const Descriptor& first = keep(c.kind == Kind::InputGrad ? result(kFirst, type, false) : image(kFirst, type, false));
  const Descriptor& second =
      keep(c.kind == Kind::WeightGrad ? result(kSecond, type, false) : weight(kSecond, type, false));
  const Descriptor& last = keep(output(kResult, c.kind == Kind::WeightGrad ? CUDNN_DATA_FLOAT : type, false));
  // Sums stay in f32 until the last operation writes them.
  const Descriptor& sums = finish ? keep(output(kBias + 1, CUDNN_DATA_FLOAT, true)) : last;

  const Names& names = namesOf(c.kind);
  const float alpha = 1, beta = 0;
  Descriptor convolve(names.operation);
  convolve.set(names.convolution, keep(geometry(c)))
      .set(names.first, first)
      .set(names.second, second)
      .set(names.result, sums)
      .set(names.alpha, CUDNN_TYPE_FLOAT, 1, &alpha)
      .set(names.beta, CUDNN_TYPE_FLOAT, 1, &beta)
      .finish();
  std::vector<cudnnBackendDescriptor_t> operations = {keep(std::move(convolve)).raw()};
  if (finish) {
    const int64_t channels = c.kind == Kind::InputGrad ? c.c : c.k, ones[3] = {1, 1, 1};
    const Descriptor& bias = keep(tensor(kBias, CUDNN_DATA_FLOAT, 1, channels, c.dims, ones, false));
    const Descriptor& moved = finish->relu ? keep(output(kBias + 2, CUDNN_DATA_FLOAT, true)) : last;
    const Descriptor& add = keep(pointwise(CUDNN_POINTWISE_ADD));
    operations.push_back(keep(applied(add, sums, &bias, moved)).raw());
    if (finish->relu) {
      const Descriptor& relu = keep(pointwise(CUDNN_POINTWISE_RELU_FWD));
      operations.push_back(keep(applied(relu, moved, nullptr, last)).raw());
    }
  }
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, int64_t(operations.size()),
            operations.data());
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  graph.finish();
  return Graph{std::move(parts), std::move(graph), finish != nullptr};
}

}  // namespace

std::optional<Graph> describe(const Convolution& convolution, const Finish* finish, const Target& target) {
  try {
    return graphOf(convolution, finish, target);
  } catch (const Refused&) {
    return {};
  }
}

namespace {

std::vector<Descriptor> list(const Descriptor& from, cudnnBackendAttributeName_t name,
                             cudnnBackendDescriptorType_t type, int64_t most) {
  std::vector<Descriptor> items;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < most; i++) {
    items.emplace_back(type);
    raw.push_back(items.back().raw());
  }
  int64_t count = 0;
  check(cudnnBackendGetAttribute(from.raw(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count, raw.data()),
        "reading a list");
  items.erase(items.begin() + std::min(count, most), items.end());
  return items;
}

/** A bit for each of the notes. */
template <class Note>
unsigned notesOf(const Descriptor& engine, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) {
  Note notes[32];
  int64_t count = 0;
  check(cudnnBackendGetAttribute(engine.raw(), name, type, 32, &count, notes), "reading the notes of an engine");
  unsigned bits = 0;
  for (int64_t i = 0; i < count; i++) bits |= 1u << notes[i];
  return bits;
}

/**
 * The notes (cudnnBackendNumericalNote_t in cudnn_graph.h) that an engine for the convolution must not have. Results
 * must not change from run to run, and sums are f32. An engine that takes f32 to the tensor cores multiplies in TF32
 * and has the note TENSOR_CORE; without TF32 the error must be that of plain summation, which neither Winograd's
 * transform nor Fourier's has. For bf16 both would round what they transform.
 */
unsigned unwanted(const Convolution& c) {
  unsigned bits = 1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC | 1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
  const unsigned transforms = 1u << CUDNN_NUMERICAL_NOTE_FFT | 1u << CUDNN_NUMERICAL_NOTE_WINOGRAD |
                              1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4 |
                              1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6 |
                              1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;
  if (c.dtype == DType::F32) bits |= 1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
  if (c.dtype == DType::F32 && !c.tf32) bits |= 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
  if (c.dtype != DType::F32 || !c.tf32) bits |= transforms;
  return bits;
}

/** Adds the engines that one of cuDNN's rules proposes and that are not in the list. */
void propose(std::vector<Engine>& found, const Graph& graph, const Convolution& convolution, const Target& target,
             cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (target.properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
  try {
    heuristics.finish();
  } catch (const Refused&) {
    return;  // how it says that it knows none
  }
  int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                 &count, nullptr),
        "counting engines");
  for (Descriptor& config :
       list(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, count)) {
    const auto engine = list(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
    const unsigned notes = notesOf<cudnnBackendNumericalNote_t>(engine[0], CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                                CUDNN_TYPE_NUMERICAL_NOTE);
    if (notes & unwanted(convolution)) continue;
    const unsigned behaviour = notesOf<cudnnBackendBehaviorNote_t>(engine[0], CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                                                   CUDNN_TYPE_BEHAVIOR_NOTE);
    const bool compiles = (behaviour & 1u << CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) != 0;
    if (compiles && graph.fused) continue;
    std::string name = std::to_string(engine[0].integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
    for (const Descriptor& knob : list(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
                                       CUDNN_KNOB_TYPE_COUNTS)) {
      cudnnBackendKnobType_t type{};
      int64_t one = 0;
      check(cudnnBackendGetAttribute(knob.raw(), CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &one,
                                     &type),
            "reading a knob");
      name += (name.find(':') == std::string::npos ? ":" : ",") + std::to_string(int(type)) + "=" +
              std::to_string(knob.integer(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
    }
    if (std::any_of(found.begin(), found.end(), [&](const Engine& other) { return other.name == name; })) continue;
    found.push_back(Engine{std::move(config), std::move(name), compiles});
  }
}

}  // namespace

std::vector<Engine> candidates(const Graph& graph, const Convolution& convolution, const Target& target) {
  std::vector<Engine> found;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    propose(found, graph, convolution, target, mode);
  return found;
}

std::optional<Plan> plan(const Engine& engine, const Target& target, std::string* reason) {
  Descriptor d(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (target.handle) d.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  if (target.properties) d.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.properties);
  d.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine.config);
  try {
    d.finish();
  } catch (const Error& error) {
    // Heuristics also name engines that then turn out not to take the graph, for any of many reasons.
    if (reason) *reason = error.what();
    return {};
  }
  const int64_t workspace = d.integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  return Plan{std::move(d), workspace};
}

}  // namespace gv::cuda::cudnn
