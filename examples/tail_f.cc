// tail_f [--lines=N] FILE...: the last lines of each file, and what is appended to
// it from then on, until ^C. Follows names: a file that is truncated is read from
// its beginning, one that is replaced or comes later is opened. One goroutine a
// file waits for inotify; one prints.
#include <errno.h>
#include <fcntl.h>
#include <gflags/gflags.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "channel/chan.h"
#include "context/context.h"
#include "context/notify_context.h"
#include "runtime/goroutine.h"
#include "runtime/poll_desc.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"

DEFINE_int32(lines, 10, "how many lines to begin with");

namespace {

struct Piece {
  std::string name;
  std::string text;
};

// Reads what has come to a file since it was last asked.
class Follower {
 public:
  Follower(std::string name, mpg::SendChan<Piece> out)
      : name_(std::move(name)), out_(std::move(out)) {}
  ~Follower() { Close(); }

  // All that is new; `lines` >= 0: only so many lines of it, at the first time.
  void Catch(int lines = -1) {
    // Disks are no descriptors to wait for: a call that may block.
    const std::string text = mpg::Syscall([&] { return ReadNew(lines); });
    if (!text.empty()) out_.Send({name_, text});
  }

 private:
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  void OpenAgainIfReplaced() {
    struct stat now;
    if (stat(name_.c_str(), &now) != 0) return;  // until another one comes
    if (fd_ >= 0 && now.st_ino == inode_ && now.st_dev == device_) return;
    Close();
    fd_ = open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    inode_ = now.st_ino;
    device_ = now.st_dev;
    offset_ = 0;
  }

  std::string ReadNew(int lines) {
    std::string text;
    if (fd_ >= 0) text = ReadToEnd();  // of one that is replaced, too
    OpenAgainIfReplaced();
    struct stat now;
    if (fd_ >= 0 && fstat(fd_, &now) == 0 && now.st_size < offset_) offset_ = 0;
    if (fd_ >= 0) text += ReadToEnd();
    return lines < 0 ? text : LastLines(text, lines);
  }

  std::string ReadToEnd() {
    std::string text;
    char buf[64 << 10];
    for (ssize_t n; (n = pread(fd_, buf, sizeof buf, offset_)) > 0;) {
      text.append(buf, static_cast<size_t>(n));
      offset_ += n;
    }
    return text;
  }

  static std::string LastLines(const std::string& text, int lines) {
    size_t at = text.size();
    if (at > 0 && text[at - 1] == '\n') --at;
    for (; at > 0; --at) {
      if (text[at - 1] == '\n' && --lines <= 0) break;
    }
    return text.substr(at);
  }

  const std::string name_;
  const mpg::SendChan<Piece> out_;
  int fd_ = -1;
  ino_t inode_ = 0;
  dev_t device_ = 0;
  off_t offset_ = 0;
};

std::string DirectoryOf(const std::string& name) {
  const size_t slash = name.rfind('/');
  if (slash == name.npos) return ".";
  return slash == 0 ? "/" : name.substr(0, slash);
}

int Complain(const std::string& name, absl::string_view why) {
  std::fprintf(stderr, "tail_f: %s: %.*s\n", name.c_str(),
               static_cast<int>(why.size()), why.data());
  return 1;
}

// Until ctx ends. The directory is watched: it tells of all that happens to the
// names in it.
int Follow(const mpg::Context& ctx, const std::string& name,
           const mpg::SendChan<Piece>& out) {
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch < 0) return Complain(name, strerror(errno));
  if (inotify_add_watch(watch, DirectoryOf(name).c_str(),
                        IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
    const int error = errno;
    close(watch);
    return Complain(name, strerror(error));
  }
  auto opened = mpg::PollDesc::Open(watch);
  if (!opened.ok()) return Complain(name, opened.status().message());
  // Shared: it is closed by another goroutine, which may be behind this one.
  const auto poll = std::make_shared<mpg::PollDesc>(*std::move(opened));
  const auto wake = mpg::AfterFunc(ctx, [poll] { poll->Close(); });
  Follower follower(name, out);
  follower.Catch(FLAGS_lines);
  for (;;) {
    char events[4096];
    bool any = false;
    while (read(watch, events, sizeof events) > 0) any = true;
    if (any) follower.Catch();
    if (!any && !poll->Wait(mpg::PollDesc::kRead).ok()) break;
  }
  close(watch);
  return 0;
}

void Print(const mpg::RecvChan<Piece>& pieces, bool several) {
  std::string last;
  for (const Piece& piece : pieces) {
    if (several && piece.name != last) {
      std::printf("%s==> %s <==\n", last.empty() ? "" : "\n",
                  piece.name.c_str());
      last = piece.name;
    }
    std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);
    std::fflush(stdout);
  }
}

int Tail(int files, char** names) {
  auto [ctx, stop] = mpg::NotifyContext(mpg::Background(), {SIGINT, SIGTERM});
  const auto pieces = mpg::MakeChan<Piece>(16);
  std::atomic<int> failures{0};
  mpg::Go([&, ctx = ctx] {
    mpg::WaitGroup followers;
    for (int i = 0; i < files; ++i) {
      followers.Go([&, i] { failures += Follow(ctx, names[i], pieces); });
    }
    followers.Wait();
    pieces.Close();
  });
  Print(pieces, files > 1);
  stop();
  return failures > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage("tail_f [--lines=N] FILE...");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (argc < 2) {
    std::fprintf(stderr, "tail_f: want at least one FILE\n");
    return 2;
  }
  return mpg::Main([&] { return Tail(argc - 1, argv + 1); });
}
