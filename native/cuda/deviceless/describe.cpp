// Prints how cuDNN describes the GPU at hand, as JSON: what test/cuda/h100.json stands in for on machines without one.
// scripts/gpu-check.ts compiles and runs it.
#include <cudnn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char text[512] = "";
  cudnnGetLastErrorString(text, sizeof text);
  std::fprintf(stderr, "%s: %s %s\n", what, cudnnGetErrorString(status), text);
  std::exit(1);
}

}  // namespace

int main() {
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "starting cuDNN");
  cudnnBackendDescriptor_t device = nullptr;
  check(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device), "making a descriptor");
  check(cudnnBackendSetAttribute(device, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle), "naming the device");
  check(cudnnBackendFinalize(device), "describing the device");
  int64_t length = 0;
  const auto json = CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION;
  check(cudnnBackendGetAttribute(device, json, CUDNN_TYPE_CHAR, 0, &length, nullptr), "asking for the length");
  std::string text(size_t(length), '\0');
  check(cudnnBackendGetAttribute(device, json, CUDNN_TYPE_CHAR, length, &length, text.data()), "reading the description");
  std::puts(text.c_str());
  cudnnBackendDestroyDescriptor(device);
  cudnnDestroy(handle);
  return 0;
}
