// A network: where its parameters lie while it is trained, and its operations forward and back.
//
// What flows between two operations is an edge: panels (units, PANEL) of the rows of a batch, one behind the other.
#pragma once

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "activations.h"
#include "interface.h"
#include "product.h"
#include "views.h"

namespace {

// Memory of one call, given back at its end. Aligned as vectors are, and filled with zeros.
class Memory {
public:
    ~Memory() {
        while (last) {
            Block* before = last->before;
            free(last->start);
            last = before;
        }
    }

    template <typename T>
    T* take(int64_t count) {
        const size_t bytes = size_t(round_up(count * int64_t(sizeof(T)), 64)) + 128;
        char* start = (char*)calloc(bytes, 1);
        if (!start) {
            failed = true;
            return nullptr;
        }
        char* aligned = (char*)(((uintptr_t)start + sizeof(Block) + 63) / 64 * 64);
        Block* block = (Block*)(aligned - sizeof(Block));
        block->start = start;
        block->before = last;
        last = block;
        return (T*)aligned;
    }

    bool failed = false;

private:
    struct Block {
        void* start;
        Block* before;
    };
    Block* last = nullptr;
};

// Where a parameter lies while it is trained: `rows` rows of `row` numbers. Of a weight rows are inputs and numbers are
// units, or the other way round (`flipped`), whichever leaves less of the last vector empty.
struct Place {
    int64_t start, rows, columns, row;
    bool flipped;

    int64_t size() const { return rows * row; }
};

template <typename T>
int64_t row_length(int64_t count) {
    const int64_t length = round_up(count, WIDTH<T>);
    // rows that begin a power of two apart fall into the same sets of a cache
    return length * int64_t(sizeof(T)) % 1024 == 0 ? length + WIDTH<T> : length;
}

// The parameters of a network while it is trained.
template <typename T>
struct Storage {
    const Network& network;
    Place* places;
    int64_t count = 0;  // numbers of all of them

    Storage(const Network& of, Memory& memory) : network(of), places(memory.take<Place>(of.slot_count + 1)) {
        if (!places) return;
        for (int64_t i = 0; i < of.slot_count; i++) {
            const Slot& slot = of.slots[i];
            const int64_t by_rows = row_length<T>(slot.rows) - slot.rows, by_columns = row_length<T>(slot.columns) - slot.columns;
            const bool flipped = slot.weight && by_rows * slot.columns < by_columns * slot.rows;
            const int64_t rows = flipped ? slot.columns : slot.rows, columns = flipped ? slot.rows : slot.columns;
            places[i] = {count, rows, columns, row_length<T>(columns), flipped};
            count += places[i].size();
        }
        count = round_up(count ? count : 1, WIDTH<T>);
    }

    // From a lane's row of state, where every parameter lies as Python has it.
    void read(const T* from, T* to) const {
        for (int64_t i = 0; i < network.slot_count; i++) {
            const Slot& slot = network.slots[i];
            const Place& place = places[i];
            const T* source = from + slot.start;
            for (int64_t r = 0; r < place.rows; r++) {
                T* row = to + place.start + r * place.row;
                if (place.flipped)
                    for (int64_t c = 0; c < place.columns; c++) row[c] = source[c * slot.stored + r];
                else
                    memcpy(row, source + r * slot.stored, size_t(place.columns) * sizeof(T));
            }
        }
    }

    // Back to it. What pads a parameter there stays as it is.
    void write(const T* from, T* to) const {
        for (int64_t i = 0; i < network.slot_count; i++) {
            const Slot& slot = network.slots[i];
            const Place& place = places[i];
            T* target = to + slot.start;
            for (int64_t r = 0; r < place.rows; r++) {
                const T* row = from + place.start + r * place.row;
                if (place.flipped)
                    for (int64_t c = 0; c < place.columns; c++) target[c * slot.stored + r] = row[c];
                else
                    memcpy(target + r * slot.stored, row, size_t(place.columns) * sizeof(T));
            }
        }
    }
};

// A dense map as products see it.
template <typename T>
struct Dense {
    const Place& place;
    int64_t in, out;
    int64_t of_input, of_unit;  // how far apart weights of neighbouring inputs and of neighbouring units lie

    Dense(const Place& at, int64_t inputs, int64_t units)
        : place(at), in(inputs), out(units), of_input(at.flipped ? 1 : at.row), of_unit(at.flipped ? at.row : 1) {}

    void forward(int64_t panels, const T* w, const T* bias, const T* from, T* to) const {
        panels_product(panels, out, in, w + place.start, of_unit, of_input, from, to, bias);
    }

    // The gradient of what entered.
    void back(int64_t panels, const T* w, const T* from, T* to) const {
        panels_product(panels, in, out, w + place.start, of_input, of_unit, from, to, (const T*)nullptr);
    }
};

// Whether work is to stop: a flag of another thread, which stays set, or null. Looking at it costs nothing beside the
// work on a panel.
struct Order {
    const int32_t* flag;

    ALWAYS_INLINE bool stopped() const { return flag && __atomic_load_n(flag, __ATOMIC_RELAXED); }
};

// What an operation remembers of a training batch.
template <typename T>
struct Remembered {
    T* normal = nullptr;   // a normalization: standardized units, like an edge; a parametric activation: what it mixes
    T* spread = nullptr;   // 1 / sqrt(var + eps): of each unit; or of each group, (panels, groups, PANEL)
    T* moments = nullptr;  // mean and variance of the batch, (2, units)
    T* factors = nullptr;  // a dropout: like an edge
    T* skipped = nullptr;  // the gradient that goes around a residual block; its own or another edge's
    T* own = nullptr;
    T* sums = nullptr;     // a map of columns: the gradient of one column's weights
};

// The columns that an operation acts on, each `in` numbers when they enter and `out` when they leave, of which the first
// `kept` stay as they are; and the units behind them, which pass.
struct ColumnsOf {
    int64_t count, in, out, kept, passing;

