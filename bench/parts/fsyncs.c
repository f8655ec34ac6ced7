/* What a power cut would leave, and whether a flush of the disk stands between a request and its answer.

   Loaded into a server with LD_PRELOAD. Each file that is flushed (fsync, fdatasync) is copied into the folder
   FSYNCS_SHADOW at that moment: the folder holds exactly what a disk is bound to hold if the power goes, however much
   more was written. Events are appended to the file FSYNCS_LOG, one letter each:
     R   a request was read from a connection
     W   something was written into a file named *-wal
     S   a file named *-wal was flushed
     F   another file was flushed
     A   an answer 204 went out to a connection
   cc -shared -fPIC -O2 -o fsyncs.so fsyncs.c -ldl */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -2;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void note(char what) {
    int (*open_)(const char *, int, ...) = real("open");
    ssize_t (*write_)(int, const void *, size_t) = real("write");
    const char *path = getenv("FSYNCS_LOG");
    if (!path) return;
    pthread_mutex_lock(&guard);
    if (log_fd == -2) log_fd = open_(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (log_fd >= 0 && write_(log_fd, &what, 1) < 0) log_fd = -1;
    pthread_mutex_unlock(&guard);
}

/* The file's name, or NULL for what is no file. */
static const char *name_of(int fd, char *into, size_t n) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, n - 1);
    if (length <= 0 || into[0] != '/') return NULL;
    into[length] = 0;
    return into;
}

static int is_wal(const char *name) {
    size_t n = name ? strlen(name) : 0;
    return n > 4 && !strcmp(name + n - 4, "-wal");
}

static void keep(int fd, const char *name) {
    int (*open_)(const char *, int, ...) = real("open");
    ssize_t (*pread_)(int, void *, size_t, off_t) = real("pread");
    ssize_t (*pwrite_)(int, const void *, size_t, off_t) = real("pwrite");
    const char *folder = getenv("FSYNCS_SHADOW"), *base = name ? strrchr(name, '/') : NULL;
    char path[4096], from[64];
    struct stat what;
    if (!folder || !base || fstat(fd, &what) || !S_ISREG(what.st_mode)) return;
    snprintf(path, sizeof path, "%s%s", folder, base);
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    pthread_mutex_lock(&guard);
    int in = open_(from, O_RDONLY), out = open_(path, O_WRONLY | O_CREAT, 0644);
    /* Another process may be keeping the same file: the later copy must win. */
    if (out >= 0 && flock(out, LOCK_EX)) abort();
    static char buffer[1 << 20];
    off_t at = 0;
    ssize_t n = 0;
    while (in >= 0 && out >= 0 && (n = pread_(in, buffer, sizeof buffer, at)) > 0) {
        if (pwrite_(out, buffer, n, at) != n) abort();
        at += n;
    }
    if (out >= 0 && ftruncate(out, at)) abort();
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    pthread_mutex_unlock(&guard);
}

static void flushed(int fd) {
    char name[4096];
    const char *found = name_of(fd, name, sizeof name);
    if (!found) return;
    keep(fd, found);
    note(is_wal(found) ? 'S' : 'F');
}

int fsync(int fd) {
    int (*own)(int) = real("fsync");
    int done = own(fd);
    if (!done) flushed(fd);
    return done;
}

int fdatasync(int fd) {
    int (*own)(int) = real("fdatasync");
    int done = own(fd);
    if (!done) flushed(fd);
    return done;
}

static void wrote(int fd) {
    char name[4096];
    if (is_wal(name_of(fd, name, sizeof name))) note('W');
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    ssize_t (*own)(int, const void *, size_t, off_t) = real("pwrite");
    ssize_t done = own(fd, data, n, at);
    wrote(fd);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    ssize_t (*own)(int, const void *, size_t, off64_t) = real("pwrite64");
    ssize_t done = own(fd, data, n, at);
    wrote(fd);
    return done;
}

static void said(const void *data, size_t n) {
    if (n >= 12 && !memcmp(data, "HTTP/1.1 204", 12)) note('A');
}

static void heard(const void *data, ssize_t n) {
    if (n >= 9 && !memcmp(data, "POST /m/e", 9)) note('R');
}

ssize_t write(int fd, const void *data, size_t n) {
    ssize_t (*own)(int, const void *, size_t) = real("write");
    said(data, n);
    return own(fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    ssize_t (*own)(int, const struct iovec *, int) = real("writev");
    if (n > 0) said(parts[0].iov_base, parts[0].iov_len);
    return own(fd, parts, n);
}

ssize_t send(int fd, const void *data, size_t n, int flags) {
    ssize_t (*own)(int, const void *, size_t, int) = real("send");
    said(data, n);
    return own(fd, data, n, flags);
}

ssize_t read(int fd, void *data, size_t n) {
    ssize_t (*own)(int, void *, size_t) = real("read");
    ssize_t done = own(fd, data, n);
    heard(data, done);
    return done;
}

ssize_t recv(int fd, void *data, size_t n, int flags) {
    ssize_t (*own)(int, void *, size_t, int) = real("recv");
    ssize_t done = own(fd, data, n, flags);
    heard(data, done);
    return done;
}
