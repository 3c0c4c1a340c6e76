/* The VMware library of the tests: what nbdkit's vddk plugin calls of it, over files of this machine. VMware's own may
 * not be passed on, so this is the one stand-in; everything around it is real.
 *
 * A setting comes from the environment or, in a pod, from the file of its name beside the library; the disks are there, too.
 *
 * In the directory $STANDIN_DISKS, NAME.raw is the disk as snapshot NAME has it, current.raw as it is now. $STANDIN_LOGIN
 * is `server user password thumbprint machine file`, tab-separated, which a connection has to bring. $STANDIN_DELAY_US is
 * how long a read takes, and with $STANDIN_NO_MAP the library does not know what is allocated, like those before 6.7.
 * Each read from the middle of the disk on takes one byte from the file $STANDIN_FAULTS, if there is any: F it fails, C
 * the library crashes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512
#define OK 0
#define FAILED 1
#define NOT_SUPPORTED 6
#define LATER 25000

typedef uint64_t Error;
typedef void Log(const char *format, va_list arguments);
typedef void Callback(void *data, Error result);

typedef struct {
  char *machine, *server, *thumbprint;
  long reserved;
  int login_kind;
  struct { char *user, *password, *key; } login;
} Parameters;

typedef struct {
  uint32_t bios[3], physical[3];
  uint64_t capacity;
  int adapter, links;
  char *parent, *uuid;
  uint32_t logical_sector, physical_sector;
} Info;

typedef struct { uint64_t offset, length; } Block;
typedef struct { uint32_t count; Block blocks[]; } BlockList;

typedef struct { int fd; char *snapshot; } Disk;

typedef struct {
  Disk *disk;
  uint64_t sector, count;
  unsigned char *buffer;
  Callback *callback;
  void *data;
} Read;

static Log *say, *complain;

static void tell(Log *log, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log(format, arguments);
  va_end(arguments);
}

static void take_from_files(const char *dir) {
  const char *names[] = {"STANDIN_DISKS", "STANDIN_LOGIN"};
  for (int i = 0; i < 2; i++) {
    char path[4096], text[4096] = "";
    snprintf(path, sizeof path, "%s/%s", dir, names[i]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    if (read(fd, text, sizeof text - 1) > 0) setenv(names[i], text, 0);
    close(fd);
  }
}

static const char *setting(const char *name) {
  const char *found = getenv(name);
  return found ? found : "";
}

Error VixDiskLib_InitEx(uint32_t major, uint32_t minor, Log *log, Log *warn, Log *panic, const char *dir, const char *config) {
  say = log;
  complain = warn;
  take_from_files(dir);
  tell(say, "VMware VixDiskLib (8.0.2) Release build-22388865\n");
  if (!config) return OK;
  char setting[64] = "";
  int fd = open(config, O_RDONLY | O_CLOEXEC);
  if (read(fd, setting, sizeof setting - 1) < 1) return FAILED;
  close(fd);
  tell(complain, "Stand-in: the settings are %s\n", setting);
  return strcmp(setting, "good") == 0 ? OK : FAILED;
}

void VixDiskLib_Exit(void) {}
const char *VixDiskLib_ListTransportModes(void) { return "file:nbdssl:nbd"; }
char *VixDiskLib_GetErrorText(Error error, const char *unused) { return strdup(error == FAILED ? "Unknown error" : "Not supported"); }
void VixDiskLib_FreeErrorText(char *text) { free(text); }
Parameters *VixDiskLib_AllocateConnectParams(void) { return calloc(1, 4096); }
void VixDiskLib_FreeConnectParams(Parameters *parameters) { free(parameters); }

static Error require(const char *what, const char *given, const char *wanted) {
  if (given && strcmp(given, wanted) == 0) return OK;
  tell(complain, "Stand-in: %s is %s instead of %s\n", what, given ? given : "missing", wanted);
  return FAILED;
}

Error VixDiskLib_ConnectEx(const Parameters *given, char readonly, const char *snapshot, const char *transports, char **connection) {
  char *wanted = strdupa(setting("STANDIN_LOGIN"));
  if (require("server", given->server, strsep(&wanted, "\t")) || require("user", given->login.user, strsep(&wanted, "\t")) ||
      require("password", given->login.password, strsep(&wanted, "\t")) ||
      require("thumbprint", given->thumbprint, strsep(&wanted, "\t")) || require("machine", given->machine, strsep(&wanted, "\t")) ||
      (snapshot && require("transports", transports, "file:nbdssl:nbd")) || require("readonly", readonly ? "yes" : "no", "yes"))
    return FAILED;
  *connection = strdup(snapshot ? snapshot : "current");
  return OK;
}

Error VixDiskLib_Open(char *snapshot, const char *file, uint32_t flags, Disk **disk) {
  char path[4096];
  if (require("file", file, strrchr(setting("STANDIN_LOGIN"), '\t') + 1)) return FAILED;
  snprintf(path, sizeof path, "%s/%s.raw", setting("STANDIN_DISKS"), snapshot);
  *disk = calloc(1, sizeof **disk);
  (*disk)->fd = open(path, O_RDONLY | O_CLOEXEC);
  if ((*disk)->fd < 0) {
    tell(complain, "Stand-in: no %s\n", path);
    return FAILED;
  }
  tell(say, "DISKLIB-LINK  : Opened 'vpxa-nfcssl://%s@esx7.example:902' (0x1e): vpxa, 1 sectors.\n", file);
  return OK;
}

const char *VixDiskLib_GetTransportMode(Disk *disk) { return "nbdssl"; }
Error VixDiskLib_Disconnect(char *connection) { free(connection); return OK; }
Error VixDiskLib_Wait(Disk *disk) { return OK; }
Error VixDiskLib_Flush(Disk *disk) { return OK; }
Error VixDiskLib_Write(void) { return NOT_SUPPORTED; }
Error VixDiskLib_WriteAsync(void) { return NOT_SUPPORTED; }
Error VixDiskLib_Create(void) { return NOT_SUPPORTED; }
void VixDiskLib_FreeInfo(Info *info) { free(info); }
Error VixDiskLib_FreeBlockList(BlockList *list) { free(list); return OK; }

Error VixDiskLib_Close(Disk *disk) {
  close(disk->fd);
  free(disk);
  return OK;
}

Error VixDiskLib_GetInfo(Disk *disk, Info **info) {
  *info = calloc(1, sizeof **info);
  (*info)->capacity = lseek(disk->fd, 0, SEEK_END) / SECTOR;
  (*info)->logical_sector = (*info)->physical_sector = SECTOR;
  return OK;
}

static char next_fault(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  char fault = 0;
  pthread_mutex_lock(&lock);
  int fd = open(setting("STANDIN_FAULTS"), O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    off_t left = lseek(fd, -1, SEEK_END);
    if (left >= 0 && read(fd, &fault, 1) == 1 && ftruncate(fd, left)) fault = 0;
    close(fd);
  }
  pthread_mutex_unlock(&lock);
  return fault;
}

Error VixDiskLib_Read(Disk *disk, uint64_t sector, uint64_t count, unsigned char *buffer) {
  if (2 * SECTOR * sector > (uint64_t)lseek(disk->fd, 0, SEEK_END))
    switch (next_fault()) {
    case 'F': return FAILED;
    case 'C': abort();
    }
  return pread(disk->fd, buffer, count * SECTOR, sector * SECTOR) == (ssize_t)(count * SECTOR) ? OK : FAILED;
}

static void *carry_out(void *argument) {
  Read *read = argument;
  usleep(atoi(setting("STANDIN_DELAY_US")));
  read->callback(read->data, VixDiskLib_Read(read->disk, read->sector, read->count, read->buffer));
  free(read);
  return NULL;
}

Error VixDiskLib_ReadAsync(Disk *disk, uint64_t sector, uint64_t count, unsigned char *buffer, Callback *callback, void *data) {
  Read *read = malloc(sizeof *read);
  pthread_t thread;
  *read = (Read){disk, sector, count, buffer, callback, data};
  if (pthread_create(&thread, NULL, carry_out, read)) return FAILED;
  pthread_detach(thread);
  return LATER;
}

/* In whole chunks, as the library does it: one of which a byte is allocated is allocated. */
Error VixDiskLib_QueryAllocatedBlocks(Disk *disk, uint64_t start, uint64_t sectors, uint64_t chunk, BlockList **list) {
  if (*setting("STANDIN_NO_MAP")) return NOT_SUPPORTED;
  *list = calloc(1, sizeof **list + (sectors / chunk + 1) * sizeof(Block));
  for (uint64_t sector = start; sector < start + sectors; sector += chunk) {
    off_t data = lseek(disk->fd, sector * SECTOR, SEEK_DATA);
    if (data < 0) break;
    if ((uint64_t)data >= (sector + chunk) * SECTOR) continue;
    Block *last = &(*list)->blocks[(*list)->count - 1];
    if ((*list)->count && last->offset + last->length == sector)
      last->length += chunk;
    else
      (*list)->blocks[(*list)->count++] = (Block){sector, chunk};
  }
  return OK;
}