    explicit ColumnsOf(const Operation& op) {
        count = op.option;
        if (op.kind == WAVES) {
            const bool phases = op.numbers[1] != 0;
            in = 1;
            out = int64_t(op.numbers[0]) * (phases ? 1 : 2) + phases;
            kept = phases;
        } else if (op.kind == BINS) {
            in = 1;
            out = int64_t(op.numbers[0]);
            kept = 0;
        } else {
            in = int64_t(op.numbers[0]);
            out = int64_t(op.numbers[1]);
            kept = int64_t(op.numbers[2]);
        }
        passing = op.in - count * in;
    }
};

// The rows of a batch on their way through a network.
template <typename T>
class Flow {
public:
    // panels: that fit in. training: whether gradients are wanted.
    Flow(const Network& of, const Storage<T>& stored, int64_t most_panels, bool training, const Order& given,
         Memory& memory)
        : network(of), storage(stored), order(given), capacity(most_panels) {
        const int64_t count = of.operation_count;
        values = memory.take<T*>(count + 1);
        gradients = memory.take<T*>(count + 1);
        kept = memory.take<Remembered<T>>(count);
        if (!values || !gradients || !kept) return;
        int64_t size = capacity * PANEL<T>, most = capacity;  // numbers of a unit on an edge; panels
        int64_t widest = of.inputs;
        values[0] = memory.take<T>(size * round_up(of.inputs, WIDTH<T>));
        wanted = count;
        for (int64_t i = 0; i < count; i++) {
            const Operation& op = of.operations[i];
            widest = op.in > widest ? op.in : widest;
            widest = op.out > widest ? op.out : widest;
            // before the first parameter that is learned no gradient is needed
            if (wanted == count && op.slots > 0 && op.kind != BINS) wanted = i;
            const int64_t entering = size;
            if (op.kind == VIEWS) {
                views = op.option;
                size *= views;
                most *= views;
                if (training) weights = memory.take<T>(size);
            }
            values[i + 1] = passes(op) ? values[i] : memory.take<T>(size * op.out);
            if (op.kind == HEADS) {
                all = memory.take<T>(PANEL<T> * op.option * op.out);
                if (training) turned_heads = memory.take<T>(op.out * row_length<T>(op.in));
            }
            if (!training) continue;
            const bool alias = i > wanted && (op.kind == RESIDUAL_END || (passes(op) && op.kind != RESIDUAL_BEGIN));
            if (i > wanted) gradients[i] = alias ? nullptr : memory.take<T>(entering * op.in);
            Remembered<T>& own = kept[i];
            if (op.kind == BATCH_NORMALIZATION || op.kind == GROUP_NORMALIZATION) {
                own.normal = memory.take<T>(size * op.out);
                own.spread = memory.take<T>(op.kind == BATCH_NORMALIZATION ? op.out : size * op.option);
                own.moments = memory.take<T>(2 * op.out);
            }
            if (op.kind == PARAMETRIC) own.normal = memory.take<T>(size * op.out);
            if (op.kind == DROPOUT && !passes(op)) own.factors = memory.take<T>(size * round_up(op.out, WIDTH<T>));
            if (op.kind == COLUMN_MAP) {
                const ColumnsOf columns(op);
                own.sums = memory.take<T>((columns.in - columns.kept) * round_up(columns.out - columns.kept, PANEL<T>));
            }
            if (op.kind == RESIDUAL_END && op.slots) own.own = memory.take<T>(size * op.in);
        }
        gradients[count] = training ? memory.take<T>(size * of.outputs) : nullptr;
        other = memory.take<T>(PANEL<T> * widest);
        if (!training) return;
        // edges that share what flows share its gradient too
        for (int64_t i = count - 1; i >= 0; i--)
            if (i > wanted && !gradients[i]) gradients[i] = gradients[i + 1];
        chunk = most < MOST_ROWS / PANEL<T> ? most : MOST_ROWS / PANEL<T>;
        chunk = chunk < 1 ? 1 : chunk;
        turned = memory.take<T>(round_up(widest, PANEL<T>) * chunk * PANEL<T>);
    }

    T* input() { return values[0]; }
    const T* output() const { return values[network.operation_count]; }
    T* output_gradient() { return gradients[network.operation_count]; }
    Remembered<T>& of(int64_t number) { return kept[number]; }

    // Views of a row: the panels of the first one are in front. In training outputs are those of every view.
    int64_t view_count() const { return views; }

    // w: parameters as `storage` has them; moments: running ones of batch normalization. weight: of each row of the batch
    // in training, null in evaluation. Returns false if it was stopped.
    bool forward(const T* w, const T* moments, int64_t panels, const T* weight) {
        const T* open[MOST_OPEN];
        int64_t open_count = 0;
        for (int64_t i = 0; i < network.operation_count; i++) {
            if (order.stopped()) return false;
            const Operation& op = network.operations[i];
            const T* from = values[i];
            T* to = values[i + 1];
            switch (op.kind) {
                case DENSE:
                    dense_forward(op, w, from, to, panels);
                    break;
                case ACTIVATION:
                    by_pieces(panels * op.out * PANEL<T>, [&](int64_t at, int64_t count) {
                        activate<T>(int(op.option), from + at, to + at, count, T(op.numbers[0]));
                    });
                    break;
                case BATCH_NORMALIZATION:
                    if (weight)
                        normalize_batch(op, kept[i], w, from, to, panels, weight);
                    else
                        normalize_by_running(op, w, moments, from, to, panels);
                    break;
                case GROUP_NORMALIZATION:
                    normalize_groups(op, kept[i], w, from, to, panels, weight != nullptr);
                    break;
                case DROPOUT:
                    if (weight && !passes(op))
                        multiply(from, kept[i].factors, to, panels * op.out * PANEL<T>);
                    else if (!passes(op))
                        by_pieces(panels * op.out * PANEL<T>, [&](int64_t at, int64_t count) {
                            memcpy(to + at, from + at, size_t(count) * sizeof(T));
                        });
                    break;
                case PRELU:
                    prelu(op, w, from, to, panels);
                    break;
                case PARAMETRIC:
                    parametric(op, kept[i], w, from, to, panels);
                    break;
                case MAXOUT:
                    maxout(op, from, to, panels);
                    break;
                case RESIDUAL_BEGIN:
                    open[open_count++] = from;
                    break;
                case RESIDUAL_END:
                    residual(op, w, from, open[--open_count], to, panels);
                    break;
                case SCALE:
                    scale(op, w, from, to, panels);
                    break;
                case WAVES:
                    waves(op, w, from, to, panels);
                    break;
                case COLUMN_MAP:
                    map_columns(op, w, from, to, panels);
                    break;
                case BINS:
                    bins(op, w, from, to, panels);
                    break;
                case LOOKUP:
                    look_up(op, w, from, to, panels);
                    break;
                case VIEWS:
                    look(op, w, from, to, panels);
                    if (weight) {
                        for (int64_t j = 0; j < views; j++)
                            for (int64_t i = 0; i < panels * PANEL<T>; i++)
                                weights[j * panels * PANEL<T> + i] = weight[i] / T(views);
                        weight = weights;
                    }
                    panels *= views;
                    break;
                case HEADS:
                    heads(op, w, from, to, panels / op.option, weight != nullptr);
                    break;
            }
        }
        return !order.stopped();
    }

