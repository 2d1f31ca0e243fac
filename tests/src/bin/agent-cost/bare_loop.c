/* The floor under any agent's cost: reads what Tocsin's agent reads on each tick, parses nothing, keeps nothing.
 *
 * bare_loop ROUNDS SECONDS: so many rounds, so many seconds apart; prints the CPU milliseconds of a round. Files of the
 * whole host stay open, as the agent has them; those of processes are opened and closed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char buffer[1 << 20];
static const char *const FILES[] = {
    "/proc/stat",      "/proc/loadavg",      "/proc/meminfo",         "/proc/vmstat",      "/proc/diskstats",
    "/proc/net/dev",   "/proc/1/mountinfo",  "/proc/pressure/cpu",    "/proc/pressure/io", "/proc/pressure/memory",
    "/proc/uptime",    "/proc/self/stat",    "/proc/sys/fs/file-nr",
};
enum { COUNT = sizeof FILES / sizeof *FILES };

static void take(int fd) {
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, buffer, sizeof buffer, at)) > 0) at += got;
}

static void below(const char *folder, int numbers_only, const char *name) {
    DIR *all = opendir(folder);
    if (!all) return;
    struct dirent *entry;
    while ((entry = readdir(all))) {
        char path[512];
        if (entry->d_name[0] == '.' || (numbers_only && (entry->d_name[0] < '0' || entry->d_name[0] > '9'))) continue;
        snprintf(path, sizeof path, "%s/%s", entry->d_name, name);
        int fd = openat(dirfd(all), path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) continue;
        (void)!read(fd, buffer, sizeof buffer);
        close(fd);
    }
    closedir(all);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 10, seconds = argc > 2 ? atoi(argv[2]) : 1;
    int fds[COUNT];
    struct statvfs space;
    for (int i = 0; i < COUNT; i++) fds[i] = open(FILES[i], O_RDONLY | O_CLOEXEC);
    struct rusage begin, end;
    getrusage(RUSAGE_SELF, &begin);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < COUNT; i++)
            if (fds[i] >= 0) take(fds[i]);
        below("/proc", 1, "stat");
        below("/sys/class/net", 0, "operstate");
        below("/sys/class/net", 0, "carrier");
        below("/sys/class/net", 0, "speed");
        statvfs("/", &space);
        sleep((unsigned)seconds);
    }
    getrusage(RUSAGE_SELF, &end);
    double used = (end.ru_utime.tv_sec + end.ru_stime.tv_sec - begin.ru_utime.tv_sec - begin.ru_stime.tv_sec) * 1e3 +
                  (end.ru_utime.tv_usec + end.ru_stime.tv_usec - begin.ru_utime.tv_usec - begin.ru_stime.tv_usec) / 1e3;
    printf("%.3f\n", used / rounds);
    return 0;
}
