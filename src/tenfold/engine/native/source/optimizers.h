// What is done with the gradient of a lane: penalties, clipping, the families of optimizers, norms and averages.
//
// Plain loops over all parameters: compilers make vectors of them. What pads a parameter is 0 and has no gradient.
#pragma once

#include <math.h>
#include <string.h>

#include "interface.h"
#include "product.h"

namespace {

enum Family { SHARED = 0, AMSGRAD = 1, ADADELTA = 2, LION = 3 };

constexpr const char* FAMILY_NAMES[] = {"shared", "amsgrad", "adadelta", "lion"};
constexpr int FAMILY_COUNT = sizeof FAMILY_NAMES / sizeof FAMILY_NAMES[0];

inline int family_number(const char* name) {
    for (int i = 0; i < FAMILY_COUNT; i++)
        if (strcmp(name, FAMILY_NAMES[i]) == 0) return i;
    return -1;
}

constexpr int64_t COEFFICIENTS = 11;  // of an update

// The numbers of one update; see `Coefficients` in rules/optimizers/base.py, and `coefficient_table`.
template <typename T>
struct Numbers {
    T a, b, c, d, e, f, eps, inside, s, decay, l2;

    explicit Numbers(const double* row)
        : a(T(row[0])), b(T(row[1])), c(T(row[2])), d(T(row[3])), e(T(row[4])), f(T(row[5])), eps(T(row[6])),
          inside(T(row[7])), s(T(row[8])), decay(T(row[9])), l2(T(row[10])) {}
};

// Rows of `count` numbers, a multiple of WIDTH; m, v, u may be null.
template <typename T>
struct Parameters {
    T *w, *g, *m, *v, *u;
    int64_t count;
};

// m <- a m + b g; v <- c v + d g^2; w <- w - (e m + f g) / (sqrt(v + inside) + eps)
template <typename T, bool FIRST, bool SECOND>
void shared_update(const Parameters<T>& p, const Numbers<T> k) {
    T *__restrict w = p.w, *__restrict m = p.m, *__restrict v = p.v;
    const T* __restrict g = p.g;
    // what is not a number must not come in through a part of the sum that has no share in it
    const bool plain = k.f != T(0), old = k.e != T(0);
    for (int64_t i = 0; i < p.count; i++) {
        T step;
        if constexpr (FIRST) {
            m[i] = k.a * m[i] + k.b * g[i];
            step = (old ? k.e * m[i] : T(0)) + (plain ? k.f * g[i] : T(0));
        } else {
            step = k.f * g[i];
        }
        if constexpr (SECOND) {
            v[i] = k.c * v[i] + k.d * g[i] * g[i];
            step /= root(v[i] + k.inside) + k.eps;
        }
        w[i] -= step;
    }
}

// As the shared update, divided by the root of the largest s v so far.
template <typename T>
void amsgrad_update(const Parameters<T>& p, const Numbers<T> k) {
    T *__restrict w = p.w, *__restrict m = p.m, *__restrict v = p.v, *__restrict u = p.u;
    const T* __restrict g = p.g;
    const bool plain = k.f != T(0);
    for (int64_t i = 0; i < p.count; i++) {
        m[i] = k.a * m[i] + k.b * g[i];
        v[i] = k.c * v[i] + k.d * g[i] * g[i];
        const T largest = k.s * v[i], step = k.e * m[i] + (plain ? k.f * g[i] : T(0));
        u[i] = u[i] > largest ? u[i] : largest;
        w[i] -= step / (root(u[i] + k.inside) + k.eps);
    }
}

// v <- c v + d g^2; x = g sqrt(u + inside) / sqrt(v + inside); u <- c u + d x^2; w <- w - f x
template <typename T>
void adadelta_update(const Parameters<T>& p, const Numbers<T> k) {
    T *__restrict w = p.w, *__restrict v = p.v, *__restrict u = p.u;
    const T* __restrict g = p.g;
    for (int64_t i = 0; i < p.count; i++) {
        v[i] = k.c * v[i] + k.d * g[i] * g[i];
        const T x = g[i] / root(v[i] + k.inside) * root(u[i] + k.inside);
        u[i] = k.c * u[i] + k.d * x * x;
        w[i] -= k.f * x;
    }
}

// w <- w - s sign(e m + f g); m <- a m + b g. What is not a number shows in w too, whose sign would be 0.
template <typename T>
void lion_update(const Parameters<T>& p, const Numbers<T> k) {
    T *__restrict w = p.w, *__restrict m = p.m;
    const T* __restrict g = p.g;
    for (int64_t i = 0; i < p.count; i++) {
        const T lean = k.e * m[i] + k.f * g[i];
        m[i] = k.a * m[i] + k.b * g[i];
        const T sign = T(lean > T(0)) - T(lean < T(0));
        w[i] = w[i] - k.s * sign + T(0) * m[i];
    }
}

template <typename T>
void update(int64_t family, const Parameters<T>& p, const Numbers<T>& k) {
    switch (family) {
        case AMSGRAD:
            return amsgrad_update(p, k);
        case ADADELTA:
            return adadelta_update(p, k);
        case LION:
            return lion_update(p, k);
        default:
            if (p.m && p.v) return shared_update<T, true, true>(p, k);
            if (p.m) return shared_update<T, true, false>(p, k);
            if (p.v) return shared_update<T, false, true>(p, k);
            return shared_update<T, false, false>(p, k);
    }
}

// The numbers of a family for steps that are `factor` times as large. Of lion e and f stand inside a sign; of amsgrad s
// stands in v.
template <typename T>
Numbers<T> times(int64_t family, Numbers<T> k, T factor) {
    if (family == LION) {
        k.s *= factor;
    } else {
        k.e *= factor;
        k.f *= factor;
    }
    return k;
}

template <typename T>
void clip_values(T* g, int64_t count, T limit) {
    for (int64_t i = 0; i < count; i++) g[i] = g[i] > limit ? limit : (g[i] < -limit ? -limit : g[i]);
}

template <typename T>
T squares(const T* x, int64_t count) {
    Vector<T> sum = splat(T(0));
    for (int64_t i = 0; i < count; i += WIDTH<T>) sum += load(x + i) * load(x + i);
    return sum_of<T>(sum);
}

// g <- g min(1, limit / (|g| + 1e-6))
template <typename T>
void clip_norm(T* g, int64_t count, T limit) {
    const T factor = limit / (root(squares(g, count)) + T(1e-6));
    const T at_most = factor > T(1) ? T(1) : factor;
    for (int64_t i = 0; i < count; i++) g[i] *= at_most;
}

// g <- g + l2 w + l1 sign(w); w <- w - decay w
template <typename T>
void penalize(T* w, T* g, int64_t count, T l2, T l1, T decay) {
    if (l2 != T(0))
        for (int64_t i = 0; i < count; i++) g[i] += l2 * w[i];
    if (l1 != T(0))
        for (int64_t i = 0; i < count; i++) g[i] += l1 * (T(w[i] > T(0)) - T(w[i] < T(0)));
    if (decay != T(0))
        for (int64_t i = 0; i < count; i++) w[i] -= decay * w[i];
}

// average <- decay average + (1 - decay) w
template <typename T>
void move_average(T* average, const T* w, int64_t count, T decay) {
    for (int64_t i = 0; i < count; i++) average[i] = decay * average[i] + (T(1) - decay) * w[i];
}

}  // namespace
