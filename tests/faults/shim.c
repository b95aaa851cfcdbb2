/* Stands between a process and the C library (LD_PRELOAD): counts what changes files below one folder, and at one of
 * these calls kills the process, writes half and kills it, or refuses with an error. crash_points.py drives it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { MOST_FILES = 4096, MOST_CALLS = 1 << 16 };
enum { KILL = -1, HALF = -2 };

static char folder[4096];
static size_t folder_length;
static long act_at;
static int action, lasting;
static atomic_long calls;
static char kinds[MOST_CALLS];
static atomic_char ours[MOST_FILES];

/* `action` at call number `at` (from 1; 0: never): KILL, HALF or a number of errno; `lasting`: at all later ones too. */
void faults_set(const char *path, long at, int what, int and_later) {
    strncpy(folder, path, sizeof folder - 1);
    folder_length = strlen(folder);
    act_at = at, action = what, lasting = and_later, calls = 0;
    memset(kinds, 0, sizeof kinds);
}

long faults_calls(void) { return calls; }

int faults_kind(long call) { return call > 0 && call < MOST_CALLS ? kinds[call] : 0; }

static int below(int at, const char *path) {
    if (!folder_length || !path) return 0;
    if (path[0] == '/') return !strncmp(path, folder, folder_length);
    return at != AT_FDCWD && at >= 0 && at < MOST_FILES && ours[at];
}

static int known(int file) { return folder_length && file >= 0 && file < MOST_FILES && ours[file]; }

/* Counts a call; gives the errno with which it is to fail, HALF, or 0. */
static int point(char kind) {
    long call = ++calls;
    if (call < MOST_CALLS) kinds[call] = kind;
    if (!act_at || call < act_at) return 0;
    /* A full disk refuses what needs room, not what gives it back. */
    if (call > act_at && !(lasting && strchr("wom", kind))) return 0;
    if (action == KILL || (action == HALF && kind != 'w')) raise(SIGKILL);
    return action;
}

#define REAL(name, type) \
    static __typeof__(type) real; \
    if (!real) real = (__typeof__(type))dlsym(RTLD_NEXT, name)
#define FAIL(kind) do { int why = point(kind); if (why) { errno = why; return -1; } } while (0)

typedef int (*open_t)(const char *, int, ...);
typedef int (*openat_t)(int, const char *, int, ...);

static int changes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC); }

static int opened(int file, int is_ours) {
    if (file >= 0 && file < MOST_FILES) ours[file] = (char)is_ours;
    return file;
}

#define OPEN(name)                                                         \
    int name(const char *path, int flags, ...) {                           \
        REAL(#name, open_t);                                               \
        va_list rest;                                                      \
        va_start(rest, flags);                                             \
        mode_t mode = va_arg(rest, mode_t);                                \
        va_end(rest);                                                      \
        int is_ours = below(AT_FDCWD, path);                               \
        if (is_ours && changes(flags)) FAIL('o');                          \
        return opened(real(path, flags, mode), is_ours);                   \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                       \
    int name(int at, const char *path, int flags, ...) {                   \
        REAL(#name, openat_t);                                             \
        va_list rest;                                                      \
        va_start(rest, flags);                                             \
        mode_t mode = va_arg(rest, mode_t);                                \
        va_end(rest);                                                      \
        int is_ours = below(at, path);                                     \
        if (is_ours && changes(flags)) FAIL('o');                          \
        return opened(real(at, path, flags, mode), is_ours);               \
    }
OPENAT(openat)
OPENAT(openat64)

#define WRITE(why, half)                                                   \
    int why = known(file) ? point('w') : 0;                                \
    if (why == HALF) { half; raise(SIGKILL); }                             \
    if (why) { errno = why; return -1; }

ssize_t write(int file, const void *data, size_t count) {
    REAL("write", ssize_t (*)(int, const void *, size_t));
    WRITE(why, real(file, data, count / 2))
    return real(file, data, count);
}

#define PWRITE(name)                                                       \
    ssize_t name(int file, const void *data, size_t count, off_t where) {  \
        REAL(#name, ssize_t (*)(int, const void *, size_t, off_t));        \
        WRITE(why, real(file, data, count / 2, where))                     \
        return real(file, data, count, where);                             \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define OF_FILE(name, kind)                                                \
    int name(int file) {                                                   \
        REAL(#name, int (*)(int));                                         \
        if (known(file)) FAIL(kind);                                       \
        return real(file);                                                 \
    }
OF_FILE(fsync, 's')
OF_FILE(fdatasync, 's')

int close(int file) {
    REAL("close", int (*)(int));
    int why = known(file) ? point('c') : 0, found;
    if (file >= 0 && file < MOST_FILES) ours[file] = 0;
    found = real(file); /* closed in any case, as Linux does */
    if (why) { errno = why; return -1; }
    return found;
}

#define TRUNCATE(name)                                                     \
    int name(int file, off_t size) {                                       \
        REAL(#name, int (*)(int, off_t));                                  \
        if (known(file)) FAIL('t');                                        \
        return real(file, size);                                           \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char *old, const char *new) {
    REAL("rename", int (*)(const char *, const char *));
    if (below(AT_FDCWD, new)) FAIL('r');
    return real(old, new);
}

int renameat(int old_at, const char *old, int new_at, const char *new) {
    REAL("renameat", int (*)(int, const char *, int, const char *));
    if (below(new_at, new)) FAIL('r');
    return real(old_at, old, new_at, new);
}

#define OF_PATH(name, kind)                                                \
    int name(const char *path) {                                           \
        REAL(#name, int (*)(const char *));                                \
        if (below(AT_FDCWD, path)) FAIL(kind);                             \
        return real(path);                                                 \
    }
OF_PATH(unlink, 'u')
OF_PATH(rmdir, 'u')

int unlinkat(int at, const char *path, int flags) {
    REAL("unlinkat", int (*)(int, const char *, int));
    if (below(at, path)) FAIL('u');
    return real(at, path, flags);
}

int mkdir(const char *path, mode_t mode) {
    REAL("mkdir", int (*)(const char *, mode_t));
    if (below(AT_FDCWD, path)) FAIL('m');
    return real(path, mode);
}

int mkdirat(int at, const char *path, mode_t mode) {
    REAL("mkdirat", int (*)(int, const char *, mode_t));
    if (below(at, path)) FAIL('m');
    return real(at, path, mode);
}
