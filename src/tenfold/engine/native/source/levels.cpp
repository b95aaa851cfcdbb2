// What Python asks before it calls anything else. Compiled once, for any processor.
#include "exports.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Raised by one whenever an exported function changes: library.py refuses a library with another number than its own.
EXPORT int tenfold_interface(void) { return 6; }

#if defined(__x86_64__)
// Asked of the processor itself: __builtin_cpu_supports needs a piece of the compiler's runtime, which not every
// compiler has (Zig's answers "no" to everything).
struct Registers {
    unsigned a, b, c, d;
};

static Registers ask(unsigned leaf) {
    Registers said = {0, 0, 0, 0};
    __get_cpuid_count(leaf, 0, &said.a, &said.b, &said.c, &said.d);
    return said;
}

// The registers that the operating system keeps over a change of thread, one bit a kind. To be asked only where the
// processor says (OSXSAVE) that it can.
static unsigned kept_registers(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool all(unsigned bits, unsigned of) { return (bits & of) == of; }

static const char* best_level(void) {
    const unsigned basic = ask(1).c, extended = ask(7).b, amd = ask(0x80000001).c;
    const unsigned of_v2 = bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B;
    const unsigned of_v3 = bit_AVX | bit_FMA | bit_F16C | bit_MOVBE | bit_OSXSAVE;
    const unsigned of_v3_extended = bit_AVX2 | bit_BMI | bit_BMI2;
    const unsigned of_v4 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    const unsigned lzcnt = 1 << 5, registers_of_avx = 0x6, registers_of_avx512 = 0xe6;
    if (!all(basic, of_v2)) return "plain";
    if (!all(basic, of_v3) || !all(extended, of_v3_extended) || !all(amd, lzcnt)) return "v2";
    if (!all(kept_registers(), registers_of_avx)) return "v2";
    if (!all(extended, of_v4) || !all(kept_registers(), registers_of_avx512)) return "v3";
    return "v4";
}
#else
static const char* best_level(void) { return "plain"; }
#endif

// The highest level that this processor, under this operating system, can compute with.
EXPORT const char* tenfold_best_level(void) { return best_level(); }
