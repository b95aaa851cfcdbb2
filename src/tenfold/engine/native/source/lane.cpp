// The training of one lane, and the predictions of one network: what Python calls. This file, with all that it includes,
// is compiled once for every level of the processor.
#include "checks.h"
#include "exports.h"
#include "interface.h"
#include "losses.h"
#include "measures.h"
#include "network.h"
#include "optimizers.h"
#include "rows.h"

#ifndef LEVEL
#error "compile_lanes.py compiles this file with -DLEVEL=v2, v3, v4 or plain"
#endif

namespace {

// Numbers below the smallest normal one count as 0 while this lives, as they do in the threads that train packs: they
// carry no information, and a processor is slow at them.
class NoSmallNumbers {
public:
    NoSmallNumbers() {
#if defined(__x86_64__)
        before = __builtin_ia32_stmxcsr();
        __builtin_ia32_ldmxcsr(before | 0x8040);
#elif defined(__aarch64__)
        __asm__ volatile("mrs %0, fpcr" : "=r"(before));
        __asm__ volatile("msr fpcr, %0" : : "r"(before | (uint64_t(1) << 24)));
#endif
    }

    ~NoSmallNumbers() {
#if defined(__x86_64__)
        __builtin_ia32_ldmxcsr(before);
#elif defined(__aarch64__)
        __asm__ volatile("msr fpcr, %0" : : "r"(before));
#endif
    }

private:
#if defined(__x86_64__)
    unsigned int before;
#else
    uint64_t before;
#endif
};

// Panels that are evaluated at a time, at least.
constexpr int64_t EVALUATED = 4;

template <typename T>
void write_outputs(const Flow<T>& flow, int64_t outputs, int64_t count, T* to) {
    const T* out = flow.output();
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < outputs; c++)
            to[r * outputs + c] = out[(r / PANEL<T> * outputs + c) * PANEL<T> + r % PANEL<T>];
}

// Outputs of these rows (null: 0, 1, ...) in evaluation mode. Returns false if it was stopped.
template <typename T>
bool predict_rows(const Network& network, Flow<T>& flow, Rows<T>& source, int64_t capacity, const T* w, const T* moments,
                  const int64_t* rows, int64_t count, T* to, const Order& order) {
    int64_t plain[PANEL<T>];
    const int64_t input = network.inputs * PANEL<T>;
    for (int64_t first = 0; first < count; first += capacity * PANEL<T>) {
        const int64_t some = count - first < capacity * PANEL<T> ? count - first : capacity * PANEL<T>;
        const int64_t panels = (some + PANEL<T> - 1) / PANEL<T>;
        for (int64_t p = 0; p < panels && !order.stopped(); p++) {
            const int64_t begin = first + p * PANEL<T>, left = count - begin < PANEL<T> ? count - begin : PANEL<T>;
            for (int64_t i = 0; !rows && i < left; i++) plain[i] = begin + i;
            source.panel(rows ? rows + begin : plain, left, flow.input() + p * input);
        }
        if (!flow.forward(w, moments, panels, nullptr)) return false;
        write_outputs(flow, network.outputs, some, to + first * network.outputs);
    }
    return true;
}

template <typename T>
class LaneTraining {
public:
    explicit LaneTraining(const Training& of)
        : training(of), network(of.network), order{of.stop}, storage(network, memory), panels(of.batch / PANEL<T>),
          capacity(panels > EVALUATED ? panels : EVALUATED), flow(network, storage, capacity, true, order, memory),
          source(of.source, network.inputs, memory) {
        w = row(of.w);
        g = memory.take<T>(storage.count);
        m = row(of.first_moment);
        v = row(of.second_moment);
        u = row(of.third_moment);
        average = row(of.average);
        shown = memory.take<T>(storage.count);
        weight = memory.take<T>(of.batch);
        moments = memory.take<T>(network.moment_total + 1);
        int64_t draws = 0, most = 0;
        for (int64_t i = 0; i < network.operation_count; i++) {
            const Operation& op = network.operations[i];
            draws += op.kind == DROPOUT;
            most = op.kind == DROPOUT && op.stored > most ? op.stored : most;
        }
        uniform = memory.take<Uniform>(draws + 1);
        drawn = memory.take<float>(most + 1);
        rows_of_factors = memory.take<T>(PANEL<T> * round_up(most, WIDTH<T>) + 1);
        if (memory.failed) return;
        if (of.moments) memcpy(moments, of.moments, size_t(network.moment_total) * sizeof(T));
    }

