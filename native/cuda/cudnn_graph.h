// A convolution in cuDNN's graph API: the operation graph, the engines that can run it, their plans. Works on a device
// through its handle, and without one through a description of a device (deviceless/engines.cpp). Which plan is used,
// and with which memory, is conv_library.cpp.
#pragma once
#include <cudnn.h>

#include <optional>
#include <string>
#include <vector>

#include "conv_library.h"

namespace gv::cuda::cudnn {

/** Throws ERR_DEVICE with cuDNN's own words. */
void check(cudnnStatus_t status, const char* what);

/** One object of the graph API, which is set attribute by attribute and then finished. */
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;

  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count, const void* data);
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values);
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other);
  Descriptor& finish();

  int64_t integer(cudnnBackendAttributeName_t name) const;
  cudnnBackendDescriptor_t raw() const { return raw_; }

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

/** What plans are for: the device of a handle, or else a described one. */
struct Target {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;  // CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR
};

/** A device from cuDNN's own description of it, as CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION gives it. */
Descriptor deviceFrom(const std::string& json);

/** The names by which a plan's tensors are given their memory. */
enum Role : int64_t { kFirst = 1, kSecond = 2, kResult = 3, kBias = 4 };

/** Of all memory that plans are given, in bytes. */
constexpr size_t kAlignment = 16;

struct Graph {
  std::vector<Descriptor> parts;  // tensors, operations and what describes these
  Descriptor graph;
  bool fused;  // with a finish
};

/**
 * The graph of a convolution: kFirst and kSecond are a and b of Convolutions::run. With finish also a bias and, if it
 * says so, relu. Empty where cuDNN refuses the graph.
 */
std::optional<Graph> describe(const Convolution& convolution, const Finish* finish, const Target& target);

struct Engine {
  Descriptor config;
  std::string name;  // its number and the values of its knobs, "12:2=8,7=1"
  bool compiles = false;  // at run time, in a good part of a second
};

/**
 * The engines that cuDNN proposes, the best first, without those whose numbers are not what the convolution promises
 * and, with a finish, without those that are compiled: a pass of its own costs less than compiling in every process.
 */
std::vector<Engine> candidates(const Graph& graph, const Convolution& convolution, const Target& target);

struct Plan {
  Descriptor descriptor;
  int64_t workspace = 0;
};

/** The plan of an engine. Empty where it turns out not to work; `reason`, if asked for, says why. */
std::optional<Plan> plan(const Engine& engine, const Target& target, std::string* reason = nullptr);

}  // namespace gv::cuda::cudnn
