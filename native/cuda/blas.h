// Matrix products by cuBLASLt (blas.cpp). What it has no algorithm for is left to the caller (matmul.cu).
#pragma once
#include "../ops/activation.h"
#include "context.h"

namespace gv::cuda {

/** c = op(a) op(b), row-major: op(a) is [m, k], op(b) [k, n], c [m, n] dense, `batch` times at the given distances. */
struct Product {
  bool transA = false, transB = false;
  int64_t m = 0, n = 0, k = 0;
  const void *a = nullptr, *b = nullptr;
  void* c = nullptr;
  DType in = DType::F32, out = DType::F32;  // f32 or bf16; sums are f32
  int64_t batch = 1, strideA = 0, strideB = 0, strideC = 0;  // in elements; 0: the same for all
  int64_t ldc = 0;                                           // elements between rows of c; 0: n
  float beta = 0;                                            // c = product + beta c
  const float* bias = nullptr;                               // [n], added to every row
  bool relu = false;                                         // after the bias
  bool tf32 = false;
};

class Blas {
 public:
  Blas();
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /** Enqueues the product; false, and nothing done, where the library has no way to do it. */
  bool run(Context& context, const Product& product);

 private:
  struct Plans;
  std::unique_ptr<Plans> plans_;
};

/** The product by cuBLASLt, or by a kernel of our own where that has no algorithm (matmul.cu). */
void multiply(const Product& product);

}  // namespace gv::cuda
