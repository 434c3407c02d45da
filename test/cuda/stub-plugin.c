/* Plugins that must not be used, or whose device does not open; for loader.test.ts.
     NO_ENTRY       set: does not export the entry point
     NO_TABLE       set: its entry point gives nothing
     ABI            the interface that it claims to have; default: the right one
     SIZE           bytes of its table; default: as many as it has
     OPS            1: an op has another name; 2: the last one is missing; 3: there is one more
     NEEDS_VENDOR   set: calls a function of a library that it is linked with
     PROBE, OPEN    what these fail with; default: they succeed */
#include <string.h>

#include "../../native/engine/plugin_abi.h"

#ifndef ABI
#define ABI GANVAS_PLUGIN_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(gv_plugin)
#endif
#ifndef OPS
#define OPS 0
#endif

static int failWith(gv_error* error, const char* message) {
  if (!message) return 0;
  strcpy(error->code, "ERR_CUDA_UNAVAILABLE");
  strcpy(error->message, message);
  return 1;
}

#ifndef PROBE
#define PROBE 0
#endif
static int probe(int32_t device, gv_device_info* info, gv_error* error) {
  (void)device;
  memset(info, 0, sizeof *info);
  strcpy(info->name, "stand-in");
  info->count = 1;
  return failWith(error, PROBE);
}

#ifndef OPEN
#define OPEN 0
#endif
static int openDevice(int32_t device, const gv_host* host, gv_context** context, gv_error* error) {
  (void)device, (void)host, (void)context;
  return failWith(error, OPEN);
}

#ifdef NEEDS_VENDOR
int vendorFunction(void);
int callsIt(void) { return vendorFunction(); }
#endif

#define GV_OP(name, Rule) #name,
#define GV_OP_TYPED(name, Rule) #name,
static const char* names[] = {
#include "../../native/ops/ops.def"
#if OPS == 3
    "oneMore",
#endif
    0,
};

#ifdef NO_ENTRY
int somethingElse(void) { return probe(0, 0, 0) + openDevice(0, 0, 0, 0) + (names[0] != 0); }
#else
const gv_plugin* ganvas_plugin_entry(uint32_t abi) {
  static gv_plugin plugin;
  (void)abi;
#ifdef NO_TABLE
  return 0;
#endif
  plugin.size = SIZE;
  plugin.abi = ABI;
  plugin.name = plugin.build = "stand-in";
  if (OPS == 1) names[1] = "other";
  if (OPS == 2) names[sizeof names / sizeof *names - 2] = 0;
  plugin.ops = names;
  plugin.probe = probe;
  plugin.open = openDevice;
  return &plugin;
}
#endif
