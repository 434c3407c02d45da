/* A stand-in for NVIDIA's driver, libcuda.so.1: says what the macros say. For loader.test.ts.
     INIT      what cuInit returns (CUresult)
     VERSION   13000 for CUDA 13.0
     DEVICES   how many there are
     FOREIGN   set: none of the driver's functions is there */
#ifndef INIT
#define INIT 0
#endif
#ifndef VERSION
#define VERSION 13000
#endif
#ifndef DEVICES
#define DEVICES 1
#endif

#ifdef FOREIGN
int somethingElse(void) { return 0; }
#else
int cuInit(unsigned flags) { return flags == 0 ? INIT : 1; }
int cuDriverGetVersion(int* version) {
  *version = VERSION;
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = DEVICES;
  return 0;
}
#endif
