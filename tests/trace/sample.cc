// A program with every kind of event in its trace, for go_tool_trace_test.sh:
//   sample FILE
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "runtime/goroutine.h"
#include "runtime/poll_desc.h"
#include "runtime/runtime.h"
#include "runtime/time.h"
#include "runtime/trace.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

namespace sample {

void Worker(mpg::Chan<int> in, mpg::Chan<int> out) {
  for (const int v : in) {
    mpg::TraceTask task("job");
    mpg::TraceRegion region("square", &task);
    mpg::TraceLog("value", std::to_string(v), &task);
    out.Send(v * v);
  }
}

void Loop(absl::Duration d) {
  const int64_t end = mpg::NanoTime() + absl::ToInt64Nanoseconds(d);
  while (mpg::NanoTime() < end) {
  }
}

void ReadPipe(int fd) {
  absl::StatusOr<mpg::PollDesc> desc = mpg::PollDesc::Open(fd);
  char c;
  while (desc.ok() && read(fd, &c, 1) < 0) {
    if (!desc->Wait(mpg::PollDesc::kRead).ok()) break;
  }
}

void Everything() {
  auto in = mpg::MakeChan<int>(), out = mpg::MakeChan<int>(2);
  mpg::WaitGroup wg;
  for (int i = 0; i < 3; ++i) wg.Go([=] { Worker(in, out); });
  wg.Go([=] {
    for (int i = 0; i < 50; ++i) in.Send(i);
    in.Close();
  });
  for (int i = 0; i < 50; ++i) out.Recv();
  wg.Wait();

  int fds[2];
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return;
  wg.Go([&] { ReadPipe(fds[0]); });
  wg.Go([] {
    mpg::Syscall([] { usleep(5'000); });
    mpg::Sleep(absl::Milliseconds(1));  // go tool trace sees the end by this
  });
  wg.Go([] { mpg::Syscall([] { getppid(); }); });
  wg.Go([] { Loop(absl::Milliseconds(30)); });
  wg.Go([] { Loop(absl::Milliseconds(30)); });
  wg.Go([] { Loop(absl::Milliseconds(30)); });
  wg.Go([] {
    mpg::Select(mpg::OnRecv(mpg::MakeChan<int>(), [](std::optional<int>) {}),
                mpg::OnRecv(mpg::After(absl::Milliseconds(3)),
                            [](std::optional<absl::Time>) {}));
  });
  wg.Go([] { mpg::Goexit(); });
  mpg::Mutex mu;
  for (int i = 0; i < 2; ++i) {
    wg.Go([&] {
      mpg::MutexLock lock(&mu);
      mpg::Sleep(absl::Milliseconds(1));
      mpg::Gosched();
    });
  }
  mpg::Sleep(absl::Milliseconds(10));
  if (write(fds[1], "x", 1) != 1) return;
  mpg::GOMAXPROCS(3);
  mpg::StopTheWorld("sample");
  mpg::StartTheWorld();
  mpg::GOMAXPROCS(2);
  wg.Wait();
  close(fds[0]);
  close(fds[1]);
}

}  // namespace sample

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  mpg::RuntimeOptions options;
  options.max_procs = 2;
  mpg::Runtime runtime(options);
  absl::Status status;
  runtime.Run([&] {
    status = mpg::StartTrace(argv[1]);
    if (status.ok()) sample::Everything();
    mpg::StopTrace();
  });
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
