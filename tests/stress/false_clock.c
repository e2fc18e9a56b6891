/* A wall clock that a test sets: preloaded into a real server by false_clock.py.
 *
 * file named by FALSE_CLOCK_FILE := offset:i64 native, microseconds added to the wall clock
 *
 * The file is mapped, so a write to it is a step that every thread sees at once. Time since boot is left
 * alone, as a step of the real clock leaves it. Waits until an instant of the wall clock are moved by the
 * offset of their begin: the kernel does not know of it. And the kernel vouches for nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static long (*real_syscall)(long, ...);
static volatile const int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    if (real_syscall)
        return;
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_syscall = dlsym(RTLD_NEXT, "syscall");
    const char *path = getenv("FALSE_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        abort(); /* a false clock that tells the true time would show nothing */
    close(file);
    offset = mapped;
}

static void move(struct timespec *at, int64_t by_us) {
    int64_t us = at->tv_nsec / 1000 + by_us % 1000000;
    int64_t seconds = at->tv_sec + by_us / 1000000 + us / 1000000;
    us %= 1000000;
    if (us < 0) {
        us += 1000000;
        seconds--;
    }
    at->tv_sec = seconds;
    at->tv_nsec = us * 1000 + at->tv_nsec % 1000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    begin();
    int failed = real_clock_gettime(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        move(now, *offset);
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec read;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &read))
        return -1;
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}

/* Nobody vouches for this clock. */
int adjtimex(struct timex *state) {
    (void)state;
    return TIME_ERROR;
}

int ntp_adjtime(struct timex *state) { return adjtimex(state); }

/* An end of a wait as the kernel counts. Some are told in time since boot, which is left alone: what is
 * nearer to that than to the false wall clock is one of those. */
static struct timespec as_kernel(const struct timespec *end) {
    struct timespec wall, since_boot, moved = *end;
    clock_gettime(CLOCK_REALTIME, &wall);
    real_clock_gettime(CLOCK_MONOTONIC, &since_boot);
    if (llabs(end->tv_sec - wall.tv_sec) < llabs(end->tv_sec - since_boot.tv_sec))
        move(&moved, -*offset);
    return moved;
}

long syscall(long number, ...) {
    long a[6];
    va_list list;
    begin();
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    struct timespec end;
    if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) && a[3]) {
        end = as_kernel((const struct timespec *)a[3]);
        a[3] = (long)&end;
    }
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_cond_timedwait(pthread_cond_t *restrict woken, pthread_mutex_t *restrict held,
                           const struct timespec *restrict end) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) /* not the first version, which is for programs of before 2003 */
        real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real)
        real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec moved = as_kernel(end);
    return real(woken, held, &moved);
}

int sem_timedwait(sem_t *restrict waited, const struct timespec *restrict end) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real)
        real = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec moved = as_kernel(end);
    return real(waited, &moved);
}
