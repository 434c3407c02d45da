#include "plugin_backend.h"

#include <cstring>

#include "chain.h"
#include "ops/table.h"

namespace gv {
namespace {

void throwIf(int failed, const gv_error& error) {
  if (!failed) return;
  // The codes of a plugin are not string literals, as Error wants them.
  for (const char* code : {"ERR_OUT_OF_MEMORY", "ERR_CUDA_UNAVAILABLE", "ERR_INDEX", "ERR_SHAPE", "ERR_DTYPE",
                           "ERR_ARGUMENT", "ERR_DEVICE"})
    if (std::strcmp(code, error.code) == 0) throw Error(code, error.message);
  throw Error("ERR_INTERNAL", error.message);
}

int32_t numberOf(const Op& op) { return op.infer ? int32_t(&op - kOps) : -1; }

gv_tensor describeTensor(const Tensor& t) {
  gv_tensor d{};
  d.data = t.storage->data;
  d.dtype = int32_t(t.dtype);
  d.rank = t.shape.rank();
  for (int i = 0; i < d.rank; i++) d.dims[i] = t.shape[i];
  return d;
}

}  // namespace

void* PluginAllocator::systemAllocate(size_t bytes) {
  void* data = nullptr;
  gv_error error{};
  throwIf(plugin_.allocate(context_, bytes, &data, &error), error);
  return data;
}

void PluginAllocator::systemFree(void* p, size_t) { plugin_.release(context_, p); }

struct PluginBackend::Recorded : Graph {
  Recorded(PluginBackend& b) : backend(b) {}
  ~Recorded() override {
    if (graph) backend.plugin_.freeGraph(backend.context_, graph);
    for (const auto& [capacity, blocks] : free)
      for (void* block : blocks) backend.allocator_.free(block, capacity);
  }
  PluginBackend& backend;
  gv_graph* graph = nullptr;
  // What kernels took and gave back meanwhile: theirs again whenever the graph runs.
  std::map<size_t, std::vector<void*>> free;
};

/** A call in the plugin's words, and what those point to. */
struct PluginBackend::Described {
  gv_call call{};
  std::vector<gv_tensor> tensors;
  std::vector<gv_link> links;
};

PluginBackend::PluginBackend(const gv_plugin& plugin, int32_t number, PluginAllocator& allocator)
    : plugin_(plugin), allocator_(allocator) {
  const gv_host host{this, allocateFor, freeFor};
  gv_error error{};
  throwIf(plugin_.open(number, &host, &context_, &error), error);
  allocator_.attach(context_);
}

PluginBackend::~PluginBackend() = default;  // the device stays open: nothing outlives the process

void* PluginBackend::allocateFor(void* pool, size_t bytes, size_t* capacity, gv_error* error) {
  auto& self = *static_cast<PluginBackend*>(pool);
  try {
    if (self.recording_) {
      auto& free = self.recording_->free;
      const auto found = free.lower_bound(bytes);
      if (found != free.end() && !found->second.empty() && found->first <= 2 * bytes + 4096) {
        void* block = found->second.back();
        *capacity = found->first;
        found->second.pop_back();
        if (found->second.empty()) free.erase(found);
        return block;
      }
    }
    return self.allocator_.allocate(bytes, *capacity);
  } catch (const Error& e) {
    std::snprintf(error->code, sizeof error->code, "%s", e.code);
    std::snprintf(error->message, sizeof error->message, "%s", e.what());
    return nullptr;
  }
}

void PluginBackend::freeFor(void* pool, void* data, size_t capacity) {
  auto& self = *static_cast<PluginBackend*>(pool);
  if (self.recording_)
    self.recording_->free[capacity].push_back(data);
  else
    self.allocator_.free(data, capacity);
}

void PluginBackend::describe(const Call& call, Described& d) const {
  d.tensors.reserve(call.in.size() + call.out.size());
  for (const Tensor& t : call.in) d.tensors.push_back(describeTensor(t));
  for (const Tensor& t : call.out) d.tensors.push_back(describeTensor(t));
  d.call.op = numberOf(*call.op);
  d.call.inputs = int32_t(call.in.size());
  d.call.outputs = int32_t(call.out.size());
  d.call.attributes = int32_t(call.attrs.size());
  d.call.input = d.tensors.data();
  d.call.output = d.tensors.data() + call.in.size();
  d.call.attribute = call.attrs.data();
  if (!call.chain) return;
  for (const Chain::Link& link : call.chain->links) {
    gv_link l{};
    l.op = numberOf(*link.op);
    l.dtype = int32_t(link.dtype);
    l.operands = int32_t(link.in.size());
    l.attributes = int32_t(link.attrs.size());
    l.attribute = link.attrs.data();
    for (size_t i = 0; i < link.in.size(); i++) {
      l.inside[i] = link.in[i].inside;
      l.index[i] = int32_t(link.in[i].index);
    }
    d.links.push_back(l);
  }
  d.call.links = int32_t(d.links.size());
  d.call.link = d.links.data();
}

void PluginBackend::run(const Call& call) {
  Described d;
  describe(call, d);
  gv_error error{};
  throwIf(plugin_.run(context_, &d.call, &error), error);
}

void PluginBackend::copy(void* to, const void* from, size_t bytes) {
  gv_error error{};
  throwIf(plugin_.copy(context_, to, from, bytes, &error), error);
}

std::shared_ptr<void> PluginBackend::stage(size_t bytes) {
  void* host = nullptr;
  gv_error error{};
  throwIf(plugin_.stage(context_, bytes, &host, &error), error);
  return {host, [this](void* p) { plugin_.unstage(context_, p); }};
}

void PluginBackend::upload(void* to, const std::shared_ptr<void>& staged, size_t bytes) {
  gv_error error{};
  throwIf(plugin_.upload(context_, to, staged.get(), bytes, &error), error);
}

void PluginBackend::download(void* to, const void* from, size_t bytes) {
  gv_error error{};
  throwIf(plugin_.download(context_, to, from, bytes, &error), error);
}

void PluginBackend::wait() {
  gv_error error{};
  throwIf(plugin_.wait(context_, &error), error);
}

bool PluginBackend::graphable(const Call& call) {
  Described d;
  describe(call, d);
  return plugin_.graphable(context_, &d.call) != 0;
}

void PluginBackend::beginGraph() {
  gv_error error{};
  throwIf(plugin_.beginGraph(context_, &error), error);
  recording_ = std::make_unique<Recorded>(*this);
}

std::unique_ptr<Graph> PluginBackend::endGraph() {
  gv_error error{};
  throwIf(plugin_.endGraph(context_, &recording_->graph, &error), error);
  return std::move(recording_);
}

void PluginBackend::abandonGraph() noexcept {
  gv_error error{};
  plugin_.endGraph(context_, nullptr, &error);
  recording_.reset();
}

void PluginBackend::launch(Graph& graph) {
  gv_error error{};
  throwIf(plugin_.launch(context_, static_cast<Recorded&>(graph).graph, &error), error);
}

}  // namespace gv
