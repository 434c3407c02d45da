#include "program_graphs.h"

namespace gv {

void ProgramGraphs::activate(const std::vector<std::shared_ptr<Storage>>& fixed, const std::vector<Call>& steps,
                             const std::unordered_set<size_t>& varying, Backend& backend) {
  for (const auto& storage : fixed) storage->materialise();
  for (size_t k = 0; k < steps.size(); k++) {
    const bool recordable = !varying.count(k) && backend.graphable(steps[k]);
    if (recordable && !parts_.empty() && parts_.back().recordable)
      parts_.back().last = k + 1;
    else
      parts_.push_back({k, k + 1, recordable, nullptr});
  }
  active_ = true;
}

void ProgramGraphs::run(std::vector<Call>& steps, const char* arena, Backend& backend,
                        const std::function<void(Call&)>& call) {
  if (arena != arena_)
    for (Part& part : parts_) part.graph.reset();
  arena_ = arena;
  for (Part& part : parts_) {
    if (part.recordable && !part.graph) {
      backend.beginGraph();
      try {
        for (size_t k = part.first; k < part.last; k++) backend.run(steps[k]);
        part.graph = backend.endGraph();
      } catch (const std::exception&) {
        // Run as calls, each of which says what is wrong.
        backend.abandonGraph();
        part.recordable = false;
      }
    }
    if (part.graph)
      backend.launch(*part.graph);
    else
      for (size_t k = part.first; k < part.last; k++) call(steps[k]);
  }
}

size_t ProgramGraphs::count() const {
  size_t count = 0;
  for (const Part& part : parts_) count += part.graph != nullptr;
  return count;
}

}  // namespace gv
