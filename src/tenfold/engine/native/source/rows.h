// Rows of data as a network gets them: encoded, preprocessed, and laid out in panels; and what they are held against.
#pragma once

#include <math.h>
#include <string.h>

#include "interface.h"
#include "losses.h"
#include "network.h"

namespace {

// Every row is made by itself, so that its bits do not depend on the rows next to it.
template <typename T>
class Rows {
public:
    // inputs: how many numbers of a row enter the network; those behind them are 0.
    Rows(const Source& of, int64_t inputs, Memory& memory)
        : row(round_up(of.width, WIDTH<T>)), entering(round_up(inputs, WIDTH<T>)), source(of), made(memory.take<T>(of.table ? 1 : row * PANEL<T>)),
          numbers(memory.take<double>(of.columns + 1)), turned(memory.take<double>(of.columns + 1)) {}

    // Panel of PANEL rows; behind `count` the first one is repeated.
    void panel(const int64_t* rows, int64_t count, T* to) {
        const T* places[PANEL<T>];
        for (int64_t i = 0; i < PANEL<T>; i++) {
            const int64_t number = rows[i < count ? i : 0];
            if (source.table) {
                places[i] = (const T*)source.table + number * source.table_row;
            } else {
                places[i] = i < count ? made + i * row : made;
                if (i < count) encode(number, made + i * row);
            }
        }
        panel_of_rows(entering, places, to);
    }

    // Rows 0 .. count - 1 into a table.
    void table(int64_t count, T* to, int64_t to_row) {
        for (int64_t i = 0; i < count; i++) {
            encode(i, made);
            memcpy(to + i * to_row, made, size_t(source.width) * sizeof(T));
        }
    }

    // One row: numbers with what is missing filled in, shifted, scaled, rotated and bent; then flags and categories.
    void encode(int64_t number, T* to) {
        const int64_t columns = source.columns;
        for (int64_t i = 0; i < columns; i++)
            numbers[i] = source.pixels ? source.pixels[number * columns + i] / 255.0 : source.numbers[number * columns + i];
        T* behind = to + columns;
        for (int64_t i = 0; i < row - columns; i++) behind[i] = T(0);
        for (int64_t i = 0; i < source.gap_count; i++) {
            const int64_t column = source.gaps[i];
            if (numbers[column] == numbers[column]) continue;
            numbers[column] = source.medians[column];
            if (source.flags[i] < source.behind) behind[source.flags[i]] = T(1);
        }
        for (int64_t i = 0; i < source.code_count; i++) {
            const int64_t code = source.codes[number * source.code_count + i], column = source.code_columns[code];
            if (column < source.behind) behind[column] = source.code_rows ? T(source.code_rows[code]) : T(1);
        }
        for (int64_t i = 0; i < columns; i++) numbers[i] = (numbers[i] - source.shift[i]) / source.scale[i];
        if (source.rotation) {
            for (int64_t j = 0; j < columns; j++) turned[j] = 0;
            for (int64_t i = 0; i < columns; i++)
                for (int64_t j = 0; j < columns; j++) turned[j] += numbers[i] * source.rotation[i * columns + j];
        }
        const double* done = source.rotation ? turned : numbers;
        for (int64_t i = 0; i < columns; i++) {
            double z = done[i];
            if (source.knots) z = on_line(z, source.knots + i * source.knot_count, source.heights + i * source.knot_count);
            to[i] = T(source.limit ? bent(z, source.limit[i]) : z);
        }
    }

private:
    // The height at x of the line through the points, level beyond both ends; the last knots may be equal.
    double on_line(double x, const double* knots, const double* heights) const {
        int64_t left = 0, right = source.knot_count;  // knots before `left` are not above x, those from `right` on are
        while (left < right) {
            const int64_t middle = left + (right - left) / 2;
            if (knots[middle] <= x)
                left = middle + 1;
            else
                right = middle;
        }
        left = left < 1 ? 0 : left - 1 > source.knot_count - 2 ? source.knot_count - 2 : left - 1;
        const double width = knots[left + 1] - knots[left], share = (x - knots[left]) / (width > 0 ? width : 1.0);
        const double between = share < 0 ? 0.0 : share > 1 ? 1.0 : share;
        return heights[left] + between * (heights[left + 1] - heights[left]);
    }

    // Between -limit and limit. The square of what is further out than FAR is infinite; there it is the limit.
    static double bent(double z, double limit) {
        constexpr double FAR = 1e8;
        const double ratio = z / limit, far = ratio > FAR ? FAR : ratio < -FAR ? -FAR : ratio;
        return limit * (far / sqrt(1 + far * far));
    }

    const int64_t row, entering;  // numbers of a row and those of it that enter, with what fills their last vector
    const Source& source;
    T* made;
    double *numbers, *turned;
};

// What a vector of rows is held against; behind `count` the first one is repeated.
template <typename T>
ALWAYS_INLINE Aim<T> aim_of(const Target& target, const int64_t* rows, int64_t first, int64_t count) {
    Aim<T> aim;
    for (int i = 0; i < WIDTH<T>; i++) {
        const int64_t number = rows[first + i < count ? first + i : 0];
        if (target.classes)
            aim.classes[i] = target.classes[number];
        else
            aim.numbers[i] = T((target.numbers[number] - target.mean) / target.scale);
    }
    return aim;
}

// Uniform numbers as numpy's SFC64 draws them.
class Uniform {
public:
    void start(const uint64_t* state) {
        memcpy(words, state, sizeof words);
    }

    // The next `count` numbers in [0, 1), an even count: the lower half of a word is drawn before the upper one.
    void fill(float* to, int64_t count) {
        for (int64_t i = 0; i < count; i += 2) {
            const uint64_t bits = word();
            to[i] = float(uint32_t(bits) >> 8) * (1.0f / 16777216.0f);
            to[i + 1] = float(uint32_t(bits >> 32) >> 8) * (1.0f / 16777216.0f);
        }
    }

    void skip(int64_t count) {
        for (int64_t i = 0; i < count; i += 2) word();
    }

private:
    uint64_t words[4];

    uint64_t word() {
        const uint64_t sum = words[0] + words[1] + words[3]++;
        words[0] = words[1] ^ (words[1] >> 11);
        words[1] = words[2] + (words[2] << 3);
        words[2] = ((words[2] << 24) | (words[2] >> 40)) + sum;
        return sum;
    }
};

}  // namespace
