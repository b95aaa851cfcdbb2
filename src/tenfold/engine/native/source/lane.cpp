// What trains a lane. This file, with all that it includes, is compiled once for every level of the processor.
#include "checks.h"
#include "exports.h"

#ifndef LEVEL
#error "compile_lanes.py compiles this file with -DLEVEL=v2, v3, v4 or plain"
#endif

EXPORT int FOR_LEVEL(vector_bytes)(void) { return VECTOR_BYTES; }
