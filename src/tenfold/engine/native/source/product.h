// Matrix products of the sizes that a network on tables has: any number of rows, inner numbers and columns.
//
// What flows through a network lies in panels: PANEL neighbouring rows of a batch are the columns of a matrix whose rows
// are the units, (units, PANEL), so that a panel is as wide as a tile of a product and lies in memory as it is read.
#pragma once

#include <stddef.h>

#include "vector.h"

namespace {

// Rows of a batch in a panel.
template <typename T>
constexpr int PANEL = 2 * WIDTH<T>;

// Rows of a tile, whose sums stay in registers: two vectors a row, and three registers for the operands.
constexpr int TILE_ROWS = VECTOR_REGISTERS == 32 ? 12 : 6;

// Inner numbers that are worked off at a time: so much of a panel stays in the first-level cache.
constexpr int64_t INNER_BLOCK = 24 * 1024 / (2 * VECTOR_BYTES);

// ROWS x VECTORS of C (+)= A B. a: number (i, k) at a[i * a_row + k * a_inner]; b: row k at b + k * b_row, its vectors
// side by side; c: row i at c + i * c_row. start: what each row of C begins with, null for 0; add: C itself.
template <typename T, int ROWS, int VECTORS>
ALWAYS_INLINE void tile(int64_t inner, const T* a, int64_t a_row, int64_t a_inner, const T* b, int64_t b_row, T* c,
                        int64_t c_row, const T* start, bool add) {
    Vector<T> sum[ROWS][VECTORS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++)
            sum[i][j] = add ? load(c + i * c_row + j * WIDTH<T>) : splat(start ? start[i] : T(0));
    for (int64_t k = 0; k < inner; k++) {
        Vector<T> right[VECTORS];
        for (int j = 0; j < VECTORS; j++) right[j] = load(b + k * b_row + j * WIDTH<T>);
        for (int i = 0; i < ROWS; i++) {
            const Vector<T> left = splat(a[i * a_row + k * a_inner]);
            for (int j = 0; j < VECTORS; j++) sum[i][j] += left * right[j];
        }
    }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++) store(c + i * c_row + j * WIDTH<T>, sum[i][j]);
}

// The rows that whole tiles leave over.
template <typename T, int ROWS, int VECTORS>
ALWAYS_INLINE void rest(int64_t rows, int64_t inner, const T* a, int64_t a_row, int64_t a_inner, const T* b,
                        int64_t b_row, T* c, int64_t c_row, const T* start, bool add) {
    if constexpr (ROWS > 0) {
        if (rows == ROWS)
            tile<T, ROWS, VECTORS>(inner, a, a_row, a_inner, b, b_row, c, c_row, start, add);
        else
            rest<T, ROWS - 1, VECTORS>(rows, inner, a, a_row, a_inner, b, b_row, c, c_row, start, add);
    }
}

// C (+)= A B for a block of B that is VECTORS wide; see `tile`.
template <typename T, int VECTORS>
__attribute__((noinline)) void product(int64_t rows, int64_t inner, const T* a, int64_t a_row, int64_t a_inner, const T* b,
                                       int64_t b_row, T* c, int64_t c_row, const T* start, bool add) {
    int64_t i = 0;
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
        tile<T, TILE_ROWS, VECTORS>(inner, a + i * a_row, a_row, a_inner, b, b_row, c + i * c_row, c_row,
                                    start ? start + i : nullptr, add);
    rest<T, TILE_ROWS - 1, VECTORS>(rows - i, inner, a + i * a_row, a_row, a_inner, b, b_row, c + i * c_row, c_row,
                                    start ? start + i : nullptr, add);
}

// One panel of what flows: to (rows, PANEL) = A from + start, from (inner, PANEL).
template <typename T>
ALWAYS_INLINE void panel_product(int64_t rows, int64_t inner, const T* a, int64_t a_row, int64_t a_inner, const T* from,
                                 T* to, const T* start) {
    if (inner == 0) product<T, 2>(rows, 0, a, a_row, a_inner, from, PANEL<T>, to, PANEL<T>, start, false);
    for (int64_t k = 0; k < inner; k += INNER_BLOCK) {
        const int64_t some = inner - k < INNER_BLOCK ? inner - k : INNER_BLOCK;
        product<T, 2>(rows, some, a + k * a_inner, a_row, a_inner, from + k * PANEL<T>, PANEL<T>, to, PANEL<T>, start,
                      k > 0);
    }
}