    // Returns how many updates were made; STOPPED, and then the lane's state is as it was before; or NO_MEMORY.
    int64_t run() {
        if (memory.failed) return NO_MEMORY;
        int64_t made = training.first;
        double loss_sum = *training.loss_sum;
        for (; made < training.last && (*training.bad < 0 || *training.bad == made); made++) {
            const int64_t step = made % training.per_epoch;
            if (training.phases & GRADIENT) {
                double loss;
                if (!differentiate(made, loss)) return STOPPED;
                if (step == 0) loss_sum = 0;
                loss_sum += loss;
                if (training.losses) training.losses[made - training.first] = loss;
                if (!isfinite(loss) && *training.bad < 0) *training.bad = made;
            } else {
                storage.read((const T*)training.gradient, g);
            }
            if (training.phases & MOVE) move(made);
            if (step + 1 == training.per_epoch && training.outputs && *training.bad < 0) {
                const int64_t epoch = made / training.per_epoch - training.first / training.per_epoch;
                if (!evaluate(made, epoch)) return STOPPED;
                training.epoch_losses[epoch] = loss_sum / double(training.per_epoch);
                if (training.epoch_w) write(w, (T*)training.epoch_w + epoch * network.total);
                if (training.epoch_moments)
                    memcpy((T*)training.epoch_moments + epoch * network.moment_total, moments,
                           size_t(network.moment_total) * sizeof(T));
            }
        }
        *training.loss_sum = loss_sum;
        if (training.phases & MOVE) {
            write(w, training.w);
            write(m, training.first_moment);
            write(v, training.second_moment);
            write(u, training.third_moment);
            write(average, training.average);
        }
        if (training.phases & GRADIENT) {
            if (training.moments) memcpy(training.moments, moments, size_t(network.moment_total) * sizeof(T));
            if (training.gradient) storage.write(g, (T*)training.gradient);
        }
        return made - training.first;
    }

private:
    const Training& training;
    const Network& network;
    const Order order;
    Memory memory;
    Storage<T> storage;
    int64_t panels, capacity;
    Flow<T> flow;
    Rows<T> source;
    T *w, *g, *m, *v, *u, *average, *shown, *weight, *moments, *rows_of_factors;
    float* drawn;
    Uniform* uniform;

    T* row(const void* from) {
        if (!from) return nullptr;
        T* to = memory.take<T>(storage.count);
        if (to && !memory.failed) storage.read((const T*)from, to);
        return to;
    }

    void write(const T* from, void* to) const {
        if (from) storage.write(from, (T*)to);
    }

    // Gradient and loss of an update. Returns false if it was stopped.
    bool differentiate(int64_t update, double& loss) {
        const int64_t epoch = update / training.per_epoch, step = update % training.per_epoch;
        const int64_t* rows = training.orders[epoch - training.first / training.per_epoch] + step * training.batch;
        const int64_t count = (step + 1) * training.train_rows / training.per_epoch -
                              step * training.train_rows / training.per_epoch;
        for (int64_t i = 0; i < training.batch; i++) weight[i] = i < count ? T(1.0 / double(count)) : T(0);
        // only panels that hold a real row
        const int64_t used = (count + PANEL<T> - 1) / PANEL<T>;
        for (int64_t p = 0; p < used && !order.stopped(); p++) {
            const int64_t left = count - p * PANEL<T>;
            source.panel(rows + p * PANEL<T>, left < PANEL<T> ? left : PANEL<T>,
                         flow.input() + p * network.inputs * PANEL<T>);
        }
        draw(update, used);
        if (!flow.forward(w, moments, used, weight)) return false;
        loss = lose(rows, count, used);
        if (!flow.back(w, g, used, weight)) return false;
        remember(update + 1, count);
        return true;
    }

    // The mean loss of the batch, and the gradient of the outputs.
    double lose(const int64_t* rows, int64_t count, int64_t used) {
        switch (training.loss) {
#define USE(NUMBER, NAME, LOSS) \
    case NUMBER:                \
        return lose_by<LOSS>(rows, count, used);
            LOSSES(USE)
#undef USE
        }
        return NAN;
    }

