/* What the addon and a device plugin say to each other. Plain C, because they may come from different compilers; no
   exceptions, no C++ types. A plugin exports one function, ganvas_plugin_entry, which hands its table out. All entries
   but `probe` and `open` are called on the thread of the device's stream, except where a comment says otherwise.
   Functions return 0, or not 0 with the error filled in. */
#ifndef GANVAS_PLUGIN_ABI_H
#define GANVAS_PLUGIN_ABI_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANVAS_PLUGIN_ABI 1 /* changes with anything below */
#define GANVAS_PLUGIN_ENTRY "ganvas_plugin_entry"

typedef struct {
  char code[32]; /* one of the ERR_* strings of src/errors.ts */
  char message[2016];
} gv_error;

typedef struct {
  void* data; /* on the device */
  int32_t dtype, rank;
  int64_t dims[8];
} gv_tensor;

/* One elementwise op of a chain (engine/chain.h). */
typedef struct {
  int32_t op, dtype, operands, attributes;
  int32_t inside[3], index[3]; /* operand: the result of link `index`, or input `index` of the call */
  const double* attribute;
} gv_link;

typedef struct {
  int32_t op; /* number in ops.def; -1: a chain */
  int32_t inputs, outputs, attributes, links;
  const gv_tensor *input, *output;
  const double* attribute;
  const gv_link* link;
} gv_call;

typedef struct {
  char name[256];
  char libraries[512]; /* the versions in use, for people */
  int32_t count, driver, runtime, major, minor, processors;
  uint64_t memory;
} gv_device_info;

/* What the addon gives: memory from its pool of the device. */
typedef struct {
  void* pool;
  void* (*allocate)(void* pool, size_t bytes, size_t* capacity, gv_error* error); /* NULL: see the error */
  void (*free)(void* pool, void* data, size_t capacity);
} gv_host;

typedef struct gv_context gv_context;
typedef struct gv_graph gv_graph;

typedef struct {
  uint32_t size, abi;
  const char* name;
  const char* build;      /* what it was built with, for people */
  const char* const* ops; /* names by number, NULL at the end */

  /* Any thread. Works without a device: then it is an error that says why. */
  int (*probe)(int32_t device, gv_device_info* info, gv_error* error);
  int (*open)(int32_t device, const gv_host* host, gv_context** context, gv_error* error);

  /* Any thread. */
  int (*allocate)(gv_context*, size_t bytes, void** data, gv_error* error); /* data NULL: there is no more */
  void (*release)(gv_context*, void* data);
  /* Memory that the device reads without a copy of the driver's; given back with unstage, which may
     come before a copy from it is done. */
  int (*stage)(gv_context*, size_t bytes, void** host, gv_error* error);
  void (*unstage)(gv_context*, void* host);

  /* In the order of the stream; upload and copy return before they are done, download after. */
  int (*upload)(gv_context*, void* to, void* staged, size_t bytes, gv_error* error); /* unstage it afterwards */
  int (*download)(gv_context*, void* to, const void* from, size_t bytes, gv_error* error);
  int (*copy)(gv_context*, void* to, const void* from, size_t bytes, gv_error* error);
  int (*run)(gv_context*, const gv_call* call, gv_error* error);
  int (*wait)(gv_context*, gv_error* error); /* until all of it is done; the place where late errors appear */

  /* A graph holds what is run between the two; launching it runs that again on the same addresses. */
  int (*graphable)(gv_context*, const gv_call* call); /* 1: may be part of one */
  int (*beginGraph)(gv_context*, gv_error* error);
  int (*endGraph)(gv_context*, gv_graph** graph, gv_error* error); /* graph NULL: thrown away */
  int (*launch)(gv_context*, gv_graph* graph, gv_error* error);
  void (*freeGraph)(gv_context*, gv_graph* graph);

  /* Any thread: whether f32 products may use TF32. */
  void (*allowTF32)(gv_context*, int32_t matmul);
} gv_plugin;

typedef const gv_plugin* (*gv_plugin_entry)(uint32_t abi);

#ifdef __cplusplus
}
#endif
#endif