    // Gradients of all parameters into g, which is overwritten. The gradient of the outputs is there already.
    bool back(const T* w, T* g, int64_t panels, const T* weight) {
        int64_t begin[MOST_OPEN];  // the ends of the blocks that are open, from behind
        int64_t open_count = 0;
        const T* of_rows = weight;
        panels *= views;
        if (views > 1) weight = weights;
        for (int64_t i = network.operation_count - 1; i >= 0; i--) {
            if (order.stopped()) return false;
            const Operation& op = network.operations[i];
            const bool on = i > wanted;  // whether what enters needs a gradient
            if (i < wanted && op.kind != RESIDUAL_BEGIN) continue;  // a block's shortcut may be the first to learn
            const T* from = gradients[i + 1];
            T* to = on ? gradients[i] : nullptr;
            switch (op.kind) {
                case DENSE: {
                    dense_gradient(op.slot, op.slots > 1 ? op.slot + 1 : -1, values[i], op.in, from, op.out, g, panels);
                    if (on) dense_back(op.slot, op.in, op.out, w, from, to, panels);
                    break;
                }
                case ACTIVATION:
                    if (on)
                        by_pieces(panels * op.out * PANEL<T>, [&](int64_t at, int64_t count) {
                            activate_back<T>(int(op.option), values[i] + at, values[i + 1] + at, from + at, to + at,
                                             count, T(op.numbers[0]));
                        });
                    break;
                case BATCH_NORMALIZATION:
                    normalize_batch_back(op, kept[i], w, g, from, to, panels, weight);
                    break;
                case GROUP_NORMALIZATION:
                    normalize_groups_back(op, kept[i], w, g, from, to, panels);
                    break;
                case DROPOUT:
                    if (on && !passes(op)) multiply(from, kept[i].factors, to, panels * op.out * PANEL<T>);
                    break;
                case PRELU:
                    prelu_back(op, w, g, values[i], from, to, panels);
                    break;
                case PARAMETRIC:
                    parametric_back(op, kept[i], w, g, values[i], from, to, panels);
                    break;
                case MAXOUT:
                    if (on) maxout_back(op, values[i], values[i + 1], from, to, panels);
                    break;
                case SCALE:
                    scale_back(op, w, g, values[i], from, to, panels);
                    break;
                case WAVES:
                    waves_back(op, w, g, values[i], from, to, panels);
                    break;
                case BINS:
                    if (on) bins_back(op, w, values[i], from, to, panels);
                    break;
                case LOOKUP:
                    look_up_back(op, g, values[i], from, panels);
                    break;
                case COLUMN_MAP:
                    map_columns_back(op, kept[i], w, g, values[i], values[i + 1], gradients[i + 1], to, panels);
                    break;
                case RESIDUAL_END:
                    begin[open_count++] = i;
                    break;
                case RESIDUAL_BEGIN: {
                    const Operation& end = network.operations[begin[--open_count]];
                    Remembered<T>& skip = kept[begin[open_count]];
                    const T* around = gradients[begin[open_count] + 1];
                    if (end.slots) {
                        dense_gradient(end.slot, -1, values[i], end.in, around, end.out, g, panels);
                        if (on) dense_back(end.slot, end.in, end.out, w, around, skip.own, panels);
                        around = skip.own;
                    }
                    if (on) add(from, around, to, panels * op.out * PANEL<T>);
                    break;
                }
                case VIEWS:
                    panels /= views;
                    weight = of_rows;
                    look_back(op, w, g, values[i], from, to, panels);
                    break;
                case HEADS:
                    heads_back(op, w, g, values[i], from, to, panels / op.option);
                    break;
            }
        }
        return !order.stopped();
    }

    // Whether an operation leaves what flows as it is.
    static bool passes(const Operation& op) {
        return op.kind == RESIDUAL_BEGIN || (op.kind == DROPOUT && op.numbers[0] == 0);
    }

    static constexpr int MOST_OPEN = 64;  // residual blocks in one another

private:
    static constexpr int64_t BETWEEN_LOOKS = 32;  // panels of a product between two looks for an order to stop
    static constexpr int64_t MOST_ROWS = 256;  // whose transposed panels are held at a time
    static constexpr int64_t PIECE = 1 << 16;  // numbers that are worked off between two looks at the order

    const Network& network;
    const Storage<T>& storage;
    const Order order;
    int64_t capacity, wanted, chunk = 1, views = 1;
    T **values, **gradients;
    Remembered<T>* kept;
    T *other, *turned = nullptr;
    T *weights = nullptr, *all = nullptr, *turned_heads = nullptr;  // of views: see `look` and `heads`

    const Place& place(int64_t slot) const { return storage.places[slot]; }

    // In all that follows: what is stopped is left as it is, unfinished; `forward` and `back` look once more.

    // work(first, count) on numbers 0 .. count - 1 of edges.
    template <typename Work>
    ALWAYS_INLINE void by_pieces(int64_t count, Work work) const {
        for (int64_t at = 0; at < count && !order.stopped(); at += PIECE)
            work(at, count - at < PIECE ? count - at : PIECE);
    }

    void dense_forward(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const Dense<T> dense(place(op.slot), op.in, op.out);
        const T* bias = op.slots > 1 ? w + place(op.slot + 1).start : nullptr;
        for (int64_t p = 0; p < panels && !order.stopped(); p += BETWEEN_LOOKS)
            dense.forward(panels - p < BETWEEN_LOOKS ? panels - p : BETWEEN_LOOKS, w, bias, from + p * op.in * PANEL<T>,
                          to + p * op.out * PANEL<T>);
    }

    void dense_back(int64_t slot, int64_t in, int64_t out, const T* w, const T* from, T* to, int64_t panels) {
        const Dense<T> dense(place(slot), in, out);
        for (int64_t p = 0; p < panels && !order.stopped(); p += BETWEEN_LOOKS)
            dense.back(panels - p < BETWEEN_LOOKS ? panels - p : BETWEEN_LOOKS, w, from + p * out * PANEL<T>,
                       to + p * in * PANEL<T>);
    }

