/* A management library of one GPU (UUID GPU-1), for the real pynvml to load. What it lacks and how it fails is chosen
   by macros: NO_V3, NO_PROCESSES, NO_EVENT_REASONS, NO_THROTTLE_REASONS leave symbols out; MIG makes one instance of it
   (MIG-2); FROZEN, BACK and ABSENT are what its energy counter does; FAILS(name) is the error code of a question. */
#include <string.h>

typedef void *device;
typedef struct {
  unsigned pid;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;
} process;
enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

#ifndef CLOCK_FAILS
#define CLOCK_FAILS OK
#endif
#ifndef POWER_FAILS
#define POWER_FAILS OK
#endif
#ifndef TEMPERATURE_FAILS
#define TEMPERATURE_FAILS OK
#endif
#ifndef HANDLE_FAILS
#define HANDLE_FAILS OK
#endif
#ifndef INIT_FAILS
#define INIT_FAILS OK
#endif
#ifndef SHUTDOWN_FAILS
#define SHUTDOWN_FAILS OK
#endif
#ifndef POWER_MW
#define POWER_MW 650500
#endif
#ifndef REASONS
#define REASONS 0x424
#endif

static int users = 0;
static char board, instance;

int stub_users(void) { return users; }
int nvmlInitWithFlags(unsigned flags) {
  if (INIT_FAILS) return INIT_FAILS;
  users++;
  return OK;
}
int nvmlShutdown(void) {
  users--;
  return SHUTDOWN_FAILS;
}
const char *nvmlErrorString(int code) { return "a code of the stub"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
  strncpy(text, "470.1", size);
  return users ? OK : UNINITIALIZED;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, device *found) {
  if (HANDLE_FAILS) return HANDLE_FAILS;
#ifdef MIG
  if (!strcmp(uuid, "MIG-2") || !strcmp(uuid, "MIG-GPU-1/0/0")) {
    *found = &instance;
    return OK;
  }
#endif
  *found = &board;
  return strcmp(uuid, "GPU-1") ? NOT_FOUND : OK;
}
#ifdef MIG
int nvmlDeviceIsMigDeviceHandle(device one, unsigned *is) {
  *is = one == &instance;
  return OK;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device one, device *found) {
  *found = &board;
  return OK;
}
int nvmlDeviceGetMigMode(device one, unsigned *now, unsigned *next) {
  *now = *next = 1;
  return one == &board ? OK : INVALID_ARGUMENT;
}
#endif

static int of_board(device one, int fails, unsigned *answer, unsigned value) {
  *answer = value;
  return one == &board ? fails : NOT_SUPPORTED;
}
int nvmlDeviceGetClockInfo(device one, unsigned clock, unsigned *mhz) {
  return of_board(one, CLOCK_FAILS, mhz, clock == 1 ? 1500 : 2600);
}
int nvmlDeviceGetMaxClockInfo(device one, unsigned clock, unsigned *mhz) { return of_board(one, CLOCK_FAILS, mhz, 1980); }
int nvmlDeviceGetEnforcedPowerLimit(device one, unsigned *mw) { return of_board(one, OK, mw, 700000); }
int nvmlDeviceGetPowerUsage(device one, unsigned *mw) { return of_board(one, POWER_FAILS, mw, POWER_MW); }
int nvmlDeviceGetTemperature(device one, unsigned sensor, unsigned *celsius) {
  return of_board(one, TEMPERATURE_FAILS, celsius, 61);
}
#ifndef NO_EVENT_REASONS
int nvmlDeviceGetCurrentClocksEventReasons(device one, unsigned long long *bits) {
  *bits = REASONS;
  return one == &board ? OK : NOT_SUPPORTED;
}
#endif
#ifndef NO_THROTTLE_REASONS
int nvmlDeviceGetCurrentClocksThrottleReasons(device one, unsigned long long *bits) {
  *bits = REASONS;
  return one == &board ? OK : NOT_SUPPORTED;
}
#endif

static int listed(device one, unsigned *count, process *found) {
  unsigned room = *count, all = one == &board ? 3 : 2;
  *count = all;
  if (room < all) return INSUFFICIENT_SIZE;
  for (unsigned i = 0; i < all; i++) found[i] = (process){.pid = 4000000000u + i};
  return OK;
}
#ifndef NO_PROCESSES
#ifndef NO_V3
int nvmlDeviceGetComputeRunningProcesses_v3(device one, unsigned *count, process *found) {
  return listed(one, count, found);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(device one, unsigned *count, process *found) {
  *count = 0;
  return OK;
}
#endif
int nvmlDeviceGetComputeRunningProcesses_v2(device one, unsigned *count, process *found) {
  return listed(one, count, found);
}
#endif

int nvmlDeviceGetTotalEnergyConsumption(device one, unsigned long long *mj) {
  static unsigned long long counted = 5000000;
#if defined(ABSENT)
  *mj = 0xFFFFFFFFFFFFFFFFull;
#elif defined(BACK)
  *mj = counted -= 1000;
#elif defined(FROZEN)
  *mj = counted;
#else
  *mj = counted += 1000;
#endif
  return one == &board ? OK : NOT_SUPPORTED;
}
