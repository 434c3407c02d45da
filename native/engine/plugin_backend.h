// A device behind a plugin (plugin_abi.h): its memory pool, and calls translated into the plugin's C structures. How the
// plugin's file is found and loaded: plugin_loader.h.
#pragma once
#include "allocator.h"
#include "backend.h"
#include "plugin_abi.h"

namespace gv {

class PluginBackend;

/** Caches blocks of the device's memory; what a graph is recorded with stays with the graph. */
class PluginAllocator : public Allocator {
 public:
  PluginAllocator(DeviceId device, const gv_plugin& plugin) : Allocator(device), plugin_(plugin) {}
  void attach(gv_context* context) { context_ = context; }

 protected:
  void* systemAllocate(size_t bytes) override;
  void systemFree(void* p, size_t bytes) override;

 private:
  const gv_plugin& plugin_;
  gv_context* context_ = nullptr;
};

class PluginBackend : public Backend {
 public:
  /** Opens the device. Throws what the plugin says. */
  PluginBackend(const gv_plugin& plugin, int32_t number, PluginAllocator& allocator);
  ~PluginBackend() override;

  void run(const Call& call) override;
  void copy(void* to, const void* from, size_t bytes) override;
  std::shared_ptr<void> stage(size_t bytes) override;
  void upload(void* to, const std::shared_ptr<void>& staged, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;
  void wait() override;
  bool hasGraphs() const override { return true; }
  bool graphable(const Call& call) override;
  void beginGraph() override;
  std::unique_ptr<Graph> endGraph() override;
  void abandonGraph() noexcept override;
  void launch(Graph& graph) override;

  void allowTF32(bool matmul) { plugin_.allowTF32(context_, matmul); }

 private:
  struct Recorded;
  struct Described;
  void describe(const Call& call, Described& described) const;
  static void* allocateFor(void* pool, size_t bytes, size_t* capacity, gv_error* error);
  static void freeFor(void* pool, void* data, size_t capacity);

  const gv_plugin& plugin_;
  PluginAllocator& allocator_;
  gv_context* context_ = nullptr;
  // Blocks taken while a graph is recorded; the plugin asks for memory on the stream's thread only.
  std::unique_ptr<Recorded> recording_;
};

}  // namespace gv
