// NetFd: a socket that goroutines wait for. What Conn, Listener and UdpConn are
// handles of.
//
// Each operation tries first and parks the goroutine only when the system says
// EAGAIN (PollDesc, runtime/poll_desc.h). Two operations of the same side, reading
// (and accepting) or writing (and connecting), run one after the other.
//
// Close may be called while others are blocked: they return Cancelled "use of
// closed network connection". It returns when the last of them has left and the
// descriptor is closed. A NetFd that is destroyed unclosed is closed.
//
// Skipping reads that would fail. Readiness is edge-triggered, and the kernel
// reports an edge for each arrival of data. A read of a TCP socket that got less
// than it had room for has found the socket empty at its end. Whatever came after
// that makes an edge, and PollDesc remembers it until Wait takes it or Reset
// forgets it. So the next read may begin with Wait instead of Reset and a read
// that says EAGAIN: a quarter of the system calls of an echo server. Two things
// can be behind a short read without a later edge: the end of the stream (or an
// error) and urgent data, at which the kernel stops reading. Both, once reported,
// stay known in PollDesc::SawException, and then reads are tried first as ever.
//   (1) The poller notes the exception before it makes the side ready.
//   (2) The reader looks at the note when it begins the next read, after it made
//       its last Reset or took the last readiness.
//   (3) So either it sees the note, or the readiness that came with the note is
//       still there for Wait.
// A read that got all it had room for tells nothing. One with little room therefore
// asks for a byte more, and keeps that for the next read (ahead_): messages of just
// the buffer's size are usual.
// It does not hold for Unix sockets, where a read also stops in front of a message
// with descriptors; nor for sockets that the user has turned to kernel TLS.
//
// Thread safety: all methods from any goroutine or thread, except where they say
// otherwise; who calls keeps it alive. On a plain thread they block the thread.
// Errors: net_error.h.
// Source: Go's internal/poll.FD and netFD. The skipped read is Tokio's too.
#ifndef MPG_NET_FD_H_
#define MPG_NET_FD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/fd_mutex.h"
#include "net/net_addr.h"
#include "runtime/poll_desc.h"

namespace mpg {
namespace internal {

enum class Network : uint8_t { kTcp, kUdp, kUnix };
absl::string_view NetworkName(Network network);

class NetFd {
 public:
  // Takes `fd`, which must be non-blocking, and closes it if this fails.
  static absl::StatusOr<std::shared_ptr<NetFd>> Adopt(int fd, Network network);
  // Connects `fd`, a new socket, first; fills in both addresses. The error is that
  // of the system call, or "i/o timeout", without the operation.
  static absl::StatusOr<std::shared_ptr<NetFd>> Connect(int fd, Network network,
                                                        const NetAddr& to,
                                                        absl::Time deadline);
  ~NetFd();
  NetFd(const NetFd&) = delete;
  NetFd& operator=(const NetFd&) = delete;

  // Before others know of it: the addresses that errors and Addr() show.
  void SetAddrs(const NetAddr& local, const NetAddr& remote) {
    local_ = local;
    remote_ = remote;
  }

  // At most buf.size() bytes, as many as there are; 0: end of the stream, or buf
  // is empty.
  absl::StatusOr<size_t> Read(absl::Span<char> buf);
  // buf.size(); 0 if the stream ends before the first byte.
  absl::StatusOr<size_t> ReadFull(absl::Span<char> buf);
  // A datagram; what does not fit is lost. 0 is a datagram too.
  absl::StatusOr<size_t> ReadFrom(absl::Span<char> buf, NetAddr* from);

  // All of it.
  absl::StatusOr<size_t> Write(absl::string_view data);
  absl::StatusOr<size_t> Writev(absl::Span<const absl::string_view> parts);
  // A datagram to `to`, or, if null, to the connected peer.
  absl::StatusOr<size_t> WriteTo(absl::string_view data, const NetAddr* to);

  struct Accepted {
    int fd;
    NetAddr peer;
  };
  absl::StatusOr<Accepted> Accept();

  absl::Status Close();
  absl::Status Shutdown(int how);
  absl::Status SetDeadline(PollDesc::Mode mode, absl::Time deadline);
  absl::Status SetOption(int level, int name, const void* value, size_t size);

  int fd() const { return fd_; }
  Network network() const { return network_; }
  const NetAddr& local() const { return local_; }
  const NetAddr& remote() const { return remote_; }

  // "op network local->remote: use of closed network connection".
  absl::Status ClosedError(absl::string_view op) const;
  // What PollDesc says, of operation `op`.
  absl::Status PollError(absl::string_view op, const absl::Status& why) const;

 private:
  NetFd(int fd, Network network)
      : fd_(fd), network_(network), drains_(network == Network::kTcp) {}

  class Use;
  class Exclusive;

  // Errors of operation `op`: of the system call `call`.
  absl::Status Error(absl::string_view op, absl::string_view call,
                     int error) const;
  std::string Context(absl::string_view op) const;

  absl::StatusOr<size_t> ReadLocked(absl::Span<char> buf);
  ssize_t Receive(absl::Span<char> buf);
  size_t ReceiveBehindAhead(absl::Span<char> buf);
  absl::Status BackOff(absl::Duration delay);
  absl::Status AwaitConnected(absl::Time deadline);
  void Destroy();

  const int fd_;
  const Network network_;
  const bool drains_;  // a short read tells that nothing is left
  // Under the lock for reading.
  bool drained_ = false;  // the last read told so
  bool has_ahead_ = false;
  char ahead_ = 0;      // has been received, comes before all else
  int late_error_ = 0;  // errno of a read that had ahead_ to return
  FdMutex mu_;
  PollDesc poll_;
  std::atomic<uint32_t> destroyed_{0};  // a semaphore: Close waits
  NetAddr local_;
  NetAddr remote_;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_FD_H_
