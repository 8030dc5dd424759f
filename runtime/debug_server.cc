#include "runtime/debug_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/panic.h"
#include "runtime/debug_stats.h"
#include "runtime/debug_threads.h"
#include "runtime/stack_dump.h"

namespace mpg {
namespace {

constexpr int64_t kClientNs = 2'000'000'000;
constexpr size_t kLongestRequest = 128;

struct Server {
  int listener = -1;
  int stop = -1;  // eventfd
  std::string path;
  pid_t pid = 0;
  std::thread thread;
};

RuntimeLock mu;
Server* server = nullptr;          // guarded by mu
std::atomic<int> idle_threads{0};  // that wait for a client

absl::Status Errno(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

// Waits for the client until `end`.
bool AwaitClient(int fd, short events, int64_t end) {
  for (;;) {
    const int64_t left = end - NanoTime();
    if (left <= 0) return false;
    pollfd p = {fd, events, 0};
    const int n = poll(&p, 1, static_cast<int>(left / 1'000'000 + 1));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

// The first line that comes within the time that a client has.
bool ReadLine(int fd, std::string* line) {
  const int64_t end = NanoTime() + kClientNs;
  while (line->size() < kLongestRequest && AwaitClient(fd, POLLIN, end)) {
    char buffer[kLongestRequest];
    const ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0) return false;
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return false;
    }
    line->append(buffer, static_cast<size_t>(n));
    const size_t newline = line->find('\n');
    if (newline != std::string::npos) {
      line->resize(newline);
      return true;
    }
  }
  return false;
}

void Write(int fd, absl::string_view text) {
  int64_t end = NanoTime() + kClientNs;
  while (!text.empty() && AwaitClient(fd, POLLOUT, end)) {
    const ssize_t n =
        send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return;
    }
    text.remove_prefix(static_cast<size_t>(n));
    end = NanoTime() + kClientNs;  // as long as it goes on reading
  }
}

std::string Answer(absl::string_view request) {
  if (request == "stats") return internal::DebugStatsJson();
  DumpOptions options;
  if (request == "dump") return DumpGoroutines(options);
  options.group_identical = true;
  if (request == "dump grouped") return DumpGoroutines(options);
  return "error: not one of: stats, dump, dump grouped\n";
}

bool MayAsk(int fd) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == geteuid());
}

void ServeClient(int fd) {
  std::string request;
  if (!MayAsk(fd)) {
    Write(fd, "error: not your program\n");
  } else if (ReadLine(fd, &request)) {
    Write(fd, Answer(request));
  }
}

void Serve(const Server* s) {
  for (;;) {
    pollfd ready[2] = {{s->listener, POLLIN, 0}, {s->stop, POLLIN, 0}};
    idle_threads.store(1);
    const int n = poll(ready, 2, -1);
    idle_threads.store(0);
    if (n < 0 && errno != EINTR) return;
    if (n <= 0) continue;
    if (ready[1].revents != 0) return;
    const int fd =
        accept4(s->listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE) usleep(100'000);
      continue;
    }
    ServeClient(fd);
    close(fd);
  }
}

// True if somebody serves the socket that is there.
bool IsServed(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return true;
  const bool refused = connect(fd, reinterpret_cast<const sockaddr*>(&address),
                               sizeof address) != 0 &&
                       errno == ECONNREFUSED;
  close(fd);
  return !refused;
}

// Makes room for a socket at `address`.
absl::Status RemoveStale(const sockaddr_un& address) {
  struct stat info;
  if (lstat(address.sun_path, &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(address.sun_path, " is not a socket"));
  }
  if (IsServed(address)) {
    return absl::AlreadyExistsError(
        absl::StrCat(address.sun_path, " is served by another process"));
  }
  if (unlink(address.sun_path) != 0) return Errno("unlink", address.sun_path);
  return absl::OkStatus();
}

absl::Status Open(Server* s) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (s->path.empty() || s->path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("a socket's path has 1 to ",
                                                   sizeof address.sun_path - 1,
                                                   " bytes: ", s->path));
  }
  memcpy(address.sun_path, s->path.data(), s->path.size());
  absl::Status status = RemoveStale(address);
  if (!status.ok()) return status;
  s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s->listener < 0) return Errno("socket", s->path);
  // Before bind: the file never has any other mode.
  fchmod(s->listener, 0600);
  if (bind(s->listener, reinterpret_cast<sockaddr*>(&address),
           sizeof address) != 0) {
    return Errno("bind", s->path);
  }
  s->pid = getpid();  // from here on the file is ours
  if (listen(s->listener, 16) != 0) return Errno("listen", s->path);
  s->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (s->stop < 0) return Errno("eventfd", s->path);
  return absl::OkStatus();
}

void Discard(Server* s) {
  if (s->listener >= 0) close(s->listener);
  if (s->stop >= 0) close(s->stop);
  if (s->pid == getpid()) unlink(s->path.c_str());
  delete s;
}

void RemoveAtExit() {
  // Without a wait: the thread may be in a dump.
  if (!mu.TryLock()) return;
  if (server != nullptr && server->pid == getpid()) {
    unlink(server->path.c_str());
  }
  mu.Unlock();
}

}  // namespace

absl::Status ServeDebug(absl::string_view path) {
  auto* s = new Server;
  s->path = absl::StrReplaceAll(path, {{"%p", absl::StrCat(getpid())}});
  {
    RuntimeLockGuard guard(mu);
    if (server != nullptr) {
      absl::Status status = absl::FailedPreconditionError(
          absl::StrCat("served already: ", server->path));
      delete s;
      return status;
    }
    server = s;
  }
  absl::Status status = Open(s);
  if (status.ok()) {
    static const bool registered = atexit(RemoveAtExit) == 0;
    (void)registered;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    try {
      s->thread = std::thread([s] { Serve(s); });
    } catch (const std::system_error& e) {
      status = absl::ResourceExhaustedError(
          absl::StrCat("a thread to serve ", s->path, ": ", e.what()));
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }
  if (!status.ok()) {
    {
      RuntimeLockGuard guard(mu);
      server = nullptr;
    }
    Discard(s);
  }
  return status;
}

void StopServingDebug() {
  Server* s;
  {
    RuntimeLockGuard guard(mu);
    if (server == nullptr || !server->thread.joinable()) return;
    s = server;
    server = nullptr;
  }
  const uint64_t one = 1;
  if (write(s->stop, &one, sizeof one) < 0) return;  // cannot fail
  s->thread.join();
  idle_threads.store(0);
  Discard(s);
}

namespace internal {

void ServeDebugIfAsked() {
  static const bool once = [] {
    const char* path = getenv("MPG_DEBUG_SOCKET");
    if (path == nullptr || *path == '\0') return false;
    const absl::Status status = ServeDebug(path);
    if (!status.ok()) {
      PrintError(
          absl::StrCat("mpg: MPG_DEBUG_SOCKET: ", status.message(), "\n"));
    }
    return status.ok();
  }();
  (void)once;
}

int IdleDebugThreads() { return idle_threads.load(); }

}  // namespace internal
}  // namespace mpg
