// The vectors that everything is computed in: the compiler's own vector types, as wide as the registers of the level of
// the processor that a file is compiled for. No intrinsics, no library.
#pragma once

#include <stdint.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define VECTOR_REGISTERS 32
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define VECTOR_REGISTERS 16
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define VECTOR_REGISTERS 32
#else
#define VECTOR_BYTES 16
#define VECTOR_REGISTERS 16
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Every level of the processor compiles these files once more: nothing of one may be linked into another.
namespace {

template <typename T>
struct VectorOf;

template <>
struct VectorOf<float> {
    typedef float type __attribute__((vector_size(VECTOR_BYTES)));
    typedef int32_t bits __attribute__((vector_size(VECTOR_BYTES)));
    typedef int32_t whole;
    typedef float anywhere __attribute__((vector_size(VECTOR_BYTES), aligned(4)));
};

template <>
struct VectorOf<double> {
    typedef double type __attribute__((vector_size(VECTOR_BYTES)));
    typedef int64_t bits __attribute__((vector_size(VECTOR_BYTES)));
    typedef int64_t whole;
    typedef double anywhere __attribute__((vector_size(VECTOR_BYTES), aligned(8)));
};

template <typename T>
using Vector = typename VectorOf<T>::type;

// What a comparison of two vectors gives: -1 where it holds, 0 elsewhere. `mask ? a : b` chooses number by number.
template <typename T>
using Mask = typename VectorOf<T>::bits;

// Numbers of a vector.
template <typename T>
constexpr int WIDTH = VECTOR_BYTES / int(sizeof(T));

constexpr int64_t round_up(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

template <typename T>
ALWAYS_INLINE Vector<T> splat(T x) {
    return x - Vector<T>{};
}

// From and to places that are aligned as a vector is.
template <typename T>
ALWAYS_INLINE Vector<T> load(const T* from) {
    return *(const Vector<T>*)from;
}

// From a place that need not be aligned.
template <typename T>
ALWAYS_INLINE Vector<T> load_anywhere(const T* from) {
    return *(const typename VectorOf<T>::anywhere*)from;
}

template <typename T>
ALWAYS_INLINE void store(T* to, Vector<T> x) {
    *(Vector<T>*)to = x;
}

ALWAYS_INLINE float root(float x) { return __builtin_sqrtf(x); }
ALWAYS_INLINE double root(double x) { return __builtin_sqrt(x); }

}  // namespace
