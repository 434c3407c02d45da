// How a kernel says that its data are wrong, where the CPU's would throw: the first to say so is kept, the element it
// speaks of reads and writes nothing, and the work goes on. faults.h reports it at the next read or wait.
#pragma once
#include "../engine/call.h"
#include "launch.h"

namespace gv::cuda {

enum class FaultKind {
  Index,      // note(index, element): of the indices, outside [0, limit)
  Weight,     // note(weight, element, row)
  Logit,      // note(logit, element, row)
  TooFewLeft  // note(elements of non-zero weight, row): too few for `limit` draws
};

/** What the host reads: in page-locked memory, where the device writes to it directly. */
struct FaultRecord {
  int32_t noted, site;
  double number[3];
};

/** What may go wrong in one call; a kernel's argument. */
struct FaultSite {
  int32_t* claimed;  // on the device: not 0 once a fault is kept
  FaultRecord* record;
  int32_t number;

  GV_DEVICE void note(double a, double b, double c = 0) const {
    if (atomicMax(claimed, 1) != 0) return;
    record->site = number;
    record->number[0] = a;
    record->number[1] = b;
    record->number[2] = c;
    record->noted = 1;
  }
};

/** For the context that is current. */
FaultSite faultSite(const Call& call, FaultKind kind, int64_t limit);

}  // namespace gv::cuda
