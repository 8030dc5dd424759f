#include "net/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include <algorithm>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/strings/str_cat.h"
#include "base/park.h"
#include "net/net_error.h"
#include "net/socket_call.h"
#include "runtime/time.h"
#include "sync/sema.h"

namespace mpg {
namespace internal {
namespace {

// Go: maxRW. Some systems want no more at once; here it bounds one system call.
constexpr size_t kMaxTransfer = size_t{1} << 30;
// Reads of so much or less look for a byte more; what it costs is to copy them.
// Untuned.
constexpr size_t kSmallRead = 512;
// Parts of one Writev call to the system. Untuned; the system takes 1024.
constexpr size_t kMaxParts = 64;

// Go: net/http's Server.Serve.
constexpr absl::Duration kFirstBackOff = absl::Milliseconds(5);
constexpr absl::Duration kMaxBackOff = absl::Seconds(1);
// How late a Close or a deadline may be noticed meanwhile.
constexpr absl::Duration kBackOffSlice = absl::Milliseconds(10);

bool OutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS ||
         error == ENOMEM;
}

// The connection went while it was in the queue; there may be others.
bool LostInQueue(int error) { return error == ECONNABORTED || error == EPROTO; }

// What is left of a list of parts that is written step by step.
class PartsLeft {
 public:
  explicit PartsLeft(absl::Span<const absl::string_view> parts)
      : parts_(parts) {}

  // The first parts that are left. 0: nothing is.
  size_t Fill(iovec* vectors) const {
    size_t n = 0;
    size_t offset = offset_;
    for (size_t i = 0; i < parts_.size() && n < kMaxParts; ++i) {
      const absl::string_view part = parts_[i].substr(offset);
      offset = 0;
      if (part.empty()) continue;
      vectors[n].iov_base = const_cast<char*>(part.data());
      vectors[n].iov_len = part.size();
      ++n;
    }
    return n;
  }

  void Advance(size_t size) {
    offset_ += size;
    while (!parts_.empty() && offset_ >= parts_.front().size()) {
      offset_ -= parts_.front().size();
      parts_.remove_prefix(1);
    }
  }

 private:
  absl::Span<const absl::string_view> parts_;
  size_t offset_ = 0;  // of the first part, written already
};

}  // namespace

absl::string_view NetworkName(Network network) {
  switch (network) {
    case Network::kTcp:
      return "tcp";
    case Network::kUdp:
      return "udp";
    case Network::kUnix:
      return "unix";
  }
  return "";
}

// Uses the descriptor, beside others.
class NetFd::Use {
 public:
  explicit Use(NetFd* fd) : fd_(fd), ok_(fd->mu_.Incref()) {}
  ~Use() {
    if (ok_ && fd_->mu_.Decref()) fd_->Destroy();
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  bool ok() const { return ok_; }

 private:
  NetFd* const fd_;
  const bool ok_;
};

// Uses one side of the descriptor, as the only one.
class NetFd::Exclusive {
 public:
  Exclusive(NetFd* fd, FdMutex::Side side)
      : fd_(fd), side_(side), ok_(fd->mu_.RWLock(side)) {}
  ~Exclusive() {
    if (ABSL_PREDICT_TRUE(ok_) && fd_->mu_.RWUnlock(side_)) fd_->Destroy();
  }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;
  bool ok() const { return ok_; }