    void dense_gradient(int64_t slot, int64_t bias, const T* x, int64_t in, const T* above, int64_t out, T* g,
                        int64_t panels) {
        const Place& at = place(slot);
        // rows of the gradient: inputs, or units where the weights are flipped
        const T *rows = at.flipped ? above : x, *columns = at.flipped ? x : above;
        const int64_t row_count = at.flipped ? out : in, column_count = at.flipped ? in : out;
        for (int64_t first = 0; first < panels && !order.stopped(); first += chunk) {
            const int64_t some = panels - first < chunk ? panels - first : chunk;
            for (int64_t p = 0; p < some; p++)
                transpose_panel(column_count, columns + (first + p) * column_count * PANEL<T>, p, some, turned);
            gradient_product(row_count, column_count, some, rows + first * row_count * PANEL<T>,
                             row_count * PANEL<T>, turned, g + at.start, at.row, first > 0);
        }
        if (bias < 0) return;
        T* sums = g + place(bias).start;
        for (int64_t u = 0; u < out && !order.stopped(); u++)
            sums[u] = sum_over_rows(above + u * PANEL<T>, out * PANEL<T>, panels);
    }

    // The sum over all rows of a batch of one unit.
    static T sum_over_rows(const T* x, int64_t panel, int64_t panels) {
        Vector<T> sum = splat(T(0));
        for (int64_t p = 0; p < panels; p++, x += panel) sum += load(x) + load(x + WIDTH<T>);
        return sum_of<T>(sum);
    }

    void multiply(const T* a, const T* b, T* to, int64_t count) const {
        by_pieces(count, [&](int64_t at, int64_t some) {
            for (int64_t i = at; i < at + some; i += WIDTH<T>) store(to + i, load(a + i) * load(b + i));
        });
    }

    void add(const T* a, const T* b, T* to, int64_t count) const {
        by_pieces(count, [&](int64_t at, int64_t some) {
            for (int64_t i = at; i < at + some; i += WIDTH<T>) store(to + i, load(a + i) + load(b + i));
        });
    }

