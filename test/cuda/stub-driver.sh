#!/bin/sh
# Makes a stand-in for CUDA's driver, libcuda.so.1, in a folder: every function that cuda.h names is there and answers
# CUDA_ERROR_STUB_LIBRARY (34), as the libraries in a toolkit's lib/stubs do. With it cuDNN builds and compiles the plans
# that it otherwise refuses without a driver, up to loading a kernel.
#
#   test/cuda/stub-driver.sh /usr/local/cuda/include/cuda.h FOLDER
set -eu
header=$1
folder=$2
functions='(CUDAAPI +|#define +cu[A-Za-z0-9_]+ +(__CUDA_API_[A-Z_]+\()?)cu[A-Z][A-Za-z0-9_]*'
names=$(tr '\n' ' ' < "$header" | grep -oE "$functions" | grep -oE 'cu[A-Z][A-Za-z0-9_]*$' | sort -u)
[ -n "$names" ] || { echo "no functions in $header" >&2; exit 1; }
mkdir -p "$folder"
{
  for name in $names; do
    echo "$name"
    # The entry points of other versions, which libraries ask for by name.
    case $name in
      *_v[0-9] | *_pt[sd][sz]) ;;
      *) for suffix in v2 v3 ptsz v2_ptsz ptds v2_ptds; do echo "${name}_$suffix"; done ;;
    esac
  done
} | sort -u | sed 's/.*/int &(void) { return 34; }/' > "$folder/stub.c"
${CC:-cc} -shared -fPIC -w -o "$folder/libcuda.so.1" "$folder/stub.c"
