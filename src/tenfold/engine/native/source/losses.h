// Losses and their gradients, for a panel of outputs (outputs, PANEL): rows side by side, so that a vector holds the
// same output of several rows.
#pragma once

#include <string.h>

#include "functions.h"
#include "product.h"

namespace {

// What one vector of rows is held against: classes, or numbers.
template <typename T>
struct Aim {
    Mask<T> classes;
    Vector<T> numbers;
};

template <typename T>
ALWAYS_INLINE Mask<T> same(Mask<T> classes, int64_t number) {
    return classes == Mask<T>{} + typename VectorOf<T>::whole(number);
}

template <typename T>
ALWAYS_INLINE Vector<T> size_of(Vector<T> x) {
    return x < splat(T(0)) ? -x : x;
}

// -1, 0 or 1; of NaN 0, as torch's.
template <typename T>
ALWAYS_INLINE Vector<T> sign_of(Vector<T> x) {
    const Vector<T> one = splat(T(1)), nothing = splat(T(0));
    return x > nothing ? one : (x < nothing ? -one : nothing);
}

// Each loss: its value for a vector of rows, and its slope in each output, times `weight`, into `back`. output: `count`
// vectors, PANEL apart; numbers: of the rule, see rules/losses.py.

struct CrossEntropy {
    template <typename T>
    static ALWAYS_INLINE Vector<T> loss(const T* output, T* back, int64_t count, Aim<T> aim, Vector<T> weight,
                                        const T* numbers) {
        Vector<T> most = load(output), sum = splat(T(0)), mean = splat(T(0)), own = splat(T(0));
        for (int64_t c = 1; c < count; c++) {
            const Vector<T> z = load(output + c * PANEL<T>);
            most = z > most ? z : most;
        }
        for (int64_t c = 0; c < count; c++) {
            const Vector<T> z = load(output + c * PANEL<T>) - most, e = exponential<T>(z);
            store(back + c * PANEL<T>, e);
            sum += e;
            mean += z;
            own = same<T>(aim.classes, c) ? z : own;
        }
        const T smoothing = numbers[0], share = smoothing / T(count);
        const Vector<T> total = logarithm<T>(sum), scale = weight / sum;
        for (int64_t c = 0; c < count; c++) {
            const Vector<T> target = same<T>(aim.classes, c) ? splat(T(1) - smoothing + share) : splat(share);
            store(back + c * PANEL<T>, load(back + c * PANEL<T>) * scale - target * weight);
        }
        const Vector<T> plain = total - own;
        if (smoothing == T(0)) return plain;
        return splat(T(1) - smoothing) * plain + splat(smoothing) * (total - mean * splat(T(1) / T(count)));
    }
};

// numbers: the margin, and 1 for one against all, 0 for Weston and Watkins.
struct Hinge {
    template <typename T>
    static ALWAYS_INLINE Vector<T> loss(const T* output, T* back, int64_t count, Aim<T> aim, Vector<T> weight,
                                        const T* numbers) {
        const Vector<T> margin = splat(numbers[0]), nothing = splat(T(0));
        const bool against_all = numbers[1] != T(0);
        Vector<T> own = nothing, total = nothing, pushed = nothing;
        for (int64_t c = 0; c < count; c++) own = same<T>(aim.classes, c) ? load(output + c * PANEL<T>) : own;
        for (int64_t c = 0; c < count; c++) {
            const Mask<T> is_own = same<T>(aim.classes, c);
            const Vector<T> z = load(output + c * PANEL<T>);
            Vector<T> short_by = against_all ? margin + (is_own ? -z : z) : margin + z - own;
            const Mask<T> all = Mask<T>{} == Mask<T>{}, learns = against_all ? all : ~is_own;
            // as torch's clamp: at 0 its slope is 1; NaN stays, and its slope is 0
            const Vector<T> slope = (short_by >= nothing) & learns ? weight : nothing;
            short_by = ~(short_by < nothing) & learns ? short_by : nothing;
            total += short_by;
            pushed += slope;
            store(back + c * PANEL<T>, against_all ? (is_own ? -slope : slope) : slope);
        }
        if (!against_all)
            for (int64_t c = 0; c < count; c++) {
                const Vector<T> slope = load(back + c * PANEL<T>);
                store(back + c * PANEL<T>, same<T>(aim.classes, c) ? slope - pushed : slope);
            }
        return total;
    }
};

struct Squared {
    template <typename T>
    static ALWAYS_INLINE Vector<T> loss(const T* output, T* back, int64_t, Aim<T> aim, Vector<T> weight, const T*) {
        const Vector<T> error = load(output) - aim.numbers;
        store(back, splat(T(2)) * error * weight);
        return error * error;
    }
};

struct Absolute {
    template <typename T>
    static ALWAYS_INLINE Vector<T> loss(const T* output, T* back, int64_t, Aim<T> aim, Vector<T> weight, const T*) {
        const Vector<T> error = load(output) - aim.numbers;
        store(back, sign_of<T>(error) * weight);
        return size_of<T>(error);
    }
};

// numbers: delta.
struct Huber {
    template <typename T>
    static ALWAYS_INLINE Vector<T> loss(const T* output, T* back, int64_t, Aim<T> aim, Vector<T> weight,
                                        const T* numbers) {
        const Vector<T> delta = splat(numbers[0]), error = load(output) - aim.numbers, size = size_of<T>(error);
        const Vector<T> inside = size > delta ? delta : size;
        store(back, sign_of<T>(error) * inside * weight);
        return inside * (size - inside * splat(T(0.5)));
    }
};

struct Poisson {
    template <typename T>
    static ALWAYS_INLINE Vector<T> loss(const T* output, T* back, int64_t, Aim<T> aim, Vector<T> weight, const T*) {
        const Vector<T> z = load(output), rate = exponential<T>(z);
        store(back, (rate - aim.numbers) * weight);
        return rate - aim.numbers * z;
    }
};

#define LOSSES(USE)                      \
    USE(0, cross_entropy, CrossEntropy)  \
    USE(1, hinge, Hinge)                 \
    USE(2, squared, Squared)             \
    USE(3, absolute, Absolute)           \
    USE(4, huber, Huber)                 \
    USE(5, poisson, Poisson)

inline int loss_number(const char* name) {
#define USE(NUMBER, NAME, LOSS) \
    if (strcmp(name, #NAME) == 0) return NUMBER;
    LOSSES(USE)
#undef USE
    return -1;
}

}  // namespace
