// What a device is to its stream: a way to run calls and to move bytes. Everything is called on the stream's thread and
// in order, but for stage(). A backend may return before the work is done; only download() and wait() wait. The CPU's is
// cpu/backend.h, that of a plugin is plugin_backend.h.
#pragma once
#include <memory>

#include "call.h"

namespace gv {

/** Work recorded once, to be started again as a whole on the same addresses. */
class Graph {
 public:
  virtual ~Graph() = default;
};

class Backend {
 public:
  virtual ~Backend() = default;

  /** Called once, when the thread begins. */
  virtual void begin() {}

  virtual void run(const Call& call) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  /** Memory of the host from which upload() copies. Any thread. */
  virtual std::shared_ptr<void> stage(size_t bytes) = 0;
  virtual void upload(void* to, const std::shared_ptr<void>& staged, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  /** Until all work is done. Throws what went wrong in it. */
  virtual void wait() {}

  /** Whether the device's memory is the host's, so that data can be read and written in place. */
  virtual bool onHost() const { return false; }

  /** Whether runs of calls can be recorded as graphs. */
  virtual bool hasGraphs() const { return false; }
  /** Whether this call may be part of one. */
  virtual bool graphable(const Call&) { return false; }
  virtual void beginGraph() {}
  /** What was run since beginGraph(), which has not been done yet. */
  virtual std::unique_ptr<Graph> endGraph() { return nullptr; }
  /** Ends the recording after a failure. */
  virtual void abandonGraph() noexcept {}
  virtual void launch(Graph&) {}
};

}  // namespace gv
