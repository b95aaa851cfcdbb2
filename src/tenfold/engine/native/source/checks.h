// What only the tests call: functions, activations and losses over numbers, as the lanes compute them, and the names in
// their tables.
#pragma once

#include "activations.h"
#include "exports.h"
#include "losses.h"
#include "optimizers.h"
#include "rows.h"

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
    each(error_function)               \
    each(part_of_a_turn)               \
    each(sine_of_a_turn)               \
    each(cosine_of_a_turn)

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

// Losses of rows and the gradient of their weighted sum. output, back: panels (outputs, PANEL);
// target: of row i at i.
template <typename LOSS, typename T>
inline void apply_loss(const T* output, T* back, int64_t outputs, const Target& target, const int64_t* rows,
                       int64_t count, const T* weight, const double* of_rule, T* losses) {
    const T numbers[2] = {T(of_rule[0]), T(of_rule[1])};
    for (int64_t first = 0; first < count; first += WIDTH<T>) {
        const int64_t at = first / PANEL<T> * outputs * PANEL<T> + first % PANEL<T>;
        const Aim<T> aim = aim_of<T>(target, rows, first, count);
        const Vector<T> share = load(weight + first);
        store(losses + first, LOSS::template loss<T>(output + at, back + at, outputs, aim, share, numbers));
    }
}

template <typename T>
inline void apply_loss_number(int64_t loss, const T* output, T* back, int64_t outputs, const Target& target,
                              const int64_t* rows, int64_t count, const T* weight, const double* numbers, T* losses) {
    switch (loss) {
#define USE(NUMBER, NAME, LOSS) \
    case NUMBER:                \
        return apply_loss<LOSS, T>(output, back, outputs, target, rows, count, weight, numbers, losses);
        LOSSES(USE)
#undef USE
    }
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

// The names of losses and of families of optimizers, as `activation_name`.
EXPORT const char* FOR_LEVEL(loss_name)(int number) {
#define USE(NUMBER, NAME, LOSS) \
    if (number == NUMBER) return #NAME;
    LOSSES(USE)
#undef USE
    return nullptr;
}

EXPORT const char* FOR_LEVEL(family_name)(int number) {
    return number >= 0 && number < FAMILY_COUNT ? FAMILY_NAMES[number] : nullptr;
}

// losses (rows,) <- a loss, and back <- the gradient of their sum, each times its weight; see `apply_loss`.
EXPORT void FOR_LEVEL(lose)(int loss, int is_double, const void* output, void* back, int64_t outputs,
                            const Target* target, const int64_t* rows, int64_t count, const void* weight,
                            const double* numbers, void* losses) {
    if (is_double)
        apply_loss_number(loss, (const double*)output, (double*)back, outputs, *target, rows, count,
                          (const double*)weight, numbers, (double*)losses);
    else
        apply_loss_number(loss, (const float*)output, (float*)back, outputs, *target, rows, count, (const float*)weight,
                          numbers, (float*)losses);
}