// Bytes of the left operand that are taken through all panels at a time: they stay in the second-level cache.
constexpr int64_t LEFT_BYTES = 96 * 1024;

// All panels of what flows: see `panel_product`.
template <typename T>
void panels_product(int64_t panels, int64_t rows, int64_t inner, const T* a, int64_t a_row, int64_t a_inner, const T* from,
                    T* to, const T* start) {
    const int64_t fitting = LEFT_BYTES / ((inner ? inner : 1) * int64_t(sizeof(T))) / TILE_ROWS * TILE_ROWS;
    const int64_t some = fitting < TILE_ROWS ? TILE_ROWS : fitting;
    for (int64_t i = 0; i < rows; i += some)
        for (int64_t p = 0; p < panels; p++)
            panel_product(rows - i < some ? rows - i : some, inner, a + i * a_row, a_row, a_inner,
                          from + p * inner * PANEL<T>, to + (p * rows + i) * PANEL<T>, start ? start + i : nullptr);
}

// ROWS x VECTORS of C (+)= sum over panels of A_p B_p: a gradient of weights. left: panel p at left + p * left_panel, its
// row i at i * PANEL; right: the rows of all panels one behind the other, each two vectors wide.
template <typename T, int ROWS, int VECTORS>
ALWAYS_INLINE void gradient_tile(int64_t panels, const T* left, int64_t left_panel, const T* right, T* c, int64_t c_row,
                                 bool add) {
    Vector<T> sum[ROWS][VECTORS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++) sum[i][j] = add ? load(c + i * c_row + j * WIDTH<T>) : splat(T(0));
    for (int64_t p = 0; p < panels; p++, left += left_panel)
        for (int64_t k = 0; k < PANEL<T>; k++, right += PANEL<T>) {
            Vector<T> row[VECTORS];
            for (int j = 0; j < VECTORS; j++) row[j] = load(right + j * WIDTH<T>);
            for (int i = 0; i < ROWS; i++) {
                const Vector<T> number = splat(left[i * PANEL<T> + k]);
                for (int j = 0; j < VECTORS; j++) sum[i][j] += number * row[j];
            }
        }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++) store(c + i * c_row + j * WIDTH<T>, sum[i][j]);
}

template <typename T, int ROWS, int VECTORS>
ALWAYS_INLINE void gradient_rest(int64_t rows, int64_t panels, const T* left, int64_t left_panel, const T* right, T* c,
                                 int64_t c_row, bool add) {
    if constexpr (ROWS > 0) {
        if (rows == ROWS)
            gradient_tile<T, ROWS, VECTORS>(panels, left, left_panel, right, c, c_row, add);
        else
            gradient_rest<T, ROWS - 1, VECTORS>(rows, panels, left, left_panel, right, c, c_row, add);
    }
}

template <typename T, int VECTORS>
__attribute__((noinline)) void gradient_strip(int64_t rows, int64_t panels, const T* left, int64_t left_panel,
                                              const T* right, T* c, int64_t c_row, bool add) {
    int64_t i = 0;
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
        gradient_tile<T, TILE_ROWS, VECTORS>(panels, left + i * PANEL<T>, left_panel, right, c + i * c_row, c_row, add);
    gradient_rest<T, TILE_ROWS - 1, VECTORS>(rows - i, panels, left + i * PANEL<T>, left_panel, right, c + i * c_row, c_row,
                                             add);
}

// C (rows, columns) (+)= left right^T over all rows of these panels. left: panels (rows, PANEL); right: what
// `transpose_panel` made of the panels of the other operand.
template <typename T>
ALWAYS_INLINE void gradient_product(int64_t rows, int64_t columns, int64_t panels, const T* left, int64_t left_panel,
                                    const T* right, T* c, int64_t c_row, bool add) {
    for (int64_t j = 0; j < columns; j += PANEL<T>) {
        const T* strip = right + j * panels * PANEL<T>;
        if (columns - j > WIDTH<T>)
            gradient_strip<T, 2>(rows, panels, left, left_panel, strip, c + j, c_row, add);
        else
            gradient_strip<T, 1>(rows, panels, left, left_panel, strip, c + j, c_row, add);
    }
}

