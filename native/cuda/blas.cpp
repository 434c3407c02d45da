#include "blas.h"

#include <cublasLt.h>

#include <array>
#include <map>
#include <optional>
#include <utility>

namespace gv::cuda {
namespace {

constexpr size_t kWorkspace = size_t{32} << 20;  // bytes; what cuBLAS asks for on Hopper
constexpr int kProposals = 4;

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail("ERR_DEVICE", "cuBLASLt, %s: %s (%s)", what, cublasLtGetStatusString(status), cublasLtGetStatusName(status));
}

/** Owns a descriptor of cuBLASLt. */
template <class T, cublasStatus_t (*destroy)(T)>
class Owned {
 public:
  Owned() = default;
  ~Owned() {
    if (raw) destroy(raw);
  }
  Owned(Owned&& other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(raw, other.raw);
    return *this;
  }
  T raw = nullptr;
};

using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType typeOf(DType t) { return t == DType::BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/** The largest power of two up to 256, which is all that cuBLASLt asks for, that divides the address. */
uint32_t alignmentOf(const void* p) {
  uint32_t alignment = 256;
  while (reinterpret_cast<uintptr_t>(p) % alignment) alignment /= 2;
  return alignment;
}

/** All that an algorithm depends on. */
using Key = std::array<int64_t, 19>;

Key keyOf(const Product& p) {
  return {p.transA, p.transB, p.m, p.n, p.k, int64_t(p.in), int64_t(p.out), p.batch, p.strideA, p.strideB, p.strideC,
          p.ldc, p.beta != 0, p.bias ? alignmentOf(p.bias) : 0, p.relu, p.tf32, alignmentOf(p.a), alignmentOf(p.b),
          alignmentOf(p.c)};
}

/** A matrix as cuBLASLt counts: with `rows` rows, stored by columns that are `step` apart. */
Layout layout(DType type, int64_t rows, int64_t columns, int64_t step, int64_t batch, int64_t stride) {
  Layout l;
  check(cublasLtMatrixLayoutCreate(&l.raw, typeOf(type), uint64_t(rows), uint64_t(columns), step),
        "describing a matrix");
  const int32_t count = int32_t(batch);
  check(cublasLtMatrixLayoutSetAttribute(l.raw, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
        "describing a matrix");
  check(cublasLtMatrixLayoutSetAttribute(l.raw, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
        "describing a matrix");
  return l;
}

template <class T>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t name, const T& value) {
  check(cublasLtMatmulDescSetAttribute(operation.raw, name, &value, sizeof value), "describing a product");
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t name, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.raw, name, &value, sizeof value), "asking for an algorithm");
}

struct Plan {
  Operation operation;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm;
  size_t workspace = 0;
};

/**
 * The product as cuBLASLt sees it, for whom matrices are stored by columns: ours are then transposed, and the product
 * is c' = op(b)' op(a)'. The bias, one number for each of our columns, is one for each of its rows, as it takes them.
 */
std::optional<Plan> planFor(cublasLtHandle_t handle, const Product& p) {
  Plan plan;
  const cublasComputeType_t compute =
      p.in == DType::F32 && p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  check(cublasLtMatmulDescCreate(&plan.operation.raw, compute, CUDA_R_32F), "describing a product");
  const int32_t first = p.transB ? CUBLAS_OP_T : CUBLAS_OP_N, second = p.transA ? CUBLAS_OP_T : CUBLAS_OP_N;
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, first);
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, second);
  const uint32_t epilogue = p.bias ? (p.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                   : (p.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
  set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  // The pointer counts here too: its alignment does.
  if (p.bias) set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  plan.a = p.transB ? layout(p.in, p.k, p.n, p.k, p.batch, p.strideB) : layout(p.in, p.n, p.k, p.n, p.batch, p.strideB);
  plan.b = p.transA ? layout(p.in, p.m, p.k, p.m, p.batch, p.strideA) : layout(p.in, p.k, p.m, p.k, p.batch, p.strideA);
  plan.c = layout(p.out, p.n, p.m, p.ldc ? p.ldc : p.n, p.batch, p.strideC);

  Preference preference;
  check(cublasLtMatmulPreferenceCreate(&preference.raw), "asking for an algorithm");
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(kWorkspace));
  // Parts of a sum must not be rounded to bf16 before they are added.
  if (p.out == DType::BF16)
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignmentOf(p.b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignmentOf(p.a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignmentOf(p.c));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignmentOf(p.c));

  cublasLtMatmulHeuristicResult_t proposals[kProposals];
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle, plan.operation.raw, plan.a.raw, plan.b.raw, plan.c.raw, plan.c.raw,
                                     preference.raw, kProposals, proposals, &found);
  // How it says that it has no algorithm, or does not know such a product.
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return {};
  check(status, "asking for an algorithm");
  for (int i = 0; i < found; i++) {
    if (proposals[i].state != CUBLAS_STATUS_SUCCESS || proposals[i].workspaceSize > kWorkspace) continue;
    plan.algorithm = proposals[i].algo;
    plan.workspace = proposals[i].workspaceSize;
    return plan;
  }
  return {};
}

}  // namespace

struct Blas::Plans {
  ~Plans() {
    known.clear();
    if (workspace) memory->free(workspace, capacity);
    if (handle) cublasLtDestroy(handle);
  }

  cublasLtHandle_t handle = nullptr;
  std::map<Key, std::optional<Plan>> known;  // empty: there is no algorithm
  Memory* memory = nullptr;
  void* workspace = nullptr;  // kept: calls on one stream can share it
  size_t capacity = 0;
};

Blas::Blas() : plans_(std::make_unique<Plans>()) { check(cublasLtCreate(&plans_->handle), "starting"); }
Blas::~Blas() = default;

bool Blas::run(Context& context, const Product& p) {
  if (p.m == 0 || p.n == 0 || p.k == 0 || p.batch == 0) return false;
  // The bias has the type of the result (CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE); ours is f32. Of f32 it makes no bf16.
  if (p.out == DType::BF16 && (p.bias || p.in == DType::F32)) return false;
  if (p.batch > INT32_MAX) return false;
  Plans& plans = *plans_;
  const Key key = keyOf(p);
  auto found = plans.known.find(key);
  if (found == plans.known.end()) found = plans.known.emplace(key, planFor(plans.handle, p)).first;
  if (!found->second) return false;
  const Plan& plan = *found->second;
  if (plan.workspace && !plans.workspace) {
    plans.memory = &context.memory;
    plans.workspace = context.memory.allocate(kWorkspace, plans.capacity);
  }
  if (p.bias) set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  const float alpha = 1;
  check(cublasLtMatmul(plans.handle, plan.operation.raw, &alpha, p.b, plan.a.raw, p.a, plan.b.raw, &p.beta, p.c,
                       plan.c.raw, p.c, plan.c.raw, &plan.algorithm, plans.workspace, plan.workspace, context.stream),
        "running a product");
  return true;
}

}  // namespace gv::cuda
