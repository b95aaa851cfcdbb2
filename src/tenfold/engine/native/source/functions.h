// Elementary functions of vectors, without a branch and without a table, within 2 units in the last place.
//
// NaN stays NaN, and infinities and the ends of the range are right. Results below the smallest normal number may be 0,
// as they are anyway where the processor flushes them.
//
// The coefficients of the polynomials are weighted least squares on Chebyshev nodes, reweighted towards the smallest
// largest error (Lawson), in 50 digits (mpmath); the comment at each says of which function, where, and how far off.
// Those of the logarithm are fdlibm's.
#pragma once

#include "vector.h"

namespace {

template <typename T>
struct UnsignedOf;

template <>
struct UnsignedOf<float> {
    typedef uint32_t type __attribute__((vector_size(VECTOR_BYTES)));
};

template <>
struct UnsignedOf<double> {
    typedef uint64_t type __attribute__((vector_size(VECTOR_BYTES)));
};

// The bits of a vector's numbers, of which a shift to the right fills up with zeros.
template <typename T>
using Bits = typename UnsignedOf<T>::type;

// How a number is stored: the bits of its fraction, the bias of its exponent, and what the two give.
template <typename T>
struct Format;

template <>
struct Format<float> {
    static constexpr int FRACTION = 23;
    static constexpr int BIAS = 127;
    static constexpr uint32_t SIGN = 0x80000000u;
    static constexpr uint32_t ROOT_HALF = 0x3f3504f3u;  // the bits of sqrt(1/2)
    static constexpr float SMALLEST_NORMAL = 0x1p-126f;
};

template <>
struct Format<double> {
    static constexpr int FRACTION = 52;
    static constexpr int BIAS = 1023;
    static constexpr uint64_t SIGN = 0x8000000000000000u;
    static constexpr uint64_t ROOT_HALF = 0x3fe6a09e667f3bcdu;
    static constexpr double SMALLEST_NORMAL = 0x1p-1022;
};

template <typename T>
constexpr bool IS_DOUBLE = sizeof(T) == 8;

template <typename T>
constexpr T INFINITE = T(__builtin_inf());

template <typename T>
constexpr T NOT_A_NUMBER = T(__builtin_nan(""));

template <typename T>
ALWAYS_INLINE Vector<T> absolute(Vector<T> x) {
    return (Vector<T>)((Bits<T>)x & ~Format<T>::SIGN);
}

// The size of one number with the sign of another.
template <typename T>
ALWAYS_INLINE Vector<T> with_sign_of(Vector<T> size, Vector<T> sign) {
    return (Vector<T>)((Bits<T>)size | ((Bits<T>)sign & Format<T>::SIGN));
}

// The larger or the smaller of a number and a bound; of NaN, NaN.
template <typename T>
ALWAYS_INLINE Vector<T> at_least(Vector<T> x, T bound) {
    return x < bound ? splat<T>(bound) : x;
}

template <typename T>
ALWAYS_INLINE Vector<T> at_most(Vector<T> x, T bound) {
    return x > bound ? splat<T>(bound) : x;
}

// c0 + c1 x + c2 x^2 + ..., pair by pair in x^2: half as long a chain as number by number.
template <typename T>
ALWAYS_INLINE Vector<T> pairs(Vector<T>, Vector<T>, double c0) {
    return splat<T>(T(c0));
}

template <typename T, typename... Rest>
ALWAYS_INLINE Vector<T> pairs(Vector<T> x, Vector<T> square, double c0, double c1, Rest... rest) {
    const Vector<T> pair = x * T(c1) + T(c0);
    if constexpr (sizeof...(rest) > 0)
        return pair + square * pairs<T>(x, square, rest...);
    else
        return pair;
}

template <typename T, typename... Coefficients>
ALWAYS_INLINE Vector<T> polynomial(Vector<T> x, Coefficients... coefficients) {
    return pairs<T>(x, x * x, coefficients...);
}

// x = n ln 2 + (rest + low): n the nearest whole number, low what rest has lost, and n + bias in the last bits of field.
template <typename T>
struct Reduced {
    Bits<T> field;
    Vector<T> rest;
    Vector<T> low;
};

template <typename T>
ALWAYS_INLINE Reduced<T> reduce(Vector<T> x, int bias) {
    // Added to this number, a sum has no bits behind the point: it is rounded, and its last bits are a whole number.
    const T rounder = T(1.5) * T(int64_t(1) << Format<T>::FRACTION) + T(bias);
    constexpr T PER_LN2 = T(1.4426950408889634);
    constexpr T LN2_HIGH = IS_DOUBLE<T> ? T(6.93147180369123816490e-01) : T(0.693359375);  // ends in zeros: n times it
    constexpr T LN2_LOW = IS_DOUBLE<T> ? T(1.90821492927058770002e-10) : T(-2.12194440e-4);  // is exact
    const Vector<T> shifted = x * PER_LN2 + rounder;
    const Vector<T> n = shifted - rounder;
    const Vector<T> high = x - n * LN2_HIGH;
    const Vector<T> rest = high - n * LN2_LOW;
    return {(Bits<T>)shifted, rest, (high - rest) - n * LN2_LOW};
}

// 2^n from a field with n + BIAS in its last bits; 0 where that is 0.
template <typename T>
ALWAYS_INLINE Vector<T> power_of_two(Bits<T> field) {
    return (Vector<T>)(field << Format<T>::FRACTION);
}

// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2: times r^2 off by 2^-57.8 and 2^-28.2.
template <typename T>
ALWAYS_INLINE Vector<T> exponential_rest(Vector<T> r) {
    if constexpr (IS_DOUBLE<T>)
        return polynomial<T>(r, 0.500000000000001, 0.1666666666666669, 0.041666666666532896, 0.008333333333311736,
                             0.0013888888943137483, 0.00019841269908469925, 2.4801493441775513e-05,
                             2.755722367733453e-06, 2.7630171320690614e-07, 2.5115668223971345e-08);
    else
        return polynomial<T>(r, 0.5, 0.166665196, 0.0416662171, 0.00836878642, 0.00139497488);
}

template <typename T>
ALWAYS_INLINE Vector<T> exponential_of_reduced(Vector<T> r) {
    return (r * r * exponential_rest<T>(r) + r) + T(1);
}

// Here n is -BIAS, which gives a field, and so a power, of 0: the exponential below the smallest normal number.
template <typename T>
constexpr T ZERO_BELOW = IS_DOUBLE<T> ? T(-709) : T(-88.1);

// exp of numbers up to 60; faster than `exponential`. Below the smallest normal number it is 0.
template <typename T>
ALWAYS_INLINE Vector<T> exponential_up_to_60(Vector<T> x) {
    const Reduced<T> reduced = reduce<T>(at_least<T>(x, ZERO_BELOW<T>), Format<T>::BIAS);
    return exponential_of_reduced<T>(reduced.rest) * power_of_two<T>(reduced.field);
}

template <typename T>
ALWAYS_INLINE Vector<T> exponential(Vector<T> x) {
    // Bounds whose results are 0 and infinite, with an n that two powers of two can hold.
    constexpr T LOWEST = IS_DOUBLE<T> ? T(-746) : T(-104);
    constexpr T HIGHEST = IS_DOUBLE<T> ? T(710) : T(89);
    const Vector<T> inside = at_most<T>(at_least<T>(x, LOWEST), HIGHEST);
    const Reduced<T> reduced = reduce<T>(inside, 2 * Format<T>::BIAS);
    const Bits<T> half = reduced.field >> 1;
    return exponential_of_reduced<T>(reduced.rest) * power_of_two<T>(half) * power_of_two<T>(reduced.field - half);
}

// exp(r + low) - 1 for |r| <= ln(2) / 2.
template <typename T>
ALWAYS_INLINE Vector<T> exponential_minus_1_of_reduced(Vector<T> r, Vector<T> low) {
    return (r * r * exponential_rest<T>(r) + low) + r;
}

// exp(x) - 1 of numbers up to 0; faster than `exponential_minus_1`.
template <typename T>
ALWAYS_INLINE Vector<T> exponential_minus_1_up_to_0(Vector<T> x) {
    constexpr T LOWEST = IS_DOUBLE<T> ? T(-40) : T(-20);  // there it is -1
    const Reduced<T> reduced = reduce<T>(at_least<T>(x, LOWEST), Format<T>::BIAS);
    const Vector<T> power = power_of_two<T>(reduced.field);
    return power * exponential_minus_1_of_reduced<T>(reduced.rest, reduced.low) + (power - T(1));
}

template <typename T>
ALWAYS_INLINE Vector<T> exponential_minus_1(Vector<T> x) {
    constexpr T LOWEST = IS_DOUBLE<T> ? T(-40) : T(-20);
    constexpr T HIGHEST = IS_DOUBLE<T> ? T(710) : T(89);
    const Vector<T> inside = at_most<T>(at_least<T>(x, LOWEST), HIGHEST);
    const Reduced<T> reduced = reduce<T>(inside, 2 * Format<T>::BIAS);
    const Bits<T> half = reduced.field >> 1;
    // 2^n (exp(r) - 1 + 1 - 2^-n), with 2^(1 - n) since 2^-n has no field for the largest n.
    const Vector<T> inverse = power_of_two<T>(3 * Format<T>::BIAS + 1 - reduced.field);
    const Vector<T> sum =
        exponential_minus_1_of_reduced<T>(reduced.rest, reduced.low) + (T(1) - T(0.5) * inverse);
    return sum * power_of_two<T>(half) * power_of_two<T>(reduced.field - half);
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)), for positive normal numbers; k + BIAS stands in the field of an exponent.
template <typename T>
struct Parts {
    Bits<T> field;
    Vector<T> exponent;
    Vector<T> mantissa;
};

