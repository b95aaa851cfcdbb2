// What the benchmarks hold an update against: its matrix products alone, and what a core can multiply at most.
#pragma once

#include "network.h"

namespace {

// The products of `count` updates of a network on `batch` rows, forward and back, and nothing else.
template <typename T>
int measure_products(const Network& network, int64_t batch, int64_t count) {
    Memory memory;
    const Storage<T> storage(network, memory);
    const int64_t panels = (batch + PANEL<T> - 1) / PANEL<T>;
    int64_t widest = network.inputs;
    for (int64_t i = 0; i < network.operation_count; i++)
        widest = network.operations[i].out > widest ? network.operations[i].out : widest;
    const int64_t size = panels * PANEL<T> * widest;
    T *w = memory.take<T>(storage.count), *g = memory.take<T>(storage.count), *below = memory.take<T>(size),
      *above = memory.take<T>(size), *turned = memory.take<T>(panels * PANEL<T> * round_up(widest, PANEL<T>));
    if (memory.failed) return NO_MEMORY;
    for (int64_t n = 0; n < count; n++) {
        bool first = true;
        for (int64_t i = 0; i < network.operation_count; i++) {
            const Operation& op = network.operations[i];
            if (op.kind != DENSE) continue;
            const Place& place = storage.places[op.slot];
            const Dense<T> dense(place, op.in, op.out);
            const int64_t rows = place.flipped ? op.out : op.in, columns = place.flipped ? op.in : op.out;
            dense.forward(panels, w, nullptr, below, above);
            for (int64_t p = 0; p < panels; p++)
                transpose_panel(columns, (place.flipped ? below : above) + p * columns * PANEL<T>, p, panels, turned);
            gradient_product(rows, columns, panels, place.flipped ? above : below, rows * PANEL<T>, turned,
                             g + place.start, place.row, false);
            if (!first) dense.back(panels, w, above, below);
            first = false;
        }
    }
    return 0;
}

// `count` times twelve vectors multiplied and added, which nothing but the processor's units limits; gives the
// operations on numbers that were made.
template <typename T>
double measure_peak(int64_t count) {
    Vector<T> sum[12];
    for (int i = 0; i < 12; i++) sum[i] = splat(T(i));
    const Vector<T> factor = splat(T(0.999));
    for (int64_t n = 0; n < count; n++)
        for (int i = 0; i < 12; i++) sum[i] = sum[i] * factor + factor;
    T total = 0;
    for (int i = 0; i < 12; i++) total += sum_of<T>(sum[i]);
    return double(count) * 12 * 2 * WIDTH<T> + (total == T(-1));
}

}  // namespace
