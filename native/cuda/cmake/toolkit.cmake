# Finds nvcc, cuBLASLt and cuDNN, each in the folders named by its variable, the toolkit, Python wheels, the system.

if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(nvcc nvcc HINTS "${CUDAToolkit_ROOT}/bin" ENV CUDAToolkit_ROOT ENV CUDA_PATH ENV CUDA_HOME
    PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(nvcc)
    set(CMAKE_CUDA_COMPILER "${nvcc}")
  endif()
endif()
set(CMAKE_CUDA_ARCHITECTURES "${GANVAS_CUDA_ARCHS}")
enable_language(CUDA)
find_package(CUDAToolkit 12.0 REQUIRED)

# ganvas_find(<PREFIX> HEADER <h> LIBRARY <names...> VARIABLES <names...> WHEEL <folders below nvidia/...>): sets
# <PREFIX>_LIBRARY and makes the target Ganvas::<PREFIX>.
function(ganvas_find prefix)
  cmake_parse_arguments(A "" "HEADER" "LIBRARY;VARIABLES;WHEEL" ${ARGN})
  set(hints "")
  foreach(variable IN LISTS A_VARIABLES)
    list(APPEND hints ${${variable}} $ENV{${variable}})
  endforeach()
  list(APPEND hints ${CUDAToolkit_LIBRARY_ROOT} ${CUDAToolkit_TARGET_DIR})
  foreach(wheel IN LISTS GANVAS_CUDA_WHEELS)
    foreach(folder IN LISTS A_WHEEL)
      list(APPEND hints "${wheel}/nvidia/${folder}")
    endforeach()
  endforeach()
  find_path(${prefix}_INCLUDE ${A_HEADER} HINTS ${hints} PATH_SUFFIXES include)
  find_library(${prefix}_LIBRARY NAMES ${A_LIBRARY} HINTS ${hints} PATH_SUFFIXES lib lib64 lib/x86_64-linux-gnu)
  if(NOT ${prefix}_INCLUDE OR NOT ${prefix}_LIBRARY)
    message(FATAL_ERROR "${A_HEADER} or its library was not found. Set one of ${A_VARIABLES} to the folder that holds "
      "include/ and lib/, or GANVAS_CUDA_WHEELS to the folder into which pip installed the wheels "
      "(pip install --target ~/.cache/ganvas-cuda-wheels nvidia-cublas nvidia-cudnn-cu13 nvidia-cuda-nvrtc)")
  endif()
  add_library(Ganvas::${prefix} SHARED IMPORTED GLOBAL)
  set_target_properties(Ganvas::${prefix} PROPERTIES IMPORTED_LOCATION "${${prefix}_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${${prefix}_INCLUDE}")
  message(STATUS "${prefix}: ${${prefix}_LIBRARY}")
endfunction()

set(major "${CUDAToolkit_VERSION_MAJOR}")
# The wheels hold versioned names only.
ganvas_find(CUBLASLT HEADER cublasLt.h LIBRARY cublasLt libcublasLt.so.${major} VARIABLES CUBLAS_ROOT CUDAToolkit_ROOT
  WHEEL cu${major} cublas)
ganvas_find(CUDNN HEADER cudnn.h LIBRARY cudnn libcudnn.so.9 VARIABLES CUDNN_ROOT CUDNN_PATH WHEEL cudnn)