template <typename T>
ALWAYS_INLINE Parts<T> part(Vector<T> x) {
    using Whole = decltype(Format<T>::SIGN + 0);
    constexpr int FRACTION = Format<T>::FRACTION;
    constexpr Whole ONE = Whole(Format<T>::BIAS) << FRACTION;
    constexpr Whole INTEGERS = Whole(FRACTION + Format<T>::BIAS) << FRACTION;  // 2^FRACTION: whole numbers end its bits
    const Bits<T> bits = (Bits<T>)x;
    const Bits<T> number = (bits + (ONE - Format<T>::ROOT_HALF)) >> FRACTION;
    const Bits<T> field = number << FRACTION;
    const T bias = T(int64_t(1) << FRACTION) + T(Format<T>::BIAS);
    return {field, (Vector<T>)(number | INTEGERS) - bias, (Vector<T>)(bits - field + ONE)};
}

template <typename T>
constexpr T LOG_HIGH = IS_DOUBLE<T> ? T(6.93147180369123816490e-01) : T(6.9313812256e-01);

template <typename T>
constexpr T LOG_LOW = IS_DOUBLE<T> ? T(1.90821492927058770002e-10) : T(9.0580006145e-06);

// ln(2^exponent (1 + f)): with s = f / (2 + f), ln(1 + f) = f - f^2 / 2 + s (f^2 / 2 + R(s^2)).
template <typename T>
ALWAYS_INLINE Vector<T> logarithm_of_parts(Vector<T> exponent, Vector<T> f) {
    const Vector<T> half_square = T(0.5) * f * f;
    const Vector<T> s = f / (f + T(2));
    const Vector<T> z = s * s;
    Vector<T> r;
    if constexpr (IS_DOUBLE<T>)
        r = polynomial<T>(z, 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                          2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                          1.479819860511658591e-01);
    else
        r = polynomial<T>(z, 0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841);
    return ((s * (half_square + z * r) + exponent * LOG_LOW<T>) - half_square) + f + exponent * LOG_HIGH<T>;
}

