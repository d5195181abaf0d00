// Writes down, in order, what a process does to its files: loaded before it by LD_PRELOAD. COPEPOD_JOURNAL names the journal,
// COPEPOD_JOURNAL_FILE the end of the name of the file that is followed; what goes to file descriptor 1 is an answer.
//
// Records: type (1 byte: W written, D written and durable by itself, S synced, A answered), offset (8), length (4), bytes. One process, many threads: a lock
// around each call, so that the journal's order is the order of the calls' ends.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

static void find(void) {
  if (real_write) return;
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  if (!real_pwrite) real_pwrite = dlsym(RTLD_NEXT, "pwrite");
  real_pwritev = dlsym(RTLD_NEXT, "pwritev64");
  if (!real_pwritev) real_pwritev = dlsym(RTLD_NEXT, "pwritev");
  real_writev = dlsym(RTLD_NEXT, "writev");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_write = dlsym(RTLD_NEXT, "write");
}

__attribute__((constructor)) static void begin(void) {
  find();
  const char *path = getenv("COPEPOD_JOURNAL");
  if (path) journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int followed(int fd) {
  char link[64], name[4096];
  const char *end = getenv("COPEPOD_JOURNAL_FILE");
  if (journal < 0 || !end) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, sizeof name - 1);
  size_t tail = strlen(end);
  return length >= (ssize_t)tail && memcmp(name + length - tail, end, tail) == 0;
}

static void put(char type, int64_t offset, const void *bytes, uint32_t length) {
  char head[13] = {type};
  memcpy(head + 1, &offset, 8);
  memcpy(head + 9, &length, 4);
  real_write(journal, head, sizeof head);
  if (length) real_write(journal, bytes, length);
}

/** Whether the descriptor itself makes each write durable. */
static int syncs(int fd) { return (fcntl(fd, F_GETFL) & O_DSYNC) != 0; }

ssize_t write(int fd, const void *bytes, size_t length) {
  find();
  if (journal < 0 || fd != 1) return real_write(fd, bytes, length);
  pthread_mutex_lock(&lock);
  ssize_t done = real_write(fd, bytes, length);
  if (done > 0) put('A', 0, bytes, (uint32_t)done);
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  find();
  if (!followed(fd)) return real_pwrite(fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  ssize_t done = real_pwrite(fd, bytes, length, offset);
  if (done > 0) put(syncs(fd) ? 'D' : 'W', offset, bytes, (uint32_t)done);
  pthread_mutex_unlock(&lock);
  return done;
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return pwrite(fd, bytes, length, offset); }

static void put_parts(int fd, const struct iovec *parts, int count, off_t offset, ssize_t left) {
  for (int index = 0; index < count && left > 0; index += 1) {
    size_t length = parts[index].iov_len < (size_t)left ? parts[index].iov_len : (size_t)left;
    put(syncs(fd) ? 'D' : 'W', offset, parts[index].iov_base, (uint32_t)length);
    offset += (off_t)length;
    left -= (ssize_t)length;
  }
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  find();
  if (!followed(fd)) return real_pwritev(fd, parts, count, offset);
  pthread_mutex_lock(&lock);
  ssize_t done = real_pwritev(fd, parts, count, offset);
  put_parts(fd, parts, count, offset, done);
  pthread_mutex_unlock(&lock);
  return done;
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) { return pwritev(fd, parts, count, offset); }

/** After a seek, which is how LMDB writes several pages at once. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
  find();
  if (!followed(fd)) return real_writev(fd, parts, count);
  pthread_mutex_lock(&lock);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t done = real_writev(fd, parts, count);
  put_parts(fd, parts, count, offset, done);
  pthread_mutex_unlock(&lock);
  return done;
}

static int sync_with(int (*real)(int), int fd) {
  if (!followed(fd)) return real(fd);
  pthread_mutex_lock(&lock);
  int done = real(fd);
  if (done == 0) put('S', 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  return done;
}
int fdatasync(int fd) { find(); return sync_with(real_fdatasync, fd); }
int fsync(int fd) { find(); return sync_with(real_fsync, fd); }