    template <typename LOSS>
    double lose_by(const int64_t* rows, int64_t count, int64_t used) {
        const T numbers[2] = {T(training.loss_numbers[0]), T(training.loss_numbers[1])};
        const int64_t views = flow.view_count();
        Vector<T> sum = splat(T(0));
        for (int64_t p = 0; p < used && !order.stopped(); p++)
            for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                const int64_t first = p * PANEL<T> + k;
                const Vector<T> share = load(weight + first) / splat(T(views));
                const Aim<T> aim = aim_of<T>(training.target, rows, first, count);
                for (int64_t j = 0; j < views; j++) {
                    const int64_t at = (j * used + p) * network.outputs * PANEL<T> + k;
                    sum += share * LOSS::template loss<T>(flow.output() + at, flow.output_gradient() + at,
                                                          network.outputs, aim, share, numbers);
                }
            }
        return double(sum_of<T>(sum));
    }

    // The factors of every dropout for an update whose batch has so many panels.
    void draw(int64_t update, int64_t used) {
        int64_t number = 0, views = 1;
        for (int64_t i = 0; i < network.operation_count; i++) {
            const Operation& op = network.operations[i];
            if (op.kind == VIEWS) views = op.option;
            if (op.kind != DROPOUT || Flow<T>::passes(op)) continue;
            const Draws& draws = training.draws[op.option];
            Uniform& stream = uniform[number++];
            // draws are made for every row that a batch can have, and for every unit that it is stored with
            const int64_t stored = op.stored, numbers = views * training.batch * stored;
            const int64_t block = update / draws.updates, place = update % draws.updates;
            if (update == training.first || place == 0) {
                stream.start(draws.states + 4 * (block - draws.first));
                stream.skip(place * numbers);
            }
            const double trend = training.dropout_trend ? training.dropout_trend[update - training.first] : 1.0;
            const T rate = T(op.numbers[0] * trend), kept = rate < T(1) ? T(1) / (T(1) - rate) : T(0);
            const int64_t row = round_up(stored, WIDTH<T>);
            for (int64_t p = 0; p < views * panels && !order.stopped(); p++) {
                const T* places[PANEL<T>];
                for (int64_t r = 0; r < PANEL<T>; r++) {
                    T* to = rows_of_factors + r * row;
                    stream.fill(drawn, stored);
                    for (int64_t unit = 0; unit < stored; unit++) to[unit] = T(drawn[unit]) >= rate ? kept : T(0);
                    places[r] = to;
                }
                // panels behind the last real row of a view do not flow
                const int64_t at = p / panels * used + p % panels;
                if (p % panels < used)
                    panel_of_rows(round_up(op.out, WIDTH<T>), places, flow.of(i).factors + at * op.out * PANEL<T>);
            }
        }
    }

    // Running moments move towards those of the batch; t: updates made, this one included.
    void remember(int64_t t, int64_t count) {
        for (int64_t i = 0; i < network.operation_count; i++) {
            const Operation& op = network.operations[i];
            if (op.kind == VIEWS) count *= op.option;
            if (op.kind != BATCH_NORMALIZATION) continue;
            const T keep = T(op.numbers[1] < 0 ? double(t - 1) / double(t) : op.numbers[1]);
            const T unbiased = op.numbers[2] != 0 ? T(count) / T(count > 1 ? count - 1 : 1) : T(1);
            const T* batch = flow.of(i).moments;
            T *mean = moments + op.mean, *var = moments + op.var;
            for (int64_t unit = 0; unit < op.out; unit++) {
                mean[unit] = keep * mean[unit] + (T(1) - keep) * batch[unit];
                var[unit] = keep * var[unit] + (T(1) - keep) * (batch[op.out + unit] * unbiased);
            }
        }
    }

    void move(int64_t update_number) {
        const Rule& rule = training.rule;
        const Numbers<T> numbers(rule.coefficients + COEFFICIENTS * (update_number - training.first));
        if (isfinite(rule.clip_value)) clip_values(g, storage.count, T(rule.clip_value));
        if (isfinite(rule.clip_norm)) clip_norm(g, storage.count, T(rule.clip_norm));
        const T decay = rule.decoupled ? numbers.decay : T(0);
        for (int64_t i = 0; i < network.slot_count; i++)
            if (network.slots[i].weight) {
                const Place& place = storage.places[i];
                penalize(w + place.start, g + place.start, place.size(), numbers.l2, T(rule.l1), decay);
            }
        if (rule.rate_factors)
            for (int64_t i = 0; i < network.slot_count; i++)
                update(rule.family, part(storage.places[i]), times(rule.family, numbers, T(rule.rate_factors[i])));
        else
            update(rule.family, Parameters<T>{w, g, m, v, u, storage.count}, numbers);
        if (isfinite(rule.max_norm))
            for (int64_t i = 0; i < network.slot_count; i++)
                if (network.slots[i].weight) limit_norms(storage.places[i], T(rule.max_norm));
        if (average) move_average(average, w, storage.count, T(rule.average));
    }

    // The numbers of one slot.
    Parameters<T> part(const Place& place) const {
        const auto from = [&](T* row) { return row ? row + place.start : nullptr; };
        return {from(w), from(g), from(m), from(v), from(u), place.size()};
    }

    // The weights into each unit get at most this norm: w <- w min(1, limit / |w|).
    void limit_norms(const Place& place, T limit) {
        const int64_t units = place.flipped ? place.rows : place.columns;
        const int64_t inputs = place.flipped ? place.columns : place.rows;
        const int64_t of_unit = place.flipped ? place.row : 1, of_input = place.flipped ? 1 : place.row;
        for (int64_t unit = 0; unit < units; unit++) {
            T* own = w + place.start + unit * of_unit;
            T sum = 0;
            for (int64_t i = 0; i < inputs; i++) sum += own[i * of_input] * own[i * of_input];
            const T factor = limit / root(sum);
            if (factor >= T(1)) continue;
            for (int64_t i = 0; i < inputs; i++) own[i * of_input] *= factor;
        }
    }

    // The outputs of the validation rows after an update.
    bool evaluate(int64_t update_number, int64_t epoch) {
        const T* weights = w;
        if (average) {
            const T correction = T(1.0 / (1.0 - pow(training.rule.average, double(update_number + 1))));
            for (int64_t i = 0; i < storage.count; i++) shown[i] = average[i] * correction;
            for (int64_t i = 0; i < network.operation_count; i++)
                if (network.operations[i].kind == BINS) {  // its edges are not learned
                    const Place& place = storage.places[network.operations[i].slot];
                    memcpy(shown + place.start, w + place.start, size_t(place.size()) * sizeof(T));
                }
            weights = shown;
        } else if (training.reported && m) {
            const double share = training.reported[epoch], *factors = training.rule.rate_factors;
            for (int64_t i = 0; i < network.slot_count; i++) {
                const Place& place = storage.places[i];
                const T own = T(factors ? share * factors[i] : share);
                for (int64_t j = place.start; j < place.start + place.size(); j++) shown[j] = w[j] + own * m[j];
            }
            weights = shown;
        }
        T* to = (T*)training.outputs + epoch * training.validation_rows * network.outputs;
        return predict_rows<T>(network, flow, source, capacity, weights, moments, training.validation,
                               training.validation_rows, to, order);
    }
};