template <typename T>
ALWAYS_INLINE Vector<T> logarithm(Vector<T> x) {
    constexpr T SCALE = T(int64_t(1) << (Format<T>::FRACTION + 2));  // makes the numbers below the normal ones normal
    const Mask<T> small = (Mask<T>)(x < Format<T>::SMALLEST_NORMAL);
    const Parts<T> parts = part<T>(small ? x * SCALE : x);
    const Vector<T> exponent = parts.exponent - (small ? splat<T>(T(Format<T>::FRACTION + 2)) : Vector<T>{});
    const Vector<T> inside = x < INFINITE<T> ? logarithm_of_parts<T>(exponent, parts.mantissa - T(1)) : x;
    const Vector<T> outside = x == T(0) ? splat<T>(-INFINITE<T>) : splat<T>(NOT_A_NUMBER<T>);
    return x > T(0) ? inside : outside;
}

template <typename T>
ALWAYS_INLINE Vector<T> logarithm_1_plus(Vector<T> x) {
    const Vector<T> sum = x + T(1);
    const Parts<T> parts = part<T>(sum);
    // What the sum has lost, in units of its mantissa: added, it gives x itself where the exponent is 0. The power is
    // 2^(1 - k), since 2^-k has no field for the largest k.
    const Vector<T> lost = x > T(1) ? T(1) - (sum - x) : x - (sum - T(1));
    const Bits<T> two = Bits<T>{} + (decltype(Format<T>::SIGN + 0)(2 * Format<T>::BIAS + 1) << Format<T>::FRACTION);
    const Vector<T> f = (parts.mantissa - T(1)) + lost * (T(0.5) * (Vector<T>)(two - parts.field));
    const Vector<T> inside = x < INFINITE<T> ? logarithm_of_parts<T>(parts.exponent, f) : x;
    const Vector<T> outside = x == T(-1) ? splat<T>(-INFINITE<T>) : splat<T>(NOT_A_NUMBER<T>);
    return x > T(-1) ? inside : outside;
}

