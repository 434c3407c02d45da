// NVRTC, CUDA's compiler at run time, which cuDNN opens for the engines that it compiles.
#pragma once

namespace gv::cuda {

/**
 * Loads NVRTC from beside cuBLASLt, if it is there and not loaded. As Python wheels hold it, libnvrtc opens
 * libnvrtc-builtins by its bare name and would not find it.
 */
void loadNvrtc();

}  // namespace gv::cuda