template <typename T>
int64_t predict(const Prediction& prediction) {
    Memory memory;
    const Network& network = prediction.network;
    Storage<T> storage(network, memory);
    const Order order{prediction.stop};
    Flow<T> flow(network, storage, EVALUATED, false, order, memory);
    Rows<T> source(prediction.source, network.inputs, memory);
    T* w = memory.take<T>(storage.count);
    if (memory.failed) return NO_MEMORY;
    storage.read((const T*)prediction.w, w);
    const bool done = predict_rows<T>(network, flow, source, EVALUATED, w, (const T*)prediction.moments, prediction.rows,
                                      prediction.row_count, (T*)prediction.outputs, order);
    return done ? prediction.row_count : int64_t(STOPPED);
}

template <typename T>
int encode(const Source& source, int64_t count, T* to, int64_t to_row) {
    Memory memory;
    Rows<T> rows(source, source.width, memory);
    if (memory.failed) return NO_MEMORY;
    rows.table(count, to, to_row);
    return 0;
}

}  // namespace

EXPORT int FOR_LEVEL(vector_bytes)(void) { return VECTOR_BYTES; }

// The number of an activation, a loss or a family of optimizers of that name; -1 if there is none.
EXPORT int FOR_LEVEL(activation)(const char* name) { return activation_number(name); }
EXPORT int FOR_LEVEL(loss)(const char* name) { return loss_number(name); }
EXPORT int FOR_LEVEL(family)(const char* name) { return family_number(name); }

// Updates that were made, or what kept them from being made.
EXPORT int64_t FOR_LEVEL(train)(const Training* training, int is_double) {
    const NoSmallNumbers none;
    return is_double ? LaneTraining<double>(*training).run() : LaneTraining<float>(*training).run();
}

// Rows that were predicted, or what kept them from being predicted.
EXPORT int64_t FOR_LEVEL(predict)(const Prediction* prediction, int is_double) {
    const NoSmallNumbers none;
    return is_double ? predict<double>(*prediction) : predict<float>(*prediction);
}

// Rows 0 .. count - 1 of a source as a network gets them, `to_row` numbers apart.
EXPORT int FOR_LEVEL(encode)(const Source* source, int64_t count, void* to, int64_t to_row, int is_double) {
    const NoSmallNumbers none;
    return is_double ? encode<double>(*source, count, (double*)to, to_row)
                     : encode<float>(*source, count, (float*)to, to_row);
}

// For benchmarks: see measures.h.
EXPORT int FOR_LEVEL(products)(const Network* network, int64_t batch, int64_t count, int is_double) {
    return is_double ? measure_products<double>(*network, batch, count) : measure_products<float>(*network, batch, count);
}
EXPORT double FOR_LEVEL(peak)(int64_t count, int is_double) {
    return is_double ? measure_peak<double>(count) : measure_peak<float>(count);
}
