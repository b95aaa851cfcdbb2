// Activations number by number: the value of a sum z, and the slope there, as the formulas in rules/activations/ have
// them under torch's gradients, at infinities and NaN too.
//
// A new one is a struct, a line in the table below it, and its name in `native` of its rule.
#pragma once

#include <string.h>

#include "functions.h"

namespace {

// Every struct: value(z, number), and slope(z, y, number) with y = value(z, number). `number` is the rule's own number
// (a slope, alpha); those that have none ignore it.

struct Identity {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return z;
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T>, Vector<T>, T) {
        return splat<T>(T(1));
    }
};

struct Sigmoid {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return sigmoid<T>(z);
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T>, Vector<T> y, T) {
        return y * (T(1) - y);
    }
};

struct Tanh {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return hyperbolic_tangent<T>(z);
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T>, Vector<T> y, T) {
        return T(1) - y * y;
    }
};

// At 0 the slope is 0; of NaN the value is NaN and the slope 1.
struct Relu {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return z <= T(0) ? Vector<T>{} : z;
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T>, T) {
        return z <= T(0) ? Vector<T>{} : splat<T>(T(1));
    }
};

// At 0 and of NaN the slope is the number.
struct LeakyRelu {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T number) {
        return z > T(0) ? z : z * number;
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T>, T number) {
        return z > T(0) ? splat<T>(T(1)) : splat<T>(number);
    }
};

// scale z to the right of 0, height (exp(z) - 1) to the left, where the slope is height exp(z) = y + height.
template <typename T>
ALWAYS_INLINE Vector<T> elu_value(Vector<T> z, T height, T scale) {
    return z > T(0) ? scale * z : height * exponential_minus_1_up_to_0<T>(at_most<T>(z, T(0)));
}

template <typename T>
ALWAYS_INLINE Vector<T> elu_slope(Vector<T> z, Vector<T> y, T height, T scale) {
    return z > T(0) ? splat<T>(scale) : y + height;
}

struct Elu {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T number) {
        return elu_value<T>(z, number, T(1));
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T> y, T number) {
        return elu_slope<T>(z, y, number, T(1));
    }
};

constexpr double SELU_ALPHA = 1.6732632423543772848170429916717;
constexpr double SELU_SCALE = 1.0507009873554804934193349852946;

struct Selu {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return elu_value<T>(z, T(SELU_SCALE * SELU_ALPHA), T(SELU_SCALE));
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T> y, T) {
        return elu_slope<T>(z, y, T(SELU_SCALE * SELU_ALPHA), T(SELU_SCALE));
    }
};

constexpr double ROOT_OF_HALF = 0.70710678118654752440;
constexpr double DENSITY_AT_0 = 0.39894228040143267794;  // 1 / sqrt(2 pi)

// z Phi(z); the slope is Phi(z) + z phi(z), whose density has the exponential that erf needs.
struct Gelu {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return z * (T(0.5) * (error_function<T>(z * T(ROOT_OF_HALF)) + T(1)));
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T>, T) {
        const Vector<T> power = exponential_up_to_60<T>(z * z * T(-0.5));
        const Vector<T> below = T(0.5) * (error_function_given<T>(z * T(ROOT_OF_HALF), power) + T(1));
        return below + z * (power * T(DENSITY_AT_0));
    }
};

constexpr double ROOT_TWO_OVER_PI = 0.79788456080286535588;
constexpr double GELU_CUBE = 0.044715;

// z (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (z + 0.044715 z^3).
struct GeluTanh {
    template <typename T>
    static ALWAYS_INLINE Vector<T> bend(Vector<T> z) {
        return hyperbolic_tangent<T>(T(ROOT_TWO_OVER_PI) * (z + T(GELU_CUBE) * (z * z * z)));
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return T(0.5) * z * (bend<T>(z) + T(1));
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T>, T) {
        const Vector<T> bent = bend<T>(z);
        const Vector<T> inner = T(ROOT_TWO_OVER_PI) * (T(3 * GELU_CUBE) * (z * z) + T(1));
        return T(0.5) * (bent + T(1)) + T(0.5) * z * (T(1) - bent * bent) * inner;
    }
};

// z s(z), s the sigmoid; the slope is s + z s (1 - s).
struct Silu {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        return z * sigmoid<T>(z);
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T> y, T) {
        const Vector<T> gate = sigmoid<T>(z);
        return gate + y * (T(1) - gate);
    }
};