    // y = gamma (z - mean) / sqrt(var + eps) + beta over the rows of the batch; rows that pad it have weight 0.
    void normalize_batch(const Operation& op, Remembered<T>& own, const T* w, const T* from, T* to, int64_t panels,
                         const T* weight) {
        const T *gamma = w + place(op.slot).start, *beta = w + place(op.slot + 1).start;
        const int64_t units = op.out, panel = units * PANEL<T>;
        for (int64_t u = 0; u < units && !order.stopped(); u++) {
            Vector<T> sum = splat(T(0));
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>)
                    sum += load(weight + p * PANEL<T> + k) * load(from + p * panel + u * PANEL<T> + k);
            const T mean = sum_of<T>(sum);
            sum = splat(T(0));
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = p * panel + u * PANEL<T> + k;
                    const Vector<T> centred = load(from + at) - splat(mean);
                    store(own.normal + at, centred);
                    sum += load(weight + p * PANEL<T> + k) * centred * centred;
                }
            const T var = sum_of<T>(sum), spread = T(1) / root(var + T(op.numbers[0]));
            own.moments[u] = mean;
            own.moments[units + u] = var;
            own.spread[u] = spread;
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = p * panel + u * PANEL<T> + k;
                    const Vector<T> normal = load(own.normal + at) * splat(spread);
                    store(own.normal + at, normal);
                    store(to + at, normal * splat(gamma[u]) + splat(beta[u]));
                }
        }
    }

    void normalize_by_running(const Operation& op, const T* w, const T* moments, const T* from, T* to, int64_t panels) {
        const T *gamma = w + place(op.slot).start, *beta = w + place(op.slot + 1).start;
        const T *mean = moments + op.mean, *var = moments + op.var;
        for (int64_t u = 0; u < op.out && !order.stopped(); u++) {
            const T scale = T(1) / root(var[u] + T(op.numbers[0])) * gamma[u];
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = (p * op.out + u) * PANEL<T> + k;
                    store(to + at, (load(from + at) - splat(mean[u])) * splat(scale) + splat(beta[u]));
                }
        }
    }

    void normalize_batch_back(const Operation& op, const Remembered<T>& own, const T* w, T* g, const T* from, T* to,
                              int64_t panels, const T* weight) {
        const T* gamma = w + place(op.slot).start;
        T *of_gamma = g + place(op.slot).start, *of_beta = g + place(op.slot + 1).start;
        const int64_t panel = op.out * PANEL<T>;
        for (int64_t u = 0; u < op.out && !order.stopped(); u++) {
            Vector<T> sum = splat(T(0)), with_normal = splat(T(0));
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = p * panel + u * PANEL<T> + k;
                    sum += load(from + at);
                    with_normal += load(from + at) * load(own.normal + at);
                }
            of_beta[u] = sum_of<T>(sum);
            of_gamma[u] = sum_of<T>(with_normal);
            if (!to) continue;
            const T scale = gamma[u] * own.spread[u];
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = p * panel + u * PANEL<T> + k;
                    const Vector<T> share = load(weight + p * PANEL<T> + k);
                    const Vector<T> shared = splat(of_beta[u]) + load(own.normal + at) * splat(of_gamma[u]);
                    store(to + at, splat(scale) * (load(from + at) - share * shared));
                }
        }
    }

    // The same over groups of neighbouring units of each row: training and evaluation are alike.
    void normalize_groups(const Operation& op, Remembered<T>& own, const T* w, const T* from, T* to, int64_t panels,
                          bool remember) {
        const T *gamma = w + place(op.slot).start, *beta = w + place(op.slot + 1).start;
        const int64_t groups = op.option, size = op.out / groups;
        const Vector<T> share = splat(T(1) / T(size));
        for (int64_t p = 0; p < panels && !order.stopped(); p++)
            for (int64_t group = 0; group < groups; group++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = (p * op.out + group * size) * PANEL<T> + k;
                    Vector<T> mean = splat(T(0)), var = splat(T(0));
                    for (int64_t u = 0; u < size; u++) mean += load(from + at + u * PANEL<T>);
                    mean *= share;
                    for (int64_t u = 0; u < size; u++) {
                        const Vector<T> centred = load(from + at + u * PANEL<T>) - mean;
                        var += centred * centred;
                    }
                    Vector<T> spread = var * share + splat(T(op.numbers[0]));
                    for (int j = 0; j < WIDTH<T>; j++) spread[j] = T(1) / root(spread[j]);
                    if (remember) store(own.spread + (p * groups + group) * PANEL<T> + k, spread);
                    for (int64_t u = 0; u < size; u++) {
                        const int64_t unit = group * size + u;
                        const Vector<T> normal = (load(from + at + u * PANEL<T>) - mean) * spread;
                        if (remember) store(own.normal + at + u * PANEL<T>, normal);
                        store(to + at + u * PANEL<T>, normal * splat(gamma[unit]) + splat(beta[unit]));
                    }
                }
    }

    void normalize_groups_back(const Operation& op, const Remembered<T>& own, const T* w, T* g, const T* from, T* to,
                               int64_t panels) {
        const T* gamma = w + place(op.slot).start;
        T *of_gamma = g + place(op.slot).start, *of_beta = g + place(op.slot + 1).start;
        const int64_t groups = op.option, size = op.out / groups, panel = op.out * PANEL<T>;
        for (int64_t u = 0; u < op.out && !order.stopped(); u++) {
            Vector<T> with_normal = splat(T(0));
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = p * panel + u * PANEL<T> + k;
                    with_normal += load(from + at) * load(own.normal + at);
                }
            of_beta[u] = sum_over_rows(from + u * PANEL<T>, panel, panels);
            of_gamma[u] = sum_of<T>(with_normal);
        }
        if (!to) return;
        const Vector<T> share = splat(T(1) / T(size));
        for (int64_t p = 0; p < panels && !order.stopped(); p++)
            for (int64_t group = 0; group < groups; group++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = p * panel + group * size * PANEL<T> + k;
                    Vector<T> sum = splat(T(0)), with_normal = splat(T(0));
                    for (int64_t u = 0; u < size; u++) {
                        const Vector<T> scaled = load(from + at + u * PANEL<T>) * splat(gamma[group * size + u]);
                        sum += scaled;
                        with_normal += scaled * load(own.normal + at + u * PANEL<T>);
                    }
                    sum *= share;
                    with_normal *= share;
                    const Vector<T> spread = load(own.spread + (p * groups + group) * PANEL<T> + k);
                    for (int64_t u = 0; u < size; u++) {
                        const Vector<T> scaled = load(from + at + u * PANEL<T>) * splat(gamma[group * size + u]);
                        const Vector<T> normal = load(own.normal + at + u * PANEL<T>);
                        store(to + at + u * PANEL<T>, spread * (scaled - sum - normal * with_normal));
                    }
                }
    }

    void prelu(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const T* slopes = w + place(op.slot).start;
        for (int64_t p = 0; p < panels && !order.stopped(); p++)
            for (int64_t u = 0; u < op.out; u++) {
                const Vector<T> slope = splat(slopes[op.option == 1 ? 0 : u]);
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = (p * op.out + u) * PANEL<T> + k;
                    const Vector<T> z = load(from + at);
                    store(to + at, z > splat(T(0)) ? z : slope * z);
                }
            }
    }

    void prelu_back(const Operation& op, const T* w, T* g, const T* z, const T* from, T* to, int64_t panels) {
        const T* slopes = w + place(op.slot).start;
        T* of_slopes = g + place(op.slot).start;
        if (op.option == 1) of_slopes[0] = T(0);
        for (int64_t u = 0; u < op.out && !order.stopped(); u++) {
            const Vector<T> slope = splat(slopes[op.option == 1 ? 0 : u]);
            Vector<T> sum = splat(T(0));
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = (p * op.out + u) * PANEL<T> + k;
                    const Vector<T> above = load(from + at), sums = load(z + at);
                    sum += sums > splat(T(0)) ? splat(T(0)) : sums * above;
                    if (to) store(to + at, sums > splat(T(0)) ? above : slope * above);
                }
            if (op.option == 1)
                of_slopes[0] += sum_of<T>(sum);
            else
                of_slopes[u] = sum_of<T>(sum);
        }
    }

    // y = a f(z) + (1 - a) z, f an activation and a the unit's own number.
    void parametric(const Operation& op, Remembered<T>& own, const T* w, const T* from, T* to, int64_t panels) {
        const T* mix = w + place(op.slot).start;
        const int64_t panel = op.out * PANEL<T>;
        for (int64_t p = 0; p < panels && !order.stopped(); p++) {
            T* mixed = own.normal ? own.normal + p * panel : other;
            activate<T>(int(op.option), from + p * panel, mixed, panel, T(op.numbers[0]));
            for (int64_t u = 0; u < op.out; u++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = u * PANEL<T> + k;
                    const Vector<T> z = load(from + p * panel + at);
                    store(to + p * panel + at, load(mixed + at) * splat(mix[u]) + z * splat(T(1) - mix[u]));
                }
        }
    }

    void parametric_back(const Operation& op, const Remembered<T>& own, const T* w, T* g, const T* z, const T* from, T* to,
                         int64_t panels) {
        const T* mix = w + place(op.slot).start;
        T* of_mix = g + place(op.slot).start;
        const int64_t panel = op.out * PANEL<T>;
        // A vector of sums for each unit: panel by panel, since the same unit of all panels lies a power of two apart.
        T* sums = turned;
        memset(sums, 0, size_t(op.out * WIDTH<T>) * sizeof(T));
        for (int64_t p = 0; p < panels && !order.stopped(); p++) {
            const int64_t first = p * panel;
            if (to)
                activate_back<T>(int(op.option), z + first, own.normal + first, from + first, other, panel,
                                 T(op.numbers[0]));
            for (int64_t u = 0; u < op.out; u++) {
                Vector<T> sum = load(sums + u * WIDTH<T>);
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = u * PANEL<T> + k;
                    const Vector<T> above = load(from + first + at);
                    sum += above * (load(own.normal + first + at) - load(z + first + at));
                    if (to) store(to + first + at, load(other + at) * splat(mix[u]) + above * splat(T(1) - mix[u]));
                }
                store(sums + u * WIDTH<T>, sum);
            }
        }
        for (int64_t u = 0; u < op.out; u++) of_mix[u] = sum_of<T>(load(sums + u * WIDTH<T>));
    }

    // The largest of neighbouring units; ties share the gradient.
    void maxout(const Operation& op, const T* from, T* to, int64_t panels) {
        for (int64_t u = 0; u < panels * op.out && !order.stopped(); u++)
            for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                const T* pieces = from + u * op.option * PANEL<T> + k;
                Vector<T> most = load(pieces);
                for (int64_t j = 1; j < op.option; j++) {
                    const Vector<T> z = load(pieces + j * PANEL<T>);
                    most = most != most ? most : (z > most || z != z ? z : most);
                }
                store(to + u * PANEL<T> + k, most);
            }
    }

    void maxout_back(const Operation& op, const T* z, const T* y, const T* from, T* to, int64_t panels) {
        const Vector<T> one = splat(T(1)), nothing = splat(T(0));
        for (int64_t u = 0; u < panels * op.out && !order.stopped(); u++)
            for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                const int64_t at = u * op.option * PANEL<T> + k;
                const Vector<T> most = load(y + u * PANEL<T> + k), above = load(from + u * PANEL<T> + k);
                Vector<T> ties = nothing;
                for (int64_t j = 0; j < op.option; j++) ties += load(z + at + j * PANEL<T>) == most ? one : nothing;
                for (int64_t j = 0; j < op.option; j++)
                    store(to + at + j * PANEL<T>, load(z + at + j * PANEL<T>) == most ? above / ties : nothing);
            }
    }

    void scale(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const T* factors = w + place(op.slot).start;
        for (int64_t p = 0; p < panels && !order.stopped(); p++)
            for (int64_t u = 0; u < op.out; u++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = (p * op.out + u) * PANEL<T> + k;
                    store(to + at, load(from + at) * splat(factors[u]));
                }
    }

    void scale_back(const Operation& op, const T* w, T* g, const T* x, const T* from, T* to, int64_t panels) {
        const T* factors = w + place(op.slot).start;
        T* of_factors = g + place(op.slot).start;
        for (int64_t u = 0; u < op.out && !order.stopped(); u++) {
            Vector<T> sum = splat(T(0));
            for (int64_t p = 0; p < panels; p++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const int64_t at = (p * op.out + u) * PANEL<T> + k;
                    const Vector<T> above = load(from + at);
                    sum += load(x + at) * above;
                    if (to) store(to + at, above * splat(factors[u]));
                }
            of_factors[u] = sum_of<T>(sum);
        }
    }

    // The units behind the columns that an operation acts on, from a row of `in` units to one of `out`.
    void pass(int64_t count, const T* from, int64_t in, T* to, int64_t out, int64_t panels) const {
        for (int64_t p = 0; count && p < panels && !order.stopped(); p++)
            memcpy(to + ((p + 1) * out - count) * PANEL<T>, from + ((p + 1) * in - count) * PANEL<T>,
                   size_t(count * PANEL<T>) * sizeof(T));
    }

    static constexpr double TURN = 6.283185307179586476925;

    // Of each column cos(2 pi f x + phase), and x in front; or without phases cos(2 pi f x), then sin(2 pi f x).
    void waves(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const ColumnsOf columns(op);
        const int64_t count = int64_t(op.numbers[0]);
        const bool phases = op.numbers[1] != 0;
        const T* frequencies = w + place(op.slot).start;
        const T* shifts = phases ? w + place(op.slot + 1).start : nullptr;
        for (int64_t p = 0; p < panels && !order.stopped(); p++)
            for (int64_t c = 0; c < columns.count; c++)
                for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                    const Vector<T> x = load(from + (p * op.in + c) * PANEL<T> + k);
                    T* made = to + (p * op.out + c * columns.out) * PANEL<T> + k;
                    if (phases) store(made, x);
                    for (int64_t i = 0; i < count; i++) {
                        const Vector<T> t = turns(x, frequencies[c * count + i], phases ? shifts[c * count + i] : T(0));
                        store(made + (columns.kept + i) * PANEL<T>, cosine_of_a_turn<T>(t));
                        if (!phases) store(made + (count + i) * PANEL<T>, sine_of_a_turn<T>(t));
                    }
                }
        pass(columns.passing, from, op.in, to, op.out, panels);
    }

    // (2 pi f x + phase) / (2 pi), without whole turns.
    static ALWAYS_INLINE Vector<T> turns(Vector<T> x, T frequency, T phase) {
        const Vector<T> t = part_of_a_turn<T>(x * splat(frequency));
        return phase == T(0) ? t : part_of_a_turn<T>(t + splat(T(phase * (1 / TURN))));
    }

    void waves_back(const Operation& op, const T* w, T* g, const T* x, const T* from, T* to, int64_t panels) {
        const ColumnsOf columns(op);
        const int64_t count = int64_t(op.numbers[0]);
        const bool phases = op.numbers[1] != 0;
        const T* frequencies = w + place(op.slot).start;
        const T* shifts = phases ? w + place(op.slot + 1).start : nullptr;
        T* of_frequencies = g + place(op.slot).start;
        T* of_shifts = phases ? g + place(op.slot + 1).start : nullptr;
        for (int64_t c = 0; c < columns.count && !order.stopped(); c++) {
            if (to)
                for (int64_t p = 0; p < panels; p++)
                    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                        const T* above = from + (p * op.out + c * columns.out) * PANEL<T> + k;
                        store(to + (p * op.in + c) * PANEL<T> + k, phases ? load(above) : splat(T(0)));
                    }
            for (int64_t i = 0; i < count; i++) {
                const T frequency = frequencies[c * count + i], phase = phases ? shifts[c * count + i] : T(0);
                Vector<T> sum = splat(T(0)), with_x = splat(T(0));
                for (int64_t p = 0; p < panels; p++)
                    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                        const int64_t at = (p * op.in + c) * PANEL<T> + k;
                        const T* above = from + (p * op.out + c * columns.out + columns.kept + i) * PANEL<T> + k;
                        const Vector<T> number = load(x + at), t = turns(number, frequency, phase);
                        Vector<T> of_angle = -(load(above) * sine_of_a_turn<T>(t));
                        if (!phases) of_angle += load(above + count * PANEL<T>) * cosine_of_a_turn<T>(t);
                        sum += of_angle;
                        with_x += of_angle * number;
                        if (to) store(to + at, load(to + at) + of_angle * splat(T(TURN * frequency)));
                    }
                of_frequencies[c * count + i] = T(TURN) * sum_of<T>(with_x);
                if (phases) of_shifts[c * count + i] = sum_of<T>(sum);
            }
        }
        if (to) pass(columns.passing, from, op.out, to, op.in, panels);
    }

    // A bin from one edge to the next: what of it a number has come through is (x - low) * share, within these bounds.
    struct Bin {
        T low, share, least, most;

        // edges: of a column, the first and the last of them, and those of this bin.
        Bin(T first, T from, T to, T last) : low(from) {
            share = to > from ? T(1) / (to - from) : T(0);
            least = from > first ? T(0) : -INFINITE<T>;
            most = to < last ? T(1) : INFINITE<T>;
        }
    };

    static Bin bin_of(const T* edges, int64_t bins, int64_t number) {
        return Bin(edges[0], edges[number], edges[number + 1], edges[bins]);
    }

    void bins(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const ColumnsOf columns(op);
        const T* edges = w + place(op.slot).start;
        for (int64_t c = 0; c < columns.count && !order.stopped(); c++)
            for (int64_t b = 0; b < columns.out; b++) {
                const Bin bin = bin_of(edges + c * (columns.out + 1), columns.out, b);
                for (int64_t p = 0; p < panels; p++)
                    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                        const Vector<T> x = load(from + (p * op.in + c) * PANEL<T> + k);
                        const Vector<T> come = (x - splat(bin.low)) * splat(bin.share);
                        store(to + (p * op.out + c * columns.out + b) * PANEL<T> + k,
                              at_most<T>(at_least<T>(come, bin.least), bin.most));
                    }
            }
        pass(columns.passing, from, op.in, to, op.out, panels);
    }

    void bins_back(const Operation& op, const T* w, const T* x, const T* from, T* to, int64_t panels) {
        const ColumnsOf columns(op);
        const T* edges = w + place(op.slot).start;
        for (int64_t c = 0; c < columns.count && !order.stopped(); c++)
            for (int64_t b = 0; b < columns.out; b++) {
                const Bin bin = bin_of(edges + c * (columns.out + 1), columns.out, b);
                for (int64_t p = 0; p < panels; p++)
                    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                        const int64_t at = (p * op.in + c) * PANEL<T> + k;
                        const Vector<T> come = (load(x + at) - splat(bin.low)) * splat(bin.share);
                        const Vector<T> above = load(from + (p * op.out + c * columns.out + b) * PANEL<T> + k);
                        Vector<T> slope = above * splat(bin.share);
                        slope = come < bin.least ? splat(T(0)) : slope;
                        slope = come > bin.most ? splat(T(0)) : slope;
                        store(to + at, b ? load(to + at) + slope : slope);
                    }
            }
        pass(columns.passing, from, op.out, to, op.in, panels);
    }

    // The rows of the table that columns hold; those in front of them and behind them pass.
    void look_up(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const T* table = w + place(op.slot).start;
        const int64_t before = int64_t(op.numbers[0]), size = int64_t(op.numbers[1]);
        pass(op.in - before - op.option, from, op.in, to, op.out, panels);
        for (int64_t p = 0; p < panels && !order.stopped(); p++, from += op.in * PANEL<T>, to += op.out * PANEL<T>) {
            memcpy(to, from, size_t(before * PANEL<T>) * sizeof(T));
            for (int64_t c = 0; c < op.option; c++)
                for (int64_t i = 0; i < PANEL<T>; i++) {
                    const T* row = table + int64_t(from[(before + c) * PANEL<T> + i]) * size;
                    for (int64_t j = 0; j < size; j++) to[(before + c * size + j) * PANEL<T> + i] = row[j];
                }
        }
    }

    // x: what entered. Nothing in front of it learns, so that this needs no gradient.
    void look_up_back(const Operation& op, T* g, const T* x, const T* from, int64_t panels) {
        const Place& at = place(op.slot);
        const int64_t before = int64_t(op.numbers[0]), size = int64_t(op.numbers[1]);
        memset(g + at.start, 0, size_t(at.size()) * sizeof(T));
        for (int64_t p = 0; p < panels && !order.stopped(); p++, x += op.in * PANEL<T>, from += op.out * PANEL<T>)
            for (int64_t c = 0; c < op.option; c++)
                for (int64_t i = 0; i < PANEL<T>; i++) {
                    T* row = g + at.start + int64_t(x[(before + c) * PANEL<T> + i]) * size;
                    for (int64_t j = 0; j < size; j++) row[j] += from[(before + c * size + j) * PANEL<T> + i];
                }
    }

    // The numbers of each column times its own weights, (taken, made), plus its own bias.
    void map_columns(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const ColumnsOf columns(op);
        const int64_t taken = columns.in - columns.kept, made = columns.out - columns.kept;
        const T *weights = w + place(op.slot).start, *bias = w + place(op.slot + 1).start;
        for (int64_t p = 0; p < panels && !order.stopped(); p++)
            for (int64_t c = 0; c < columns.count; c++) {
                const T* entering = from + (p * op.in + c * columns.in) * PANEL<T>;
                T* leaving = to + (p * op.out + c * columns.out) * PANEL<T>;
                for (int64_t i = 0; i < columns.kept * PANEL<T>; i += WIDTH<T>) store(leaving + i, load(entering + i));
                leaving += columns.kept * PANEL<T>;
                panel_product(made, taken, weights + c * taken * made, int64_t(1), made,
                              entering + columns.kept * PANEL<T>, leaving, bias + c * made);
                if (op.numbers[3] != 0)
                    for (int64_t i = 0; i < made * PANEL<T>; i += WIDTH<T>) {
                        const Vector<T> z = load(leaving + i);
                        store(leaving + i, z < T(0) ? splat(T(0)) : z);
                    }
            }
        pass(columns.passing, from, op.in, to, op.out, panels);
    }

    // above: the gradient of what leaves, in which that of sums below 0 is set to 0.
    void map_columns_back(const Operation& op, const Remembered<T>& own, const T* w, T* g, const T* x, const T* y,
                          T* above, T* to, int64_t panels) {
        const ColumnsOf columns(op);
        const int64_t taken = columns.in - columns.kept, made = columns.out - columns.kept;
        const int64_t row = round_up(made, PANEL<T>), in_panel = op.in * PANEL<T>, out_panel = op.out * PANEL<T>;
        const T* weights = w + place(op.slot).start;
        T *of_weights = g + place(op.slot).start, *of_bias = g + place(op.slot + 1).start;
        for (int64_t c = 0; c < columns.count && !order.stopped(); c++) {
            const int64_t entering = (c * columns.in + columns.kept) * PANEL<T>;
            const int64_t leaving = (c * columns.out + columns.kept) * PANEL<T>;
            if (op.numbers[3] != 0)
                for (int64_t p = 0; p < panels; p++)
                    for (int64_t i = 0; i < made * PANEL<T>; i += WIDTH<T>) {
                        const int64_t at = p * out_panel + leaving + i;
                        store(above + at, load(y + at) > T(0) ? load(above + at) : splat(T(0)));
                    }
            for (int64_t first = 0; first < panels; first += chunk) {
                const int64_t some = panels - first < chunk ? panels - first : chunk;
                for (int64_t p = 0; p < some; p++)
                    transpose_panel(made, above + (first + p) * out_panel + leaving, p, some, turned);
                gradient_product(taken, made, some, x + first * in_panel + entering, in_panel, turned, own.sums, row,
                                 first > 0);
            }
            for (int64_t i = 0; i < taken; i++)
                memcpy(of_weights + (c * taken + i) * made, own.sums + i * row, size_t(made) * sizeof(T));
            for (int64_t i = 0; i < made; i++)
                of_bias[c * made + i] = sum_over_rows(above + leaving + i * PANEL<T>, out_panel, panels);
            if (!to) continue;
            for (int64_t p = 0; p < panels; p++) {
                const T* from = above + p * out_panel + leaving;
                T* back = to + p * in_panel + entering;
                panel_product(taken, made, weights + c * taken * made, made, int64_t(1), from, back, (const T*)nullptr);
                for (int64_t i = 1; i <= columns.kept * PANEL<T> / WIDTH<T>; i++)
                    store(back - i * WIDTH<T>, load(from - i * WIDTH<T>));
            }
        }
        if (to) pass(columns.passing, above, op.out, to, op.in, panels);
    }

    void residual(const Operation& op, const T* w, const T* from, const T* before, T* to, int64_t panels) {
        if (!op.slots) return add(from, before, to, panels * op.out * PANEL<T>);
        const Dense<T> dense(place(op.slot), op.in, op.out);
        for (int64_t p = 0; p < panels && !order.stopped(); p++) {
            dense.forward(1, w, nullptr, before + p * op.in * PANEL<T>, other);
            add(from + p * op.out * PANEL<T>, other, to + p * op.out * PANEL<T>, op.out * PANEL<T>);
        }
    }

    // Every view of the rows in so many panels: the units times its own factors.
    void look(const Operation& op, const T* w, const T* from, T* to, int64_t panels) {
        const Place& at = place(op.slot);
        for (int64_t j = 0; j < op.option && !order.stopped(); j++)
            for (int64_t p = 0; p < panels; p++)
                for (int64_t u = 0; u < op.out; u++, to += PANEL<T>) {
                    const Vector<T> factor = splat(w[at.start + j * at.row + u]);
                    const T* x = from + (p * op.out + u) * PANEL<T>;
                    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) store(to + k, load(x + k) * factor);
                }
    }

    void look_back(const Operation& op, const T* w, T* g, const T* x, const T* from, T* to, int64_t panels) {
        const Place& at = place(op.slot);
        const int64_t panel = op.out * PANEL<T>;
        for (int64_t u = 0; u < op.out && !order.stopped(); u++)
            for (int64_t j = 0; j < op.option; j++) {
                Vector<T> sum = splat(T(0));
                const Vector<T> factor = splat(w[at.start + j * at.row + u]);
                for (int64_t p = 0; p < panels; p++)
                    for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
                        const int64_t entered = p * panel + u * PANEL<T> + k;
                        const Vector<T> above = load(from + j * panels * panel + entered);
                        sum += above * load(x + entered);
                        if (to) store(to + entered, j ? load(to + entered) + above * factor : above * factor);
                    }
                g[at.start + j * at.row + u] = sum_of<T>(sum);
            }
    }

    // The heads of all views, `panels` a view: their outputs in training, else what these come to.
    void heads(const Operation& op, const T* w, const T* from, T* to, int64_t panels, bool training) {
        const Dense<T> dense(place(op.slot), op.in, op.out);
        const T *weights_of = w + dense.place.start, *bias = w + place(op.slot + 1).start;
        const int64_t view = panels * op.in * PANEL<T>, units = op.out * PANEL<T>;
        for (int64_t p = 0; p < panels && !order.stopped(); p++) {
            for (int64_t j = 0; j < op.option; j++)
                panels_product(1, op.out, op.in, weights_of + j * op.out * dense.of_unit, dense.of_unit, dense.of_input,
                               from + j * view + p * op.in * PANEL<T>,
                               training ? to + (j * panels + p) * units : all + j * units, bias + j * op.out);
            if (!training) view_mean(ViewMean(int(op.numbers[0])), op.option, op.out, all, to + p * units);
        }
    }

    void heads_back(const Operation& op, const T* w, T* g, const T* x, const T* from, T* to, int64_t panels) {
        const Dense<T> dense(place(op.slot), op.in, op.out);
        const T* weights_of = w + dense.place.start;
        const int64_t row = row_length<T>(op.in), in = op.in * PANEL<T>, out = op.out * PANEL<T>;
        T *gradient = g + dense.place.start, *of_bias = g + place(op.slot + 1).start;
        for (int64_t j = 0; j < op.option && !order.stopped(); j++, x += panels * in, from += panels * out) {
            for (int64_t first = 0; first < panels && !order.stopped(); first += chunk) {
                const int64_t some = panels - first < chunk ? panels - first : chunk;
                for (int64_t p = 0; p < some; p++) transpose_panel(op.in, x + (first + p) * in, p, some, turned);
                // (units, inputs), whichever way round the weights lie: those of one head need not begin at a vector
                gradient_product(op.out, op.in, some, from + first * out, out, turned, turned_heads, row, first > 0);
            }
            for (int64_t u = 0; u < op.out; u++) {
                T* own = gradient + (j * op.out + u) * dense.of_unit;
                for (int64_t i = 0; i < op.in; i++) own[i * dense.of_input] = turned_heads[u * row + i];
                of_bias[j * op.out + u] = sum_over_rows(from + u * PANEL<T>, out, panels);
            }
            if (to)
                for (int64_t p = 0; p < panels && !order.stopped(); p++)
                    panels_product(1, op.in, op.out, weights_of + j * op.out * dense.of_unit, dense.of_input,
                                   dense.of_unit, from + p * out, to + (j * panels + p) * in, (const T*)nullptr);
        }
    }
};

}  // namespace
