// How a function is exported: by C's rules for names, so that Python finds it, whatever language called the compiler.
#pragma once

#define EXPORT extern "C" __attribute__((visibility("default")))

// The name of a function that every level of the processor has one of: FOR_LEVEL(train) is tenfold_train_v3 where the
// file is compiled with -DLEVEL=v3.
#define FOR_LEVEL(name) JOIN_NAME(name, LEVEL)
#define JOIN_NAME(name, level) JOIN_EXPANDED(name, level)
#define JOIN_EXPANDED(name, level) tenfold_##name##_##level