template <int... PLACES>
struct Places {};

template <int COUNT, int... PLACES>
struct PlacesTo : PlacesTo<COUNT - 1, COUNT - 1, PLACES...> {};

template <int... PLACES>
struct PlacesTo<0, PLACES...> {
    typedef Places<PLACES...> type;
};

template <typename T, int DISTANCE, int... J>
ALWAYS_INLINE void exchange(Vector<T>& a, Vector<T>& b, Places<J...>) {
    const Vector<T> low = __builtin_shufflevector(a, b, ((J & DISTANCE) == 0 ? J : WIDTH<T> + J - DISTANCE)...);
    b = __builtin_shufflevector(a, b, ((J & DISTANCE) == 0 ? J + DISTANCE : WIDTH<T> + J)...);
    a = low;
}

template <typename T, int DISTANCE>
ALWAYS_INLINE void exchange_all(Vector<T>* rows) {
    if constexpr (DISTANCE > 0) {
        for (int i = 0; i < WIDTH<T>; i++)
            if ((i & DISTANCE) == 0)
                exchange<T, DISTANCE>(rows[i], rows[i + DISTANCE], typename PlacesTo<WIDTH<T>>::type());
        exchange_all<T, DISTANCE / 2>(rows);
    }
}

// A square of WIDTH rows, transposed in registers.
template <typename T>
ALWAYS_INLINE void transpose_square(const T* from, int64_t from_row, int64_t rows, T* to, int64_t to_row) {
    Vector<T> square[WIDTH<T>];
    if (rows >= WIDTH<T>)
        for (int i = 0; i < WIDTH<T>; i++) square[i] = load(from + i * from_row);
    else
        for (int i = 0; i < WIDTH<T>; i++) square[i] = i < rows ? load(from + i * from_row) : splat(T(0));
    exchange_all<T, WIDTH<T> / 2>(square);
    for (int i = 0; i < WIDTH<T>; i++) store(to + i * to_row, square[i]);
}

// Panel (units, PANEL) number p of `panels` for `gradient_product`: strips of two vectors of units, in each the rows of
// all panels one behind the other. What is behind the last unit is 0.
template <typename T>
void transpose_panel(int64_t units, const T* panel, int64_t p, int64_t panels, T* to) {
    for (int64_t u = 0; u < units; u += WIDTH<T>) {
        T* strip = to + u / PANEL<T> * PANEL<T> * panels * PANEL<T> + u % PANEL<T>;
        for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>)
            transpose_square(panel + u * PANEL<T> + k, PANEL<T>, units - u, strip + (p * PANEL<T> + k) * PANEL<T>,
                             PANEL<T>);
    }
}

// Rows of a table, PANEL of them with `row` numbers each (a multiple of WIDTH), as a panel (row, PANEL).
template <typename T>
void panel_of_rows(int64_t row, const T* const* rows, T* panel) {
    for (int64_t u = 0; u < row; u += WIDTH<T>)
        for (int64_t k = 0; k < PANEL<T>; k += WIDTH<T>) {
            Vector<T> square[WIDTH<T>];
            for (int i = 0; i < WIDTH<T>; i++) square[i] = load_anywhere(rows[k + i] + u);
            exchange_all<T, WIDTH<T> / 2>(square);
            for (int i = 0; i < WIDTH<T>; i++) store(panel + (u + i) * PANEL<T> + k, square[i]);
        }
}

// The sum of a vector's numbers, in a fixed order.
template <typename T>
ALWAYS_INLINE T sum_of(Vector<T> x) {
    T numbers[WIDTH<T>] __attribute__((aligned(VECTOR_BYTES)));
    store(numbers, x);
    for (int half = WIDTH<T> / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) numbers[i] += numbers[i + half];
    return numbers[0];
}

}  // namespace
