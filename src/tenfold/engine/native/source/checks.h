// What only the tests call: functions and activations over numbers, as the lanes compute them.
#pragma once

#include "activations.h"
#include "exports.h"

namespace {

#define FUNCTIONS(each)                \
    each(exponential)                  \
    each(exponential_up_to_60)         \
    each(exponential_minus_1)          \
    each(exponential_minus_1_up_to_0)  \
    each(logarithm)                    \
    each(logarithm_1_plus)             \
    each(logarithm_1_plus_0_to_1)      \
    each(hyperbolic_tangent)           \
    each(sigmoid)                      \
    each(error_function)

template <typename T>
inline int apply_function(const char* name, const T* x, T* out, int64_t count) {
#define APPLY(function)                                                                               \
    if (strcmp(name, #function) == 0) {                                                               \
        for (int64_t i = 0; i < count; i += WIDTH<T>) store<T>(out + i, function<T>(load<T>(x + i))); \
        return 1;                                                                                     \
    }
    FUNCTIONS(APPLY)
#undef APPLY
    return 0;
}

}  // namespace

// out <- function(x); 1, or 0 if there is none of that name. For this and the next two, arrays are as `activate` in
// activations.h asks for.
EXPORT int FOR_LEVEL(function)(const char* name, int is_double, const void* x, void* out, int64_t count) {
    return is_double ? apply_function(name, (const double*)x, (double*)out, count)
                     : apply_function(name, (const float*)x, (float*)out, count);
}

// y <- f(z), f by its number.
EXPORT void FOR_LEVEL(activate)(int activation, int is_double, const void* z, void* y, int64_t count, double number) {
    if (is_double)
        activate(activation, (const double*)z, (double*)y, count, number);
    else
        activate(activation, (const float*)z, (float*)y, count, (float)number);
}

// dz <- dy f'(z).
EXPORT void FOR_LEVEL(activate_back)(int activation, int is_double, const void* z, const void* y, const void* dy,
                                     void* dz, int64_t count, double number) {
    if (is_double)
        activate_back(activation, (const double*)z, (const double*)y, (const double*)dy, (double*)dz, count, number);
    else
        activate_back(activation, (const float*)z, (const float*)y, (const float*)dy, (float*)dz, count, (float)number);
}

// The name of an activation in the table; null behind its end.
EXPORT const char* FOR_LEVEL(activation_name)(int number) {
    return number >= 0 && number < ACTIVATION_COUNT ? ACTIVATION_NAMES[number] : nullptr;
}
