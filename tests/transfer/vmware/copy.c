/* What an image with VMware's library does when it runs: it copies the library to /opt, as `cp -r` does in users' images. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define LIBRARY "/vmware-vix-disklib-distrib"

static int copy(const char *path, const struct stat *found, int type, struct FTW *where) {
  char target[4096];
  snprintf(target, sizeof target, "/opt%s", path);
  if (type == FTW_D) return mkdir(target, 0755);
  int from = open(path, O_RDONLY), to = open(target, O_WRONLY | O_CREAT | O_EXCL, 0644);
  off_t left = found->st_size;
  while (left > 0) {
    ssize_t sent = sendfile(to, from, NULL, left);
    if (sent <= 0) return -1;
    left -= sent;
  }
  return close(from) || close(to);
}

int main(void) {
  if (nftw(LIBRARY, copy, 16, FTW_PHYS) == 0) return 0;
  perror(LIBRARY);
  return 1;
}
