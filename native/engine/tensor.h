// What the engine knows of a tensor: shape, dtype and a reference-counted storage. No gradients, no JavaScript.
// A storage's memory is taken when the command that writes it runs and returned when the last reference goes, so
// a tensor that JavaScript disposes right after enqueuing its last use is freed as soon as that use has run. A program
// lends its storages memory instead (see program.h): then `capacity` stays 0 and nothing is returned.
#pragma once
#include <memory>
#include <vector>

#include "dtype.h"
#include "memory.h"
#include "shape.h"

namespace gv {

struct Storage {
  Storage(Memory& m, size_t n) : memory(m), bytes(n) {}
  ~Storage() {
    if (capacity) memory.free(data, capacity);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void materialise() {
    if (!data && bytes) data = memory.allocate(bytes, capacity);
  }

  Memory& memory;
  const size_t bytes;
  void* data = nullptr;
  size_t capacity = 0;
  // Set when the command that should have written this storage failed; readers fail with the same error.
  std::shared_ptr<const Error> poison;
  // What was uploaded into it while a program was being recorded, so that two recordings can be compared.
  std::shared_ptr<const std::vector<char>> uploaded;
};

struct Tensor {
  Shape shape;
  DType dtype = DType::F32;
  std::shared_ptr<Storage> storage;

  int64_t size() const { return shape.size(); }
  DeviceId device() const { return storage->memory.device; }
  size_t bytes() const { return size_t(shape.size()) * itemSize(dtype); }
  template <class T> T* data() const { return static_cast<T*>(storage->data); }
};

}  // namespace gv
