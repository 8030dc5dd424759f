// Conn and Listener: a stream connection, and what accepts them; TCP or Unix.
// Made by Dial and Listen (tcp.h), DialUnix and ListenUnix (unix_socket.h).
//
//   absl::StatusOr<Conn> conn = Dial("example.org:80");
//   conn->SetDeadline(absl::Now() + absl::Seconds(5));
//   conn->Write("GET / HTTP/1.0\r\n\r\n");
//   while (*(n = conn->Read(absl::MakeSpan(buf))) > 0) ...
//
// Both are cheap handles, copied as a Go net.Conn value is: copies are the same
// connection. It is closed by Close, or when the last handle has gone.
//
// Blocking: Read, Write and Accept block the goroutine, never the thread (on a
// plain thread, they block that). They return when there is something, when the
// deadline passes, or when another goroutine calls Close.
//
// Thread safety: all methods of one connection from any goroutine or thread at
// the same time; a handle itself is a value like any other. Reads of two
// goroutines run one after the other, in the order they came, and so do writes
// (each is written whole); a read and a write do not hinder each other. Go:
// fdMutex.
//
// Errors: net_error.h. A write to a connection that the peer has closed is an
// error (EPIPE), never the signal SIGPIPE. A handle without a connection: EINVAL.
// Source: Go's net.Conn, TCPConn, Listener.
#ifndef MPG_NET_CONN_H_
#define MPG_NET_CONN_H_

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/net_addr.h"

namespace mpg {

namespace internal {
class NetFd;
class StreamListener;
}  // namespace internal

class Conn {
 public:
  // No connection.
  Conn() = default;
  explicit Conn(std::shared_ptr<internal::NetFd> fd) : fd_(std::move(fd)) {}

  explicit operator bool() const { return fd_ != nullptr; }

  // Waits until there is something and reads at most buf.size() bytes of it. 0:
  // the peer has ended its side of the stream (or buf is empty).
  absl::StatusOr<size_t> Read(absl::Span<char> buf) const;
  // Reads until buf is full and returns its size; 0 if the stream ends before the
  // first byte; OutOfRange "unexpected EOF" if it ends after that.
  // Go: io.ReadFull.
  absl::StatusOr<size_t> ReadFull(absl::Span<char> buf) const;

  // Writes all and returns how much that was. After an error nothing is known of
  // how much has been written.
  absl::StatusOr<size_t> Write(absl::string_view data) const;
  // A Span by that name only: a literal would be one with the 0 at its end.
  template <class T, class = std::enable_if_t<
                         std::is_same_v<T, absl::Span<const char>> ||
                         std::is_same_v<T, absl::Span<char>>>>
  absl::StatusOr<size_t> Write(T data) const {
    return Write(absl::string_view(data.data(), data.size()));
  }
  // Writes all parts, one after another, with few system calls.
  // Go: net.Buffers.
  absl::StatusOr<size_t> Writev(
      absl::Span<const absl::string_view> parts) const;

  // Ends the connection; calls that are blocked in it return Cancelled "use of
  // closed network connection". What was written is still sent, as Go and the
  // system do (see SetLinger). Returns when the descriptor has been closed.
  absl::Status Close() const;
  // Ends one side: the peer's reads end; nothing more is read here.
  absl::Status CloseWrite() const;
  absl::Status CloseRead() const;

  // From then on, calls that would read or write fail with DeadlineExceeded "i/o
  // timeout", those that are blocked now included. absl::InfiniteFuture(), the
  // default: never. A time in the past: at once.
  absl::Status SetDeadline(absl::Time deadline) const;
  absl::Status SetReadDeadline(absl::Time deadline) const;
  absl::Status SetWriteDeadline(absl::Time deadline) const;

  NetAddr LocalAddr() const;
  NetAddr RemoteAddr() const;

  // TCP only. Whether what is written is sent at once (TCP_NODELAY). On by
  // default, as in Go.
  absl::Status SetNoDelay(bool on) const;
  // Whether the system probes an idle peer (SO_KEEPALIVE). On by default for TCP
  // and every 15 s, as in Go.
  absl::Status SetKeepAlive(bool on) const;
  // What Close does with data that is not sent yet. < 0, the default: it is sent
  // in the background. 0: it is dropped and the connection reset. > 0: as < 0,
  // for at most so many seconds.
  absl::Status SetLinger(int seconds) const;

  // The descriptor, for options that have no method; -1: no connection. It is the
  // caller's to use, not to close, and only until Close. Must stay non-blocking,
  // and must not be turned to kernel TLS.
  int fd() const;

  friend bool operator==(const Conn& a, const Conn& b) {
    return a.fd_ == b.fd_;
  }

 private:
  std::shared_ptr<internal::NetFd> fd_;
};

class Listener {
 public:
  // No listener.
  Listener() = default;
  explicit Listener(std::shared_ptr<internal::StreamListener> impl)
      : impl_(std::move(impl)) {}

  explicit operator bool() const { return impl_ != nullptr; }

  // Waits for the next connection. A connection that was lost before it could be
  // accepted is passed over. Where the process or the system is out of
  // descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM) it tries again, after
  // 5 ms first and 1 s at last.
  absl::StatusOr<Conn> Accept() const;

  // Where it listens, with the port that the system chose if 0 was asked for.
  NetAddr Addr() const;

  // Stops listening. An Accept that is blocked returns Cancelled. Connections
  // that have been accepted live on; those still in the queue are reset. The file
  // of a Unix socket is removed.
  absl::Status Close() const;

  // Of Accept: see Conn::SetDeadline.
  absl::Status SetDeadline(absl::Time deadline) const;

  // See Conn::fd.
  int fd() const;

 private:
  std::shared_ptr<internal::StreamListener> impl_;
};

}  // namespace mpg

#endif  // MPG_NET_CONN_H_
