// FdGuard: a descriptor that is closed with its owner. Internal.
#ifndef MPG_RUNTIME_FD_GUARD_H_
#define MPG_RUNTIME_FD_GUARD_H_

#include <unistd.h>

#include <utility>

namespace mpg {
namespace internal {

class FdGuard {
 public:
  FdGuard() = default;
  explicit FdGuard(int fd) : fd_(fd) {}
  FdGuard(FdGuard&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FdGuard& operator=(FdGuard&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FdGuard() { Close(); }

  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_FD_GUARD_H_
