// What the tests call: one function or activation over numbers, at the level that this file is compiled for.
#pragma once

#include <string.h>

#include "activations.h"

// tenfold_NAME_LEVEL, visible from outside the library.
#ifndef EXPORTED
#define JOINED_NAME(name, level) tenfold_##name##_##level
#define LEVEL_NAME(name, level) JOINED_NAME(name, level)
#define EXPORTED(name) extern "C" __attribute__((visibility("default"))) LEVEL_NAME(name, LEVEL)
#endif

namespace {

#define FUNCTIONS(each)                              \
    each(exponential)                                \
    each(exponential_up_to_60)                       \
    each(exponential_minus_1)                        \
    each(exponential_minus_1_up_to_0)                \
    each(logarithm)                                  \
    each(logarithm_1_plus)                           \
    each(hyperbolic_tangent)                         \
    each(sigmoid)                                    \
    each(error_function)

// Whether there is a function of this name; if so, out <- function(x).
template <typename T>
inline int check_function(const char* name, const T* x, T* out, int64_t count) {
#define CHECK_FUNCTION(function)                                                                     \
    if (strcmp(name, #function) == 0) {                                                              \
        for (int64_t i = 0; i < count; i += WIDTH<T>) store<T>(out + i, function<T>(load<T>(x + i))); \
        return 1;                                                                                    \
    }
    FUNCTIONS(CHECK_FUNCTION)
#undef CHECK_FUNCTION
    return 0;
}

}  // namespace
