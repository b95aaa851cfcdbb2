// What the outputs of several views of a row come to: the same as rules/views.py.
#pragma once

#include "functions.h"
#include "product.h"

namespace {

enum ViewMean { MEAN_OF_NUMBERS = 0, MEAN_OF_PROBABILITIES = 1, MEAN_OF_RATES = 2 };

// log(mean over `count` numbers, `step` apart, of exp(x)), for a vector of rows.
template <typename T>
ALWAYS_INLINE Vector<T> logarithm_of_mean(const T* x, int64_t count, int64_t step) {
    Vector<T> most = load(x), sum = splat(T(0));
    for (int64_t i = 1; i < count; i++) {
        const Vector<T> z = load(x + i * step);
        most = z > most ? z : most;
    }
    for (int64_t i = 0; i < count; i++) sum += exponential<T>(load(x + i * step) - most);
    return most + logarithm<T>(sum * splat(T(1) / T(count)));
}

// One panel: to (units, PANEL) <- what `all` (views, units, PANEL), which is used up, comes to.
template <typename T>
void view_mean(ViewMean mean, int64_t views, int64_t units, T* all, T* to) {
    const int64_t view = units * PANEL<T>;
    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
        if (mean == MEAN_OF_PROBABILITIES)
            for (int64_t j = 0; j < views; j++) {
                T* own = all + j * view + k;
                const Vector<T> total = logarithm_of_mean(own, units, PANEL<T>) + splat(T(__builtin_log(double(units))));
                for (int64_t u = 0; u < units; u++) store(own + u * PANEL<T>, load(own + u * PANEL<T>) - total);
            }
        for (int64_t u = 0; u < units; u++) {
            const T* own = all + u * PANEL<T> + k;
            Vector<T> sum = splat(T(0));
            for (int64_t j = 0; j < views; j++) sum += load(own + j * view);
            store(to + u * PANEL<T> + k, mean == MEAN_OF_NUMBERS ? sum * splat(T(1) / T(views))
                                                                 : logarithm_of_mean(own, views, view));
        }
    }
}

}  // namespace