// ln(1 + x) of numbers from 0 to 1; faster than `logarithm_1_plus`.
template <typename T>
ALWAYS_INLINE Vector<T> logarithm_1_plus_0_to_1(Vector<T> x) {
    const Mask<T> large = (Mask<T>)(x > T(0.41421356));  // 1 + x = 2 (1 + f) with f = (x - 1) / 2
    const Vector<T> exponent = large ? splat<T>(T(1)) : Vector<T>{};
    return logarithm_of_parts<T>(exponent, large ? (x - T(1)) * T(0.5) : x);
}

// Near 0 x + x^3 R(x^2), which keeps the digits of small numbers; beyond 1 - 2 / (exp(2 |x|) + 1), with the sign of x.
template <typename T>
ALWAYS_INLINE Vector<T> hyperbolic_tangent(Vector<T> x) {
    constexpr T ONE_FROM = IS_DOUBLE<T> ? T(20) : T(10);
    const Vector<T> size = absolute<T>(x);
    const Vector<T> square = x * x;
    const Mask<T> small = (Mask<T>)(size < T(0.625));
    const Vector<T> power = exponential_up_to_60<T>(T(2) * at_most<T>(size, ONE_FROM)) + T(1);
    if constexpr (IS_DOUBLE<T>) {
        // (tanh(x) / x - 1) / x^2 as a fraction, off by 2^-58.9; one division serves both.
        const Vector<T> above = polynomial<T>(square, -0.3333333333333333, -0.02049865937548369, -0.0001991718265119516);
        const Vector<T> below =
            polynomial<T>(square, 1.0, 0.46149597812644744, 0.023291144825462313, 0.00020652707886701036);
        const Vector<T> fraction = (small ? square * above : splat<T>(T(2))) / (small ? below : power);
        return small ? x + x * fraction : with_sign_of<T>(T(1) - fraction, x);
    } else {
        // The same as a polynomial: times x^2 off by 2^-27.6.
        const Vector<T> near = square * polynomial<T>(square, -0.333332956, 0.133317262, -0.0537599027, 0.0206970964,
                                                      -0.00576335937);
        return small ? x + x * near : with_sign_of<T>(T(1) - T(2) / power, x);
    }
}

// 1 / (1 + exp(-x)), with e = exp(-|x|), which cannot overflow: q = 1 / (1 + e) to the right, and to the left
// e q = e - e (e q), which rounds less.
template <typename T>
ALWAYS_INLINE Vector<T> sigmoid(Vector<T> x) {
    const Vector<T> power = exponential_up_to_60<T>(-absolute<T>(x));
    const Vector<T> share = (x < T(0) ? power : splat<T>(T(1))) / (power + T(1));
    return x < T(0) ? power - power * share : share;
}

