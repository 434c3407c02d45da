// A program's steps as graphs of the device: maximal runs of steps that can be recorded, with the others between them.
// Steps whose attributes change from run to run (a learning rate, the place of a random draw) stay calls of their own.
// The graphs are recorded again when the arena has moved.
#pragma once
#include <functional>
#include <unordered_set>

#include "backend.h"

namespace gv {

class ProgramGraphs {
 public:
  bool active() const { return active_; }

  /** Gives the storages that each run fills or hands over memory of their own, and parts the steps. */
  void activate(const std::vector<std::shared_ptr<Storage>>& fixed, const std::vector<Call>& steps,
                const std::unordered_set<size_t>& varying, Backend& backend);

  /** Runs the steps; `call` runs one that is in no graph. What fails while it is recorded is run as calls instead. */
  void run(std::vector<Call>& steps, const char* arena, Backend& backend, const std::function<void(Call&)>& call);

  /** How many graphs there are; 0 before the first run with them. */
  size_t count() const;

 private:
  struct Part {
    size_t first, last;  // steps [first, last)
    bool recordable;
    std::unique_ptr<Graph> graph;
  };
  bool active_ = false;
  std::vector<Part> parts_;
  const char* arena_ = nullptr;
};

}  // namespace gv