 private:
  NetFd* const fd_;
  const FdMutex::Side side_;
  const bool ok_;
};

absl::StatusOr<std::shared_ptr<NetFd>> NetFd::Adopt(int fd, Network network) {
  std::shared_ptr<NetFd> net_fd(new NetFd(fd, network));
  auto poll = PollDesc::Open(fd);
  if (!poll.ok()) return poll.status();
  net_fd->poll_ = *std::move(poll);
  return net_fd;
}

// The poller sees the socket only once it is being connected: of a new one it
// would report that it is hung up.
absl::StatusOr<std::shared_ptr<NetFd>> NetFd::Connect(int fd, Network network,
                                                      const NetAddr& to,
                                                      absl::Time deadline) {
  const int error = -SysConnect(fd, to);
  // EINTR: it goes on, as after EINPROGRESS.
  const bool pending = error == EINPROGRESS || error == EINTR;
  if (error > 0 && !pending) {
    SysClose(fd);
    return ErrnoStatus(error, "connect", "");
  }
  auto net_fd = Adopt(fd, network);
  if (!net_fd.ok()) return net_fd;
  if (pending) {
    const absl::Status status = (*net_fd)->AwaitConnected(deadline);
    if (!status.ok()) return status;
  }
  (*net_fd)->SetAddrs(SysLocalAddr(fd), to);
  return net_fd;
}

absl::Status NetFd::AwaitConnected(absl::Time deadline) {
  if (deadline != absl::InfiniteFuture()) {
    poll_.SetDeadline(PollDesc::kWrite, deadline);
  }
  for (;;) {
    const absl::Status ready = poll_.Wait(PollDesc::kWrite);
    if (!ready.ok()) return ready;
    const int error = SysTakeError(fd_);
    if (error == EINPROGRESS || error == EALREADY || error == EINTR) continue;
    if (error != 0 && error != EISCONN) {
      return ErrnoStatus(error, "connect", "");
    }
    // No error, and still not connected: woken for nothing.
    if (error == EISCONN || SysPeerAddr(fd_).family() != AF_UNSPEC) break;
  }
  if (deadline != absl::InfiniteFuture()) {
    poll_.SetDeadline(PollDesc::kWrite, absl::InfiniteFuture());
  }
  return absl::OkStatus();
}

NetFd::~NetFd() {
  if (mu_.IncrefAndClose() && mu_.Decref()) Destroy();
}

// The last user has gone.
void NetFd::Destroy() {
  poll_.Close();
  SysClose(fd_);
  Semrelease(&destroyed_);
}

absl::Status NetFd::Close() {
  PreemptPoint();
  if (!mu_.IncrefAndClose()) return ClosedError("close");
  poll_.Close();
  if (mu_.Decref()) Destroy();
  Semacquire(&destroyed_);
  return absl::OkStatus();
}

absl::Status NetFd::Shutdown(int how) {
  const Use use(this);
  if (!use.ok()) return ClosedError("close");
  const int error = -SysShutdown(fd_, how);
  return error > 0 ? Error("close", "shutdown", error) : absl::OkStatus();
}

absl::Status NetFd::SetDeadline(PollDesc::Mode mode, absl::Time deadline) {
  const Use use(this);
  if (!use.ok()) return ClosedError("set");
  poll_.SetDeadline(mode, deadline);
  return absl::OkStatus();
}

absl::Status NetFd::SetOption(int level, int name, const void* value,
                              size_t size) {
  const Use use(this);
  if (!use.ok()) return ClosedError("set");
  const int error = -SysSetOption(fd_, level, name, value, size);
  return error > 0 ? Error("set", "setsockopt", error) : absl::OkStatus();
}

absl::StatusOr<size_t> NetFd::Read(absl::Span<char> buf) {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kRead);
  if (ABSL_PREDICT_FALSE(!lock.ok())) return ClosedError("read");
  return ReadLocked(buf);
}

absl::StatusOr<size_t> NetFd::ReadFull(absl::Span<char> buf) {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kRead);
  if (ABSL_PREDICT_FALSE(!lock.ok())) return ClosedError("read");
  size_t done = 0;
  while (done < buf.size()) {
    const auto n = ReadLocked(buf.subspan(done));
    if (ABSL_PREDICT_FALSE(!n.ok())) return n;
    if (*n == 0 && done == 0) return 0;
    if (*n == 0) return absl::OutOfRangeError("unexpected EOF");
    done += *n;
  }
  return done;
}