// z tanh(ln(1 + exp(z))). With e = exp(z), tanh(ln(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2): to the right of 0 both are
// divided by e^2, so that only exp(-|z|) is needed, which cannot overflow.
struct Mish {
    template <typename T>
    struct Fraction {
        Vector<T> above, rest, power;  // tanh = above / (above + 2 rest)
    };
    template <typename T>
    static ALWAYS_INLINE Fraction<T> fraction(Vector<T> z) {
        const Vector<T> power = exponential_up_to_60<T>(-absolute<T>(z));
        const Mask<T> left = (Mask<T>)(z < T(0));
        return {left ? power * (power + T(2)) : T(2) * power + T(1), left ? splat<T>(T(1)) : power * power, power};
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        const Fraction<T> of = fraction<T>(z);
        return z * (of.above / (of.above + T(2) * of.rest));
    }
    // t + z s (1 - t^2), t the hyperbolic tangent and s the sigmoid; one division serves both.
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T>, T) {
        const Fraction<T> of = fraction<T>(z);
        const Vector<T> below = of.above + T(2) * of.rest;
        const Vector<T> below_gate = of.power + T(1);
        const Vector<T> inverse = T(1) / (below * below_gate);
        const Vector<T> tangent = of.above * (inverse * below_gate);
        const Vector<T> gate = (z < T(0) ? of.power : splat<T>(T(1))) * (inverse * below);
        const Vector<T> short_of_1 = T(2) * of.rest * (inverse * below_gate);
        return tangent + z * gate * (short_of_1 * (T(2) - short_of_1));
    }
};

// ln(1 + exp(z)); the slope is the sigmoid.
struct Softplus {
    template <typename T>
    static ALWAYS_INLINE Vector<T> value(Vector<T> z, T) {
        const Vector<T> right = z > T(0) ? z : Vector<T>{};
        return right + logarithm_1_plus_0_to_1<T>(exponential_up_to_60<T>(-absolute<T>(z)));
    }
    template <typename T>
    static ALWAYS_INLINE Vector<T> slope(Vector<T> z, Vector<T>, T) {
        return sigmoid<T>(z);
    }
};

// The names by which rules ask for them (`native` of a rule), and their structs.
#define ACTIVATIONS(each)           \
    each(identity, Identity)        \
    each(sigmoid, Sigmoid)          \
    each(tanh, Tanh)                \
    each(relu, Relu)                \
    each(leaky_relu, LeakyRelu)     \
    each(elu, Elu)                  \
    each(selu, Selu)                \
    each(gelu, Gelu)                \
    each(gelu_tanh, GeluTanh)       \
    each(silu, Silu)                \
    each(mish, Mish)                \
    each(softplus, Softplus)

// The number of an activation is its place in the table.
#define ACTIVATION_NUMBER(name, Struct) ACTIVATION_##name,
enum Activation : int { ACTIVATIONS(ACTIVATION_NUMBER) ACTIVATION_COUNT };
#undef ACTIVATION_NUMBER

#define ACTIVATION_NAME(name, Struct) #name,
constexpr const char* ACTIVATION_NAMES[] = {ACTIVATIONS(ACTIVATION_NAME)};
#undef ACTIVATION_NAME

// The number of a name; -1 for one that is not in the table.
inline int activation_number(const char* name) {
    for (int number = 0; number < ACTIVATION_COUNT; number++)
        if (strcmp(name, ACTIVATION_NAMES[number]) == 0) return number;
    return -1;
}

template <typename Struct, typename T>
inline void activate_each(const T* z, T* y, int64_t count, T number) {
    for (int64_t i = 0; i < count; i += WIDTH<T>) store<T>(y + i, Struct::template value<T>(load<T>(z + i), number));
}

template <typename Struct, typename T>
inline void activate_back_each(const T* z, const T* y, const T* dy, T* dz, int64_t count, T number) {
    for (int64_t i = 0; i < count; i += WIDTH<T>) {
        const Vector<T> slope = Struct::template slope<T>(load<T>(z + i), load<T>(y + i), number);
        store<T>(dz + i, load<T>(dy + i) * slope);
    }
}

// y <- f(z). `count` is a multiple of WIDTH<T> and the places are aligned as vectors are; y may be z.
template <typename T>
inline void activate(int activation, const T* z, T* y, int64_t count, T number) {
#define ACTIVATE(name, Struct) \
    case ACTIVATION_##name: return activate_each<Struct, T>(z, y, count, number);
    switch (activation) { ACTIVATIONS(ACTIVATE) }
#undef ACTIVATE
}

// dz <- dy f'(z), with y = f(z). As `activate`; dz may be dy.
template <typename T>
inline void activate_back(int activation, const T* z, const T* y, const T* dy, T* dz, int64_t count, T number) {
#define ACTIVATE_BACK(name, Struct) \
    case ACTIVATION_##name: return activate_back_each<Struct, T>(z, y, dy, dz, count, number);
    switch (activation) { ACTIVATIONS(ACTIVATE_BACK) }
#undef ACTIVATE_BACK
}

}  // namespace
