// StreamListener: what a Listener is a handle of.
#ifndef MPG_NET_STREAM_LISTENER_H_
#define MPG_NET_STREAM_LISTENER_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/conn.h"
#include "net/fd.h"

namespace mpg {
namespace internal {

class StreamListener {
 public:
  // `unlink_path`: the socket's file, removed when this is closed; may be empty.
  StreamListener(std::shared_ptr<NetFd> fd, std::string unlink_path)
      : fd_(std::move(fd)), unlink_path_(std::move(unlink_path)) {}
  ~StreamListener();
  StreamListener(const StreamListener&) = delete;
  StreamListener& operator=(const StreamListener&) = delete;

  absl::StatusOr<Conn> Accept();
  absl::Status Close();
  NetFd& fd() { return *fd_; }

 private:
  void RemoveFile();

  const std::shared_ptr<NetFd> fd_;
  const std::string unlink_path_;
  std::atomic<bool> removed_{false};
};

// Listens with `fd`, a bound socket, which it takes. `local`: see SysLocalAddr.
absl::StatusOr<Listener> ListenOn(int fd, Network network, int backlog,
                                  std::string unlink_path);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_STREAM_LISTENER_H_