// See "Skipping reads that would fail".
absl::StatusOr<size_t> NetFd::ReadLocked(absl::Span<char> buf) {
  if (buf.empty()) return 0;
  const bool wait_first = drained_ && !poll_.SawException();
  drained_ = false;
  absl::Status ready =
      wait_first ? poll_.Wait(PollDesc::kRead) : poll_.Reset(PollDesc::kRead);
  for (;;) {
    if (ABSL_PREDICT_FALSE(!ready.ok())) {
      drained_ = wait_first;
      return PollError("read", ready);
    }
    if (ABSL_PREDICT_FALSE(has_ahead_)) return ReceiveBehindAhead(buf);
    const ssize_t n =
        late_error_ != 0 ? -std::exchange(late_error_, 0) : Receive(buf);
    if (ABSL_PREDICT_TRUE(n >= 0)) return static_cast<size_t>(n);
    if (n != -EAGAIN) return Error("read", "read", static_cast<int>(-n));
    ready = poll_.Wait(PollDesc::kRead);
  }
}

// As SysRecv. Sets drained_ if nothing is left.
ssize_t NetFd::Receive(absl::Span<char> buf) {
  const size_t room = std::min(buf.size(), kMaxTransfer);
  if (!drains_ || room > kSmallRead) {
    const ssize_t n = SysRecv(fd_, buf.data(), room);
    drained_ = drains_ && n > 0 && static_cast<size_t>(n) < room;
    return n;
  }
  char bytes[kSmallRead + 1];
  const ssize_t n = SysRecv(fd_, bytes, room + 1);
  if (n <= 0) return n;
  const size_t got = std::min(static_cast<size_t>(n), room);
  memcpy(buf.data(), bytes, got);
  has_ahead_ = static_cast<size_t>(n) > room;
  drained_ = !has_ahead_;
  if (has_ahead_) ahead_ = bytes[room];
  return static_cast<ssize_t>(got);
}

// The byte that is there already, and what else comes without waiting.
size_t NetFd::ReceiveBehindAhead(absl::Span<char> buf) {
  buf.front() = ahead_;
  has_ahead_ = false;
  if (buf.size() == 1) return 1;
  const ssize_t n = Receive(buf.subspan(1));
  if (n > 0) return 1 + static_cast<size_t>(n);
  if (n == -EAGAIN) drained_ = drains_;
  // The system tells an error once; the end of the stream as often as asked.
  if (n < 0 && n != -EAGAIN) late_error_ = static_cast<int>(-n);
  return 1;
}

absl::StatusOr<size_t> NetFd::ReadFrom(absl::Span<char> buf, NetAddr* from) {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kRead);
  if (!lock.ok()) return ClosedError("read");
  absl::Status ready = poll_.Reset(PollDesc::kRead);
  for (;;) {
    if (!ready.ok()) return PollError("read", ready);
    const ssize_t n = SysRecvFrom(fd_, buf.data(), buf.size(), from);
    if (n >= 0) return static_cast<size_t>(n);
    if (n != -EAGAIN) return Error("read", "recvfrom", static_cast<int>(-n));
    ready = poll_.Wait(PollDesc::kRead);
  }
}

absl::StatusOr<size_t> NetFd::Write(absl::string_view data) {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kWrite);
  if (ABSL_PREDICT_FALSE(!lock.ok())) return ClosedError("write");
  absl::Status ready = poll_.Reset(PollDesc::kWrite);
  size_t done = 0;
  for (;;) {
    if (ABSL_PREDICT_FALSE(!ready.ok())) return PollError("write", ready);
    if (done == data.size()) return done;
    const ssize_t n = SysSend(fd_, data.data() + done,
                              std::min(data.size() - done, kMaxTransfer));
    if (ABSL_PREDICT_TRUE(n >= 0)) {
      done += static_cast<size_t>(n);
      if (ABSL_PREDICT_TRUE(done == data.size())) return done;
    } else if (n == -EAGAIN) {
      ready = poll_.Wait(PollDesc::kWrite);
    } else {
      return Error("write", "write", static_cast<int>(-n));
    }
  }
}