// erf(x), given exp(-x^2): near 0 x + x R(x^2), beyond 1 - exp(-x^2) Q(t) with the sign of x.
template <typename T>
ALWAYS_INLINE Vector<T> error_function_given(Vector<T> x, Vector<T> exponential_of_minus_square) {
    constexpr T ONE_FROM = IS_DOUBLE<T> ? T(6) : T(4);
    constexpr T CENTRE = IS_DOUBLE<T> ? T(3) : T(2);
    const Vector<T> size = at_most<T>(absolute<T>(x), ONE_FROM);
    const Vector<T> square = size * size;
    const Vector<T> t = (size - CENTRE) / (size + CENTRE);
    Vector<T> near, far;
    // near: erf(x) / x - 1 for x^2 <= 1, off by 2^-56.9 and 2^-29.6. far: erfc(x) exp(x^2) as a function of
    // t = (x - 3) / (x + 3) for x in [1, 6], or (x - 2) / (x + 2) in [1, 4]; in erf(x) off by 2^-57.1 and 2^-34.6.
    if constexpr (IS_DOUBLE<T>) {
        near = polynomial<T>(square, 0.12837916709551256, -0.3761263890318352, 0.11283791670944178,
                             -0.02686617064311051, 0.005223977606110923, -0.000854832592896645, 0.00012055293566883879,
                             -1.4924712116643258e-05, 1.6447129365448082e-06, -1.6206297445522475e-07,
                             1.3710912172692342e-08, -7.779345195393578e-10);
        far = polynomial<T>(t, 0.17900115118135188, -0.32623356004599324, 0.2456038016641931, -0.15011593630569015,
                            0.07166585082771276, -0.024392321774051304, 0.004270385549008514, 0.0007132802805322306,
                            -0.0005808686521154449, 7.669151784910919e-05, 0.00010317734739471302,
                            1.527770921374959e-05);
    } else {
        near = polynomial<T>(square, 0.128379166, -0.37612626, 0.112835847, -0.0268538054, 0.00518831704,
                             -0.000801009941, 7.85355078e-05);
        far = polynomial<T>(t, 0.255395681, -0.427185863, 0.241657212, -0.0789874271, 0.00372795807, 0.00721048098);
    }
    return size < T(1) ? x + x * near : with_sign_of<T>(T(1) - exponential_of_minus_square * far, x);
}

template <typename T>
ALWAYS_INLINE Vector<T> error_function(Vector<T> x) {
    return error_function_given<T>(x, exponential_up_to_60<T>(-(x * x)));
}

// A number of turns without the whole ones: r - n, n the nearest whole number. Beyond where numbers have a fraction it is
// 0, of infinity NaN.
template <typename T>
ALWAYS_INLINE Vector<T> part_of_a_turn(Vector<T> r) {
    const T rounder = T(1.5) * T(int64_t(1) << Format<T>::FRACTION);
    constexpr T WHOLE_FROM = T(int64_t(1) << (Format<T>::FRACTION - 1));
    const Vector<T> nearest = (r + rounder) - rounder;
    return absolute<T>(r) >= WHOLE_FROM ? r - r : r - nearest;
}

// sin(2 pi s) for |s| <= 1/4, as s P(s^2): off by 2^-61.8 and 2^-27.5 of itself.
template <typename T>
ALWAYS_INLINE Vector<T> sine_of_a_quarter(Vector<T> s) {
    const Vector<T> square = s * s;
    if constexpr (IS_DOUBLE<T>)
        return s * polynomial<T>(square, 6.2831853071795865, -41.341702240399756, 81.605249276073403,
                                 -76.705859752798245, 42.058693923774789, -15.094641620295744, 3.8199270486237247,
                                 -0.71772358020525138, 0.10085639472002903);
    else
        return s * polynomial<T>(square, 6.28318527, -41.3416774, 81.6022292, -76.5749803, 39.7110432);
}

// sin(2 pi t) and cos(2 pi t) for |t| <= 1/2.
template <typename T>
ALWAYS_INLINE Vector<T> sine_of_a_turn(Vector<T> t) {
    return sine_of_a_quarter<T>(absolute<T>(t) > T(0.25) ? with_sign_of<T>(splat<T>(T(0.5)), t) - t : t);
}

template <typename T>
ALWAYS_INLINE Vector<T> cosine_of_a_turn(Vector<T> t) {
    return sine_of_a_quarter<T>(T(0.25) - absolute<T>(t));
}

}  // namespace
