// Decompositions of ops/linalg.h: on the host, on copies (ops/linalg_host.h). They wait for the device, so no graph may
// hold them (table.cpp). Covariances: linalg.cu.
#include "../ops/linalg.h"

#include <vector>

#include "../ops/linalg_host.h"
#include "call.h"

namespace gv::cuda {
namespace {

template <class T>
void copy(T* to, const T* from, size_t bytes, cudaMemcpyKind kind, const char* what) {
  const cudaStream_t stream = Context::current().stream;
  if (bytes) check(cudaMemcpyAsync(to, from, bytes, kind, stream), what);
  check(cudaStreamSynchronize(stream), "waiting for the device");
}

/** A tensor's elements in host memory. */
template <class T>
std::vector<T> download(const Tensor& t) {
  std::vector<T> host(t.bytes() / sizeof(T));
  copy(host.data(), t.data<T>(), t.bytes(), cudaMemcpyDeviceToHost, "copying from the device");
  return host;
}

/** Returns when `host` may go. */
template <class T>
void upload(const std::vector<T>& host, const Tensor& t) {
  copy(t.data<T>(), host.data(), t.bytes(), cudaMemcpyHostToDevice, "copying to the device");
}

}  // namespace

namespace run {

void eigh(const Call& call) {
  const size_t n = size_t(call.in[0].shape.last());
  const std::vector<float> x = download<float>(call.in[0]);
  std::vector<float> values(size_t(call.out[0].size())), vectors(x.size());
  for (size_t at = 0; at < x.size(); at += n * n)
    ops::eighOf(x.data() + at, int64_t(n), values.data() + at / n, vectors.data() + at);
  upload(values, call.out[0]);
  upload(vectors, call.out[1]);
}

void sqrtm(const Call& call) {
  const size_t n = size_t(call.in[0].shape.last());
  const std::vector<float> x = download<float>(call.in[0]);
  std::vector<float> y(x.size());
  for (size_t at = 0; at < x.size(); at += n * n) ops::sqrtmOf(x.data() + at, int64_t(n), y.data() + at);
  upload(y, call.out[0]);
}

void traceSqrtProduct(const Call& call) {
  const std::vector<double> a = download<double>(call.in[0]), b = download<double>(call.in[1]);
  upload(std::vector<double>{ops::traceSqrtProductOf(a.data(), b.data(), call.in[0].shape[0])}, call.out[0]);
}

}  // namespace run
}  // namespace gv::cuda