absl::StatusOr<size_t> NetFd::Writev(
    absl::Span<const absl::string_view> parts) {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kWrite);
  if (!lock.ok()) return ClosedError("write");
  absl::Status ready = poll_.Reset(PollDesc::kWrite);
  PartsLeft left(parts);
  size_t done = 0;
  for (;;) {
    if (!ready.ok()) return PollError("write", ready);
    iovec vectors[kMaxParts];
    msghdr message = {};
    message.msg_iov = vectors;
    message.msg_iovlen = left.Fill(vectors);
    if (message.msg_iovlen == 0) return done;
    const ssize_t n = SysSendMsg(fd_, message);
    if (n >= 0) {
      done += static_cast<size_t>(n);
      left.Advance(static_cast<size_t>(n));
    } else if (n == -EAGAIN) {
      ready = poll_.Wait(PollDesc::kWrite);
    } else {
      return Error("write", "writev", static_cast<int>(-n));
    }
  }
}

absl::StatusOr<size_t> NetFd::WriteTo(absl::string_view data,
                                      const NetAddr* to) {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kWrite);
  if (!lock.ok()) return ClosedError("write");
  absl::Status ready = poll_.Reset(PollDesc::kWrite);
  for (;;) {
    if (!ready.ok()) return PollError("write", ready);
    const ssize_t n = to == nullptr
                          ? SysSend(fd_, data.data(), data.size())
                          : SysSendTo(fd_, data.data(), data.size(), *to);
    if (n >= 0) return static_cast<size_t>(n);
    if (n != -EAGAIN) {
      return Error("write", to == nullptr ? "write" : "sendto",
                   static_cast<int>(-n));
    }
    ready = poll_.Wait(PollDesc::kWrite);
  }
}

absl::StatusOr<NetFd::Accepted> NetFd::Accept() {
  PreemptPoint();
  const Exclusive lock(this, FdMutex::kRead);
  if (!lock.ok()) return ClosedError("accept");
  absl::Status ready = poll_.Reset(PollDesc::kRead);
  absl::Duration delay = kFirstBackOff;
  for (;;) {
    if (!ready.ok()) return PollError("accept", ready);
    Accepted accepted;
    accepted.fd = SysAccept(fd_, &accepted.peer);
    if (accepted.fd >= 0) return accepted;
    const int error = -accepted.fd;
    if (error == EAGAIN) {
      ready = poll_.Wait(PollDesc::kRead);
    } else if (OutOfResources(error)) {
      ready = BackOff(delay);
      delay = std::min(2 * delay, kMaxBackOff);
    } else if (!LostInQueue(error)) {
      return Error("accept", "accept4", error);
    }
  }
}

// Sleeps; returns early with the error if closed or past the deadline.
absl::Status NetFd::BackOff(absl::Duration delay) {
  for (; delay > absl::ZeroDuration(); delay -= kBackOffSlice) {
    Sleep(std::min(delay, kBackOffSlice));
    absl::Status status = poll_.Reset(PollDesc::kRead);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string NetFd::Context(absl::string_view op) const {
  std::string local = local_.ToString();
  const std::string remote = remote_.ToString();
  if (!local.empty() && !remote.empty()) local += "->";
  const absl::string_view space = local.empty() && remote.empty() ? "" : " ";
  return absl::StrCat(op, " ", NetworkName(network_), space, local, remote);
}

absl::Status NetFd::Error(absl::string_view op, absl::string_view call,
                          int error) const {
  return ErrnoStatus(error, Context(op), call);
}

absl::Status NetFd::PollError(absl::string_view op,
                              const absl::Status& why) const {
  if (mu_.Closed()) return ClosedError(op);
  return Annotate(why, Context(op));
}

absl::Status NetFd::ClosedError(absl::string_view op) const {
  return absl::CancelledError(
      absl::StrCat(Context(op), ": use of closed network connection"));
}

}  // namespace internal
}  // namespace mpg
