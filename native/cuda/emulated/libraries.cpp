// cuBLASLt and cuDNN on the emulated device: they have no algorithm for anything, so all products and convolutions go
// through the kernels of our own.
#include "../blas.h"
#include "../conv_library.h"

namespace gv::cuda {

struct Blas::Plans {};
Blas::Blas() = default;
Blas::~Blas() = default;
bool Blas::run(Context&, const Product&) { return false; }

struct Convolutions::Plans {};
Convolutions::Convolutions(Context&) {}
Convolutions::~Convolutions() = default;
bool Convolutions::run(const Convolution&, const void*, const void*, void*, const Finish*) { return false; }

std::string libraryVersions() { return "none: emulated on the host for tests"; }

}  // namespace gv::cuda
