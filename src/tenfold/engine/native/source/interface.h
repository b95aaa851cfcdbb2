// What Python hands over; the same records are in engine/native/records.py. Every number has 8 bytes, so that both sides
// agree on where it lies.
#pragma once

#include <stdint.h>

enum OperationKind {
    DENSE = 0,
    ACTIVATION = 1,
    BATCH_NORMALIZATION = 2,
    GROUP_NORMALIZATION = 3,
    DROPOUT = 4,
    PRELU = 5,
    MAXOUT = 6,
    RESIDUAL_BEGIN = 7,
    RESIDUAL_END = 8,
    SCALE = 9,
    WAVES = 10,
    COLUMN_MAP = 11,
    PARAMETRIC = 12,
    VIEWS = 13,
    HEADS = 14,
    BINS = 15,
    LOOKUP = 16,
};

enum Phase { GRADIENT = 1, MOVE = 2 };

enum Failure { NO_MEMORY = -1, STOPPED = -2 };

// One operation of a network. in, out: units that enter and leave; slot: the first of its parameters (-1: none), slots:
// how many; option: of an activation, parametric or not, its number, of a group normalization its groups, of maxout its
// pieces, of PReLU its slopes, of dropout its place in `Draws`, of views and heads how many; stored: how many numbers a
// dropout draws for each row; mean, var: where its running moments begin; numbers: eps, then keep (-1: cumulative),
// unbiased; or the slope of an activation, or the rate of a dropout, or of heads what their mean is (see views.h). The
// heads' weights lie side by side: (in, option * out). WAVES, COLUMN_MAP and BINS act on the first columns of a row,
// `option` of them. numbers of WAVES: frequencies, and whether there are phases, and the column itself in front; of
// COLUMN_MAP: numbers of a column that enter and that leave, how many of them are kept, the first ones, and whether the
// others are rectified; of BINS: how many a column has. LOOKUP acts on `option` columns, each of which holds a row of its
// table; numbers: how many columns are in front of them, and how many numbers a row of the table has.
struct Operation {
    int64_t kind, in, out, slot, slots, option, stored, mean, var;
    double numbers[4];
};

// One parameter in a lane's row of state: (rows, columns) of which `stored` columns lie there in each row.
struct Slot {
    int64_t start, rows, columns, stored, weight;
};

struct Network {
    const Operation* operations;
    const Slot* slots;
    int64_t operation_count, slot_count, inputs, outputs, total, moment_total;
};

// Rows of data and what a fold and a recipe make of them. table: encoded rows (rows, table_row) if there are any; else
// numbers (rows, columns) or pixels, with medians and flags for what is missing, codes of categories with the column that
// each turns on and what it writes there (1 where `code_rows` is null), shift and scale, and a rotation (columns, columns)
// or null.
struct Source {
    const void* table;
    int64_t table_row;
    const double* numbers;
    const uint8_t* pixels;
    int64_t columns, width;
    const double *medians, *shift, *scale, *rotation, *limit, *knots, *heights;
    int64_t knot_count;
    int64_t gap_count;
    const int64_t *gaps, *flags;
    int64_t code_count;
    const int64_t *codes, *code_columns;
    const double* code_rows;
    int64_t behind;
};

// What rows are held against: classes, or numbers from which `mean` is taken and which are divided by `scale`.
struct Target {
    const int64_t* classes;
    const double* numbers;
    double mean, scale;
};

// How weights are moved. family: see optimizers.h; coefficients: eleven for each update (see `coefficient_table`);
// rate_factors: what multiplies the steps of each slot, or null.
struct Rule {
    int64_t family;
    const double *coefficients, *rate_factors;
    double l1, clip_norm, clip_value, max_norm, average;
    int64_t decoupled;
};

// The uniform numbers of one dropout: the state of a generator for every `updates` updates, beginning with those of
// block `first`.
struct Draws {
    const uint64_t* states;
    int64_t updates, first;
};

// One lane and the work on it. Rows of state, null where the optimizer keeps none: parameters, running moments, the first
// and second moment, the largest second moment or the moment of steps, and the running average.
struct Training {
    Network network;
    Source source;
    Target target;
    Rule rule;
    int64_t loss;
    double loss_numbers[2];
    const Draws* draws;
    const double* dropout_trend;   // of each update: what multiplies the rates of dropout; or null
    const int64_t* const* orders;  // of each epoch from that of update `first` on: rows (updates, batch)
    int64_t batch, train_rows, per_epoch;
    int64_t first, last;           // updates to make: first .. last - 1
    int64_t phases;
    void *w, *moments, *first_moment, *second_moment, *third_moment, *average;
    void* gradient;                // where it goes, or where it comes from if only MOVE is asked for; else null
    double* losses;                // of each update, or null
    double* loss_sum;              // of the epoch under way
    int64_t* bad;                  // the first update whose loss was not finite, or -1
    const int64_t* validation;
    int64_t validation_rows;
    const double* reported;        // of each epoch: the share of the first moment that is added to what is reported; or null
    void* outputs;                 // (epochs, validation_rows, outputs), or null
    double* epoch_losses;          // (epochs,)
    void *epoch_w, *epoch_moments; // of each epoch: the parameters and the running moments after it; or null
    const int32_t* stop;
};

// Rows that a trained network predicts.
struct Prediction {
    Network network;
    Source source;
    const void *w, *moments;
    const int64_t* rows;           // null: 0, 1, ...
    int64_t row_count;
    void* outputs;                 // (row_count, outputs)
    const int32_t* stop;
};
