#include "base/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace mpg {
namespace internal {
namespace {

[[noreturn]] void Die(const char* call, int error) {
  fprintf(stderr, "mpg: futex %s failed: errno %d\n", call, error);
  abort();
}

}  // namespace

void FutexSleep(std::atomic<uint32_t>* word, uint32_t value, int64_t ns) {
  timespec timeout;
  timespec* limit = nullptr;
  if (ns >= 0) {
    timeout.tv_sec = ns / 1'000'000'000;
    timeout.tv_nsec = ns % 1'000'000'000;
    limit = &timeout;
  }
  const int saved = errno;
  const long rc =
      syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit, nullptr, 0);
  const int error = errno;
  errno = saved;
  if (rc != 0 && error != EAGAIN && error != EINTR && error != ETIMEDOUT) {
    Die("wait", error);
  }
}

void FutexWakeup(std::atomic<uint32_t>* word, int count) {
  const int saved = errno;
  const long rc =
      syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
  const int error = errno;
  errno = saved;
  // EFAULT: the word's page is gone together with its owner.
  if (rc < 0 && error != EFAULT) Die("wake", error);
}

}  // namespace internal
}  // namespace mpg
